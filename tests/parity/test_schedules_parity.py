"""All schedules follow PyTorch's learning rates and momenta for 20 steps."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.parity.comparing import CASES, assert_both_refuse, torch
from tinygrad_cnn import optim

STEPS = 20
Options = dict[str, Any]
factor = st.floats(0.05, 1.0)
count = st.integers(1, 12)
least = st.sampled_from([0.0, 0.003])

OPTIONS: dict[str, st.SearchStrategy[Options]] = {
    "StepLR": st.fixed_dictionaries({"step_size": count, "gamma": factor}),
    "MultiStepLR": st.fixed_dictionaries({"milestones": st.lists(st.integers(0, 20), max_size=5), "gamma": factor}),
    "ExponentialLR": st.fixed_dictionaries({"gamma": factor}),
    "LinearLR": st.fixed_dictionaries(
        {"start_factor": factor, "end_factor": st.floats(0.0, 1.0), "total_iters": count}
    ),
    "CosineAnnealingLR": st.fixed_dictionaries({"T_max": count, "eta_min": least}),
    "CosineAnnealingWarmRestarts": st.fixed_dictionaries({"T_0": count, "T_mult": st.integers(1, 3), "eta_min": least}),
    "OneCycleLR": st.fixed_dictionaries(
        {
            "max_lr": st.floats(0.01, 2.0) | st.tuples(st.floats(0.01, 2.0), st.floats(0.01, 2.0)).map(list),
            "total_steps": st.integers(STEPS + 1, 60),
            "pct_start": st.floats(0.1, 0.45),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
            "cycle_momentum": st.booleans(),
            "div_factor": st.floats(1.0, 50.0),
            "final_div_factor": st.floats(1.0, 1e4),
            "three_phase": st.booleans(),
        }
    ),
}
PLATEAU = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.floats(0.05, 0.9),
        "patience": st.integers(0, 4),
        "threshold": st.sampled_from([0.0, 1e-4, 0.2]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 3),
        "min_lr": st.just(0) | st.just([0.01, 0.2]),
        "eps": st.sampled_from([1e-8, 0.02]),
    }
)
rates = st.tuples(st.floats(0.01, 1.0), st.floats(0.01, 1.0))
kind = st.sampled_from(sorted(OPTIONS)).flatmap(lambda name: st.tuples(st.just(name), OPTIONS[name]))
stepwise = kind.filter(lambda pair: pair[0] != "OneCycleLR")


def optimizers(lrs: tuple[float, float], name: str = "SGD") -> tuple[Any, Any]:
    options: Options = {"momentum": 0.9} if name == "SGD" else {}
    made = []
    for module, leaf in ((optim, tg.tensor), (torch.optim, torch.tensor)):
        groups = [{"params": [leaf([1.0], requires_grad=True)], "lr": lr} for lr in lrs]
        made.append(getattr(module, name)(groups, **options))
    return made[0], made[1]


def make(optimizer: Any, name: str, options: Options) -> Any:
    module = optim if isinstance(optimizer, optim.Optimizer) else torch.optim.lr_scheduler
    return getattr(module, name)(optimizer, **options)


def follow(
    optimizer: Any, schedules: list[Any], arguments: Sequence[tuple[Any, ...]] = ((),) * STEPS, by_hand: int = STEPS
) -> np.ndarray:
    """What every step of the optimiser would use, and what every schedule says of it.

    arguments: of `step`, each time. by_hand: when somebody else changes the learning rate.
    """
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch wants the optimiser to step in between
        for i in range(STEPS + 1):
            row = [group["lr"] for group in optimizer.param_groups]
            row += [group["betas"][0] if "betas" in group else group["momentum"] for group in optimizer.param_groups]
            for schedule in schedules:
                row += [*schedule.get_last_lr(), schedule.last_epoch]
            rows.append(row)
            if i == by_hand:
                optimizer.param_groups[0]["lr"] *= 0.5
            for schedule in schedules if i < STEPS else ():
                schedule.step(*arguments[i])
    return np.array(rows, np.float64)


def assert_same_course(name: str, options: Any, ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12, err_msg=f"{name} {options}")
    CASES[f"optim.{name}", ", ".join(options) if isinstance(options, dict) else "", 0] += 1


@pytest.mark.parametrize("name", OPTIONS)
@given(data=st.data(), lrs=rates, optimizer=st.sampled_from(["SGD", "Adam"]))
def test_each_schedule(name: str, data: st.DataObject, lrs: tuple[float, float], optimizer: str) -> None:
    options = data.draw(OPTIONS[name])
    courses = []
    for each in optimizers(lrs, optimizer):
        schedule = make(each, name, options)
        courses.append(follow(each, [schedule]))
    assert_same_course(name, options, *courses)


@given(
    options=PLATEAU,
    lrs=rates,
    metrics=st.lists(st.sampled_from([0.0, 1.0, 1.1, 0.5, 5.0, -1.0, float("nan")]), min_size=STEPS, max_size=STEPS),
)
def test_plateau(options: Options, lrs: tuple[float, float], metrics: list[float]) -> None:
    courses = []
    for each in optimizers(lrs):
        schedule = make(each, "ReduceLROnPlateau", options)
        courses.append(follow(each, [schedule], [(metric,) for metric in metrics]))
    assert_same_course("ReduceLROnPlateau", options, *courses)


def has_one_cycle_at_most(parts: list[tuple[str, Options]]) -> bool:
    """PyTorch keeps the levels of a cycle in the optimiser, where a second one overwrites them."""
    return [name for name, _ in parts].count("OneCycleLR") <= 1


@given(
    parts=st.lists(kind, min_size=1, max_size=4).filter(has_one_cycle_at_most),
    gaps=st.lists(st.integers(1, 8), min_size=3, max_size=3),
    lrs=rates,
)
def test_sequences(parts: list[tuple[str, Options]], gaps: list[int], lrs: tuple[float, float]) -> None:
    milestones = np.cumsum(gaps)[: len(parts) - 1].tolist()
    courses = []
    for each in optimizers(lrs):
        schedules = [make(each, name, options) for name, options in parts]
        schedule = make(each, "SequentialLR", {"schedulers": schedules, "milestones": milestones})
        courses.append(follow(each, [schedule]))
    assert_same_course("SequentialLR", "", *courses)


@given(parts=st.lists(stepwise, min_size=2, max_size=3), lrs=rates, by_hand=st.integers(0, STEPS - 1))
def test_several_schedules_at_once(parts: list[tuple[str, Options]], lrs: tuple[float, float], by_hand: int) -> None:
    # Each goes on from the learning rate that it finds, wherever that comes from.
    courses = []
    for each in optimizers(lrs):
        schedules = [make(each, name, options) for name, options in parts]
        courses.append(follow(each, schedules, by_hand=by_hand))
    assert_same_course("chained", "", *courses)


@given(t_0=count, t_mult=st.integers(1, 3), places=st.lists(st.floats(0, 60), min_size=STEPS, max_size=STEPS))
def test_warm_restarts_go_to_any_place(t_0: int, t_mult: int, places: list[float]) -> None:
    courses = []
    places = [round(place, 3) for place in places]
    for each in optimizers((0.5, 0.1)):
        schedule = make(each, "CosineAnnealingWarmRestarts", {"T_0": t_0, "T_mult": t_mult})
        to = [*[(place,) for place in places[: STEPS - 5]], *[()] * 5]  # and on from there, step by step
        courses.append(follow(each, [schedule], to))
    assert_same_course("CosineAnnealingWarmRestarts", {"epoch": 0}, *courses)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LinearLR", {"start_factor": 0.0}),
        ("LinearLR", {"start_factor": 1.5}),
        ("LinearLR", {"end_factor": -0.1}),
        ("LinearLR", {"end_factor": 1.1}),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}),
        ("CosineAnnealingWarmRestarts", {"T_0": 2.5}),
        ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 0}),
        ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 1.5}),
        ("CosineAnnealingWarmRestarts", {"T_0": 2, "eta_min": "low"}),
        ("ReduceLROnPlateau", {"factor": 1.0}),
        ("ReduceLROnPlateau", {"mode": "least"}),
        ("ReduceLROnPlateau", {"threshold_mode": "relative"}),
        ("ReduceLROnPlateau", {"min_lr": [0.1]}),
        ("OneCycleLR", {"max_lr": 1.0}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 0}),
        ("OneCycleLR", {"max_lr": 1.0, "epochs": 3}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "pct_start": 1.5}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 5, "anneal_strategy": "exp"}),
        ("OneCycleLR", {"max_lr": [1.0], "total_steps": 5}),
        ("SequentialLR", {"schedulers": [], "milestones": []}),
    ],
    ids=str,
)
def test_what_pytorch_refuses_is_refused(name: str, options: Options) -> None:
    ours, theirs = optimizers((0.5, 0.1))
    assert_both_refuse(lambda: make(ours, name, options), lambda: make(theirs, name, options))


@pytest.mark.parametrize("milestones", [[], [1, 2]], ids=str)
def test_sequences_that_do_not_fit_are_refused(milestones: list[int]) -> None:
    def sequence(optimizer: Any) -> Any:
        schedules = [make(optimizer, "StepLR", {"step_size": 1}) for _ in range(2)]
        return make(optimizer, "SequentialLR", {"schedulers": schedules, "milestones": milestones})

    ours, theirs = optimizers((0.5, 0.1))
    assert_both_refuse(lambda: sequence(ours), lambda: sequence(theirs))


def test_a_sequence_refuses_what_needs_a_metric_and_what_is_of_another_optimizer() -> None:
    ours, theirs = optimizers((0.5, 0.1))
    strangers = optimizers((0.5, 0.1))

    def of(optimizer: Any, second: Any) -> Any:
        first = make(optimizer, "StepLR", {"step_size": 1})
        return make(optimizer, "SequentialLR", {"schedulers": [first, second], "milestones": [2]})

    assert_both_refuse(
        lambda: of(ours, make(ours, "ReduceLROnPlateau", {})), lambda: of(theirs, make(theirs, "ReduceLROnPlateau", {}))
    )
    assert_both_refuse(
        lambda: of(ours, make(strangers[0], "ExponentialLR", {"gamma": 0.5})),
        lambda: of(theirs, make(strangers[1], "ExponentialLR", {"gamma": 0.5})),
    )
