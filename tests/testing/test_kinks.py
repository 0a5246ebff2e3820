"""At and near kinks: never a false alarm, and a rule that gives no subgradient there is reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.testing.kink_cases import FUNCTIONS, RIGHT, cases
from tests.testing.planting import slipped
from tinygrad_cnn.testing import GradientMismatch, check_grad, gradient_report

CHUNKS, CASES_PER_CHUNK = 20, 6 * len(FUNCTIONS)
EFFORT = {"directions": 4}  # the inputs are small


def test_there_are_two_thousand_cases() -> None:
    assert CHUNKS * CASES_PER_CHUNK >= 2000


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_right_rules_raise_no_alarm(chunk: int) -> None:
    for case in cases(chunk, CASES_PER_CHUNK):
        report = gradient_report(case.right, case.inputs, **EFFORT)
        assert report.ok, f"{case.name} {case.inputs}\n{report}"
        assert report.counts["imprecise"] == 0


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_broken_rules_are_reported(chunk: int) -> None:
    for case in cases(chunk, CASES_PER_CHUNK):
        report = gradient_report(case.wrong, case.inputs, **EFFORT)
        assert not report.ok, f"{case.name} {case.inputs}\n{report}"
        assert report.operation in vars(RIGHT)


@pytest.mark.parametrize("distance", [10.0**exponent for exponent in np.arange(-12, -2, 0.25)])
def test_no_distance_from_a_kink_is_special(distance: float) -> None:
    for scale in (1.0, 100.0):
        for offset in (distance, -distance):
            assert check_grad(tg.relu, [np.array([offset, 1.0])]).ok
            assert check_grad(tg.maximum, [np.array([scale]), np.array([scale + offset])]).ok


OTHER_SUBGRADIENTS: dict[str, tuple[Any, Callable[..., Any], list[Any]]] = {
    "relu'(0) = 1": (RIGHT.relu, lambda g, x: g * (x >= 0), [np.array([0.0, 1.0, -1.0])]),
    "relu'(0) = 0.3": (RIGHT.relu, lambda g, x: g * np.where(x == 0, 0.3, x > 0), [np.array([0.0, 1.0, -1.0])]),
    "abs'(0) = -1": (RIGHT.abs, lambda g, x: g * np.where(x > 0, 1.0, -1.0), [np.array([0.0, 0.0, 2.0])]),
    "amax gives a tie to the first": (
        RIGHT.amax,
        lambda g, x: g * (np.arange(3) == x.argmax(axis=1)[:, None]),
        [np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]), (1,), True],
    ),
}


@pytest.mark.parametrize("name", OTHER_SUBGRADIENTS)
def test_every_subgradient_is_right(name: str) -> None:
    primitive, rule, inputs = OTHER_SUBGRADIENTS[name]
    assert check_grad(slipped(primitive, {"x": rule}), inputs).ok


NO_SUBGRADIENTS: dict[str, tuple[Any, Callable[..., Any], list[Any]]] = {
    "relu'(0) = 1.001": (RIGHT.relu, lambda g, x: g * np.where(x == 0, 1.001, x > 0), [np.array([0.0, 1.0])]),
    "relu'(0) = -0.001": (RIGHT.relu, lambda g, x: g * np.where(x == 0, -0.001, x > 0), [np.array([0.0, 1.0])]),
    "relu'(1e-6) = 0.5": (RIGHT.relu, lambda g, x: g * np.where(x == 1e-6, 0.5, x > 0), [np.array([1e-6, 1.0])]),
    "amax gives nothing to a tie": (
        RIGHT.amax,
        lambda g, x, y: g * ((x == y) & ((x == y).sum(axis=1, keepdims=True) == 1)),
        [np.array([[1.0, 2.0, 2.0], [3.0, 1.0, 3.0]]), (1,), True],
    ),
}


@pytest.mark.parametrize("name", NO_SUBGRADIENTS)
def test_what_lies_beyond_the_one_sided_slopes_is_wrong(name: str) -> None:
    primitive, rule, inputs = NO_SUBGRADIENTS[name]
    with pytest.raises(GradientMismatch):
        check_grad(slipped(primitive, {"x": rule}), inputs)
