"""All optimisers follow PyTorch's trajectories for 20 steps, and gradients are clipped as PyTorch clips them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.parity.comparing import CASES, assert_both_refuse, assert_close, torch
from tinygrad_cnn import optim

STEPS = 20
SHAPES = ((3, 2), (4,), (), (0,))


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda x: round(x, 6))


rate = numbers(1e-4, 0.03)
decay = st.sampled_from([0, 0.01, 0.1])
fraction = numbers(0.0, 0.99)
small = st.sampled_from([1e-8, 1e-3, 0.1])
shared = {"lr": rate, "weight_decay": decay, "maximize": st.booleans()}

adam = st.fixed_dictionaries({**shared, "betas": st.tuples(fraction, fraction), "eps": small, "amsgrad": st.booleans()})
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "SGD": st.fixed_dictionaries(
        {**shared, "momentum": st.just(0) | fraction, "dampening": st.just(0) | fraction, "nesterov": st.booleans()}
    ),
    "Adam": adam,
    "AdamW": adam,
    "Adagrad": st.fixed_dictionaries(
        {**shared, "lr_decay": st.just(0) | fraction, "initial_accumulator_value": st.just(0) | fraction, "eps": small}
    ),
    "RMSprop": st.fixed_dictionaries(
        {**shared, "alpha": fraction, "eps": small, "momentum": st.just(0) | fraction, "centered": st.booleans()}
    ),
}


def gradients(seed: int, dtype: type) -> list[list[np.ndarray]]:
    """For each step and parameter, nowhere near 0, where the scaled steps of two roundings may differ in sign."""
    rng = np.random.default_rng(seed)
    signs = [rng.choice([-1.0, 1.0], shape) for shape in SHAPES]
    return [[np.asarray(sign * rng.uniform(1, 3, sign.shape), dtype) for sign in signs] for _ in range(STEPS)]


def trajectory(optimizer: Any, parameters: list[Any], all_gradients: list[list[np.ndarray]], make: Any) -> np.ndarray:
    places = []
    for step, step_gradients in enumerate(all_gradients):
        for i, (parameter, gradient) in enumerate(zip(parameters, step_gradients, strict=True)):
            # A part that follows the parameter makes each step depend on those before; one misses every third step.
            missing = i == 1 and step % 3 == 1
            parameter.grad = None if missing else make(gradient + np.sin(parameter.detach().numpy()) / 2)
        optimizer.step()
        places.append(np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters]))
    return np.array(places)


def starts(seed: int, dtype: type) -> list[np.ndarray]:
    rng = np.random.default_rng(seed + 1)
    return [np.asarray(rng.uniform(-1, 1, shape), dtype) for shape in SHAPES]


def ours_and_theirs(seed: int, dtype: type) -> tuple[list[Any], list[Any]]:
    arrays = starts(seed, dtype)
    ours = [tg.tensor(array, requires_grad=True) for array in arrays]
    return ours, [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", OPTIONS)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_trajectories(name: str, dtype: type, data: st.DataObject, seed: int) -> None:
    options, other = data.draw(OPTIONS[name]), data.draw(OPTIONS[name])
    for drawn in (options, other):
        if drawn.get("centered"):  # over few steps the variance cancels, and any two roundings of it part
            drawn["alpha"] = max(drawn["alpha"], 0.8)
        assume(not drawn.get("nesterov") or (drawn["momentum"] > 0 and drawn["dampening"] == 0))
    other.pop("initial_accumulator_value", None)  # PyTorch takes every group's from the optimiser
    mine, reference = ours_and_theirs(seed, dtype)
    places = []
    for module, parameters, make in ((optim, mine, tg.tensor), (torch.optim, reference, torch.tensor)):
        groups = [{"params": parameters[:1]}, {"params": parameters[1:], **other}]
        places.append(trajectory(getattr(module, name)(groups, **options), parameters, gradients(seed, dtype), make))
    assert places[0].dtype == dtype
    assert_close(places[0], places[1], f"{name} {options} {other}")
    CASES[f"optim.{name}", ", ".join(key for key, value in options.items() if value), 0] += 1


@pytest.mark.parametrize("name", OPTIONS)
def test_defaults_are_pytorchs(name: str) -> None:
    (mine, *_), (reference, *_) = ours_and_theirs(0, np.float64)
    group = getattr(optim, name)([mine]).param_groups[0]
    theirs = getattr(torch.optim, name)([reference]).param_groups[0]
    assert {key: value for key, value in theirs.items() if key in group and key != "params"} == {
        key: value for key, value in group.items() if key != "params"
    }


@pytest.mark.parametrize("name", OPTIONS)
def test_the_state_has_pytorchs_structure(name: str) -> None:
    mine, reference = ours_and_theirs(0, np.float64)
    states = []
    extra: dict[str, Any] = {
        "SGD": {"momentum": 0.9},
        "Adam": {"amsgrad": True},
        "RMSprop": {"centered": True, "momentum": 0.5},
    }
    for module, parameters, make in ((optim, mine, tg.tensor), (torch.optim, reference, torch.tensor)):
        optimizer = getattr(module, name)(
            [{"params": parameters[:3]}, {"params": parameters[3:], "lr": 0.5}], **extra.get(name, {})
        )
        trajectory(optimizer, parameters, gradients(0, np.float64), make)
        states.append(optimizer.state_dict())
    ours, theirs = states
    assert list(ours["state"]) == list(theirs["state"])
    for index, held in theirs["state"].items():
        assert set(ours["state"][index]) <= set(held)  # PyTorch keeps arrays for options that are off, too
        for key, value in ours["state"][index].items():
            assert_close(np.asarray(value, np.float64), np.asarray(held[key], np.float64), key)
    assert [group["params"] for group in ours["param_groups"]] == [group["params"] for group in theirs["param_groups"]]
    assert [group["lr"] for group in ours["param_groups"]] == [group["lr"] for group in theirs["param_groups"]]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"lr": -1.0}),
        ("SGD", {"momentum": -0.1}),
        ("SGD", {"weight_decay": -0.1}),
        ("SGD", {"nesterov": True}),
        ("SGD", {"nesterov": True, "momentum": 0.5, "dampening": 0.1}),
        ("Adam", {"betas": (1.0, 0.5)}),
        ("Adam", {"betas": (0.5, -0.1)}),
        ("Adam", {"eps": -1.0}),
        ("AdamW", {"weight_decay": -1.0}),
        ("Adagrad", {"lr": -1.0}),
        ("Adagrad", {"lr_decay": -1.0}),
        ("Adagrad", {"initial_accumulator_value": -1.0}),
        ("Adagrad", {"eps": -1.0}),
        ("RMSprop", {"alpha": -0.1}),
        ("RMSprop", {"eps": -1.0}),
        ("RMSprop", {"momentum": -1.0}),
        ("RMSprop", {"weight_decay": -1.0}),
    ],
    ids=str,
)
def test_what_pytorch_refuses_is_refused(name: str, options: dict[str, Any]) -> None:
    (mine, *_), (reference, *_) = ours_and_theirs(0, np.float64)
    assert_both_refuse(
        lambda: getattr(optim, name)([mine], **options), lambda: getattr(torch.optim, name)([reference], **options)
    )


# ---- clipping


def with_gradients(dtypes: list[Any], arrays: list[np.ndarray]) -> tuple[list[Any], list[Any]]:
    mine, reference = [], []
    for dtype, array in zip(dtypes, arrays, strict=True):
        gradient = array.astype(dtype)
        mine.append(tg.tensor(np.zeros_like(gradient), requires_grad=True))
        reference.append(torch.zeros(gradient.shape, dtype=getattr(torch, np.dtype(dtype).name), requires_grad=True))
        mine[-1].grad = tg.tensor(gradient)
        reference[-1].grad = torch.from_numpy(gradient.copy())
    return mine, reference


def assert_clipped_alike(clip: Callable[[Any, Any], Any], mine: list[Any], reference: list[Any], option: str) -> None:
    with np.errstate(all="ignore"):
        ours, theirs = clip(optim, mine), clip(torch.nn.utils, reference)
    single = any(parameter.dtype == np.float32 for parameter in mine)
    if theirs is not None:
        assert_close(ours.data, theirs.numpy(), "norm", tolerance=1e-5 if single else 1e-10)
    for a, b in zip(mine, reference, strict=True):
        assert_close(a.grad.data, b.grad.numpy(), "gradient", tolerance=1e-5 if single else 1e-10)
    CASES["optim.clip_grad", option, 0] += 1


@given(
    seed=st.integers(0, 2**16),
    dtypes=st.lists(st.sampled_from([np.float32, np.float64]), min_size=1, max_size=4),
    max_norm=numbers(0, 20),
    norm_type=st.sampled_from([2, 2.0, 1, 3.5, math.inf, 0, -1.0, -math.inf]),
    special=st.sampled_from([None, math.nan, math.inf]),
)
def test_clip_grad_norm(seed: int, dtypes: list[Any], max_norm: float, norm_type: float, special: float | None) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape, _ in zip(((3, 2), (4,), (1,), ()), dtypes, strict=False)]
    if special is not None:
        arrays[0][0, 0] = special
    mine, reference = with_gradients(dtypes, arrays)
    assert_clipped_alike(
        lambda module, parameters: module.clip_grad_norm_(parameters, max_norm, norm_type), mine, reference, "norm"
    )


@given(seed=st.integers(0, 2**16), clip_value=numbers(0, 3), special=st.sampled_from([None, math.nan, math.inf]))
def test_clip_grad_value(seed: int, clip_value: float, special: float | None) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape) for shape in ((2, 2), (0,))]
    if special is not None:
        arrays[0][0, 0] = special
    mine, reference = with_gradients([np.float32, np.float64], arrays)
    assert_clipped_alike(
        lambda module, parameters: module.clip_grad_value_(parameters, clip_value), mine, reference, "value"
    )


def test_clipping_refuses_a_norm_that_is_not_finite_where_asked() -> None:
    mine, reference = with_gradients([np.float64], [np.array([1.0, math.nan])])
    assert_both_refuse(
        lambda: optim.clip_grad_norm_(mine, 1.0, error_if_nonfinite=True),
        lambda: torch.nn.utils.clip_grad_norm_(reference, 1.0, error_if_nonfinite=True),
    )


def test_clipping_without_gradients_gives_0() -> None:
    p = tg.tensor([1.0], requires_grad=True)
    q = torch.tensor([1.0], requires_grad=True)
    for mine, reference in (([], []), ([p], [q]), (p, q)):
        ours, theirs = optim.clip_grad_norm_(mine, 1.0), torch.nn.utils.clip_grad_norm_(reference, 1.0)
        assert_close(ours.data, theirs.numpy())
