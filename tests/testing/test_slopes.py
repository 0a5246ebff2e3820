"""Smooth functions that are hard to difference, jumps and domains that end: no false alarm, and small faults found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing import GradientMismatch, check_grad, gradient_report

MANY = np.random.default_rng(0).normal(size=(5, 200))
SMOOTH: dict[str, Callable[[Any], Any]] = {
    "steep": lambda x: tg.exp(20.0 * x),
    "of high degree": lambda x: x**10.0,
    "beside a pole": lambda x: 1.0 / (0.01 + x * x),
    "beside the end of its domain": lambda x: tg.sqrt(tg.abs(x) + 1e-3),
    "a sharp peak": lambda x: tg.exp(-((30.0 * (x - 0.3)) ** 2.0)),
    "a small part of a large number": lambda x: x * x + 1e6,
    "tiny": lambda x: tg.tanh(x) * 1e-12,
    "nearly flat": lambda x: tg.exp(1e-6 * x),
    "saturated": lambda x: tg.softmax(30.0 * x, 0),
    "smooth but for its curvature": lambda x: tg.relu(x) * x,
    "many kinks side by side": lambda x: tg.sum(tg.relu(tg.matmul(tg.reshape(x, (1, -1)), MANY) + 1.0)),
    "beside a jump": lambda x: tg.where(x > 1e-5, 1.0, 0.0) + x,
}
POINTS = [np.random.default_rng(seed).normal(size=5) * scale for seed, scale in enumerate([1e-3, 1e-2, 0.1, 1.0])]


@tg.primitive
def nearly(x: Any) -> Any:
    """The identity, with a rule that is off by a hundredth of a permille."""
    return x * 1.0


nearly.defvjp(x=lambda g: g * 1.00001)


@pytest.mark.parametrize("name", SMOOTH)
def test_hard_functions_raise_no_alarm(name: str) -> None:
    for x in POINTS:
        report = check_grad(SMOOTH[name], [x])
        assert report.counts["imprecise"] == 0


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "saturated"])
def test_a_hundredth_of_a_permille_is_found_in_them(name: str) -> None:
    with pytest.raises(GradientMismatch):
        check_grad(lambda x: nearly(SMOOTH[name](x)), [POINTS[2]])


def test_nothing_is_asked_of_a_jump() -> None:
    report = gradient_report(lambda x: tg.where(x > 0.0, 1.0, 0.0) + x, [np.array([0.0, 0.5])])
    assert report.ok
    assert report.counts["kink-ok"] > 0


def test_infinities_and_nan_in_the_input_are_left_alone() -> None:
    assert check_grad(lambda x: x * 2.0, [np.array([1.0, np.inf, np.nan, -np.inf])]).ok


def test_empty_inputs_have_right_gradients() -> None:
    assert check_grad(tg.exp, [np.zeros((0, 3))], order=2).ok
