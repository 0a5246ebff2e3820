from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, StateDictError

Make = Callable[[Any], Any]
untyped: Any = optim  # called with arguments that a type checker refuses too


def sgd(lr: float = 0.5) -> optim.SGD:
    return optim.SGD([{"params": [nn.Parameter([1.0])]} for _ in range(2)], lr=lr, momentum=0.9)


def sequence(optimizer: optim.Optimizer) -> optim.SequentialLR:
    parts = [
        optim.LinearLR(optimizer, total_iters=4),
        optim.CosineAnnealingWarmRestarts(optimizer, T_0=3, T_mult=2),
        optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=40),
    ]
    return optim.SequentialLR(optimizer, parts, milestones=[4, 14])


MAKERS: dict[str, Make] = {
    "step": lambda o: optim.StepLR(o, step_size=3),
    "multi_step": lambda o: optim.MultiStepLR(o, milestones=[2, 9, 9]),
    "exponential": lambda o: optim.ExponentialLR(o, gamma=0.9),
    "linear": lambda o: optim.LinearLR(o, total_iters=9),
    "cosine": lambda o: optim.CosineAnnealingLR(o, T_max=6, eta_min=0.01),
    "restarts": lambda o: optim.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2),
    "one_cycle": lambda o: optim.OneCycleLR(o, max_lr=1.0, total_steps=40),
    "plateau": lambda o: optim.ReduceLROnPlateau(o, patience=1, cooldown=2),
    "sequence": sequence,
    "nested": lambda o: optim.SequentialLR(o, [sequence(o), optim.StepLR(o, 1), sequence(o)], milestones=[6, 9]),
}
every_schedule = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def go(schedule: Any, steps: range) -> list[Any]:
    course = []
    for step in steps:
        if isinstance(schedule, optim.ReduceLROnPlateau):
            schedule.step(max(5 - step, 1))
        else:
            schedule.step()
        course.append([dict(group, params=None) for group in schedule.optimizer.param_groups])
        course.append(schedule.get_last_lr())
    return course


@every_schedule
@pytest.mark.parametrize("optimizer_first", [True, False])
@pytest.mark.parametrize("done", [0, 3, 7, 15])
def test_a_schedule_goes_on_from_its_state(make: Make, optimizer_first: bool, done: int) -> None:
    schedule = make(sgd())
    go(schedule, range(done))
    schedule.optimizer.param_groups[1]["lr"] *= 0.7  # by hand
    saved = [schedule.optimizer.state_dict(), json.loads(json.dumps(schedule.state_dict()))]
    expected = go(schedule, range(done, done + 10))
    optimizer = sgd(lr=3.0)
    resumed = make(optimizer)
    pairs = list(zip((optimizer, resumed), saved, strict=True))
    for each, state in pairs if optimizer_first else pairs[::-1]:
        each.load_state_dict(state)
    assert resumed.last_epoch == done
    assert go(resumed, range(done, done + 10)) == expected


@every_schedule
def test_the_state_alone_restores_the_learning_rate(make: Make) -> None:
    schedule = make(sgd())
    go(schedule, range(7))
    resumed = make(sgd(lr=3.0))
    resumed.load_state_dict(schedule.state_dict())
    rates, again = ([group["lr"] for group in each.optimizer.param_groups] for each in (schedule, resumed))
    assert again == rates == resumed.get_last_lr()


def test_the_state_is_a_copy() -> None:
    schedule = optim.MultiStepLR(sgd(), [2, 4])
    state = schedule.state_dict()
    state["milestones"].append(5)
    assert schedule.milestones == [2, 4]
    schedule.load_state_dict(state)
    state["milestones"].append(6)
    assert schedule.milestones == [2, 4, 5]
    assert "optimizer" not in state


def test_a_state_that_does_not_fit_changes_nothing() -> None:
    schedule = sequence(sgd())
    go(schedule, range(3))
    before = schedule.state_dict()
    wrong = sequence(sgd()).state_dict()
    wrong["_schedulers"][2] = optim.StepLR(sgd(), 3).state_dict()
    with pytest.raises(StateDictError, match=r"OneCycleLR.load_state_dict: missing .* another schedule"):
        schedule.load_state_dict(wrong)
    wrong["_schedulers"].pop()
    with pytest.raises(StateDictError, match="expects 3 schedules, got 2"):
        schedule.load_state_dict(wrong)
    with pytest.raises(StateDictError, match=r"StepLR.load_state_dict: missing 'step_size'"):
        optim.StepLR(sgd(), 3).load_state_dict(optim.ExponentialLR(sgd(), 0.5).state_dict())
    one_group = optim.StepLR(optim.SGD([nn.Parameter([1.0])], lr=1.0), 3)
    with pytest.raises(StateDictError, match="expects 2 parameter groups, got 1"):
        optim.StepLR(sgd(), 3).load_state_dict(one_group.state_dict())
    assert schedule.state_dict() == before


# ---- what a schedule takes


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o: optim.StepLR(o, 0), ArgumentError, "StepLR: step_size must be .* at least 1, got 0"),
        (lambda o: untyped.StepLR(o, 2.5), ArgumentTypeError, "StepLR: step_size expects an int"),
        (lambda o: optim.StepLR(o, 2, math.nan), ArgumentError, "StepLR: gamma"),
        (lambda o: optim.MultiStepLR(o, [1, -1]), ArgumentError, "MultiStepLR: milestones"),
        (lambda o: untyped.ExponentialLR(o, "0.9"), ArgumentTypeError, "ExponentialLR: gamma expects a number"),
        (lambda o: optim.LinearLR(o, 0.0), ArgumentError, "LinearLR: start_factor must be .* above 0, at most 1"),
        (lambda o: optim.LinearLR(o, total_iters=0), ArgumentError, "LinearLR: total_iters"),
        (lambda o: optim.CosineAnnealingLR(o, 0), ArgumentError, "CosineAnnealingLR: T_max"),
        (lambda o: optim.CosineAnnealingWarmRestarts(o, 2, 0), ArgumentError, "T_mult"),
        (lambda o: optim.CosineAnnealingWarmRestarts(o, 2).step(-1), ArgumentError, "epoch must be .* at least 0"),
        (lambda o: optim.ReduceLROnPlateau(o, "least"), ArgumentError, "mode must be 'min' or 'max', got 'least'"),
        (lambda o: optim.ReduceLROnPlateau(o, factor=1.0), ArgumentError, "factor must be .* below 1"),
        (lambda o: optim.ReduceLROnPlateau(o, min_lr=[0.1]), ArgumentError, "min_lr has 1 values for 2"),
        (lambda o: untyped.StepLR([o], 3), ArgumentTypeError, "StepLR: expects an Optimizer, got list"),
        (lambda o: optim.SequentialLR(o, [], []), ArgumentError, "one schedule more than milestones, got 0 and 0"),
        (
            lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1)] * 3, [4, 2]),
            ArgumentError,
            r"milestones in ascending order, got \[4, 2\]",
        ),
        (
            lambda o: untyped.SequentialLR(o, [optim.StepLR(o, 1), optim.ReduceLROnPlateau(o)], [2]),
            ArgumentTypeError,
            r"schedulers\[1\] expects a schedule whose step\(\) takes no argument, got ReduceLROnPlateau",
        ),
        (
            lambda o: optim.SequentialLR(o, [optim.StepLR(o, 1), optim.StepLR(sgd(), 1)], [2]),
            ArgumentError,
            r"schedulers\[1\] belongs to another optimizer",
        ),
    ],
)
def test_arguments_are_refused(make: Make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make(sgd())


def test_a_metric_may_be_a_tensor_or_a_numpy_scalar() -> None:
    schedule = optim.ReduceLROnPlateau(sgd(1.0), patience=0, factor=0.5)
    for metric in (nn.Parameter([3.0]).sum(), np.float32(3.0), 3):
        schedule.step(metric)
    assert schedule.get_last_lr() == [0.25, 0.25]


def test_pytorchs_path_leads_to_the_same_schedules() -> None:
    assert optim.lr_scheduler.StepLR is optim.StepLR
    assert all(getattr(optim, name) is getattr(optim.lr_scheduler, name) for name in optim.lr_scheduler.__all__)
    assert all(issubclass(getattr(optim, name), optim.LRScheduler) for name in optim.lr_scheduler.__all__)


def test_a_group_added_later_is_left_alone() -> None:
    optimizer = sgd(1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    optimizer.add_param_group({"params": [nn.Parameter([1.0])], "lr": 7.0})
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, 7.0]
