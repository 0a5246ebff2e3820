"""Optimisers against PyTorch's published formulas, written out in plain Python, over 20 steps of a curved problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim

START = (1.5, -0.5, 2.0)
STEPS = 20


def gradient(p: float) -> float:
    """Of p^4 / 4 - p + sin p."""
    return p**3 - 1 + math.cos(p)


def sgd(
    p: float, lr: float, momentum: float = 0, dampening: float = 0, weight_decay: float = 0, nesterov: bool = False
) -> Iterator[float]:
    b: float | None = None
    for _ in range(STEPS):
        g = gradient(p)
        if weight_decay != 0:
            g = g + weight_decay * p
        if momentum != 0:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        yield p


def adam(
    p: float, lr: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0
) -> Iterator[float]:
    m = v = 0.0
    for t in range(1, STEPS + 1):
        g = gradient(p)
        if weight_decay != 0:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        m_hat = m / (1 - betas[0] ** t)
        v_hat = v / (1 - betas[1] ** t)
        p = p - lr * m_hat / (math.sqrt(v_hat) + eps)
        yield p


CASES: dict[str, tuple[type[optim.Optimizer], Callable[..., Iterator[float]], dict[str, object]]] = {
    "sgd": (optim.SGD, sgd, {"lr": 0.05}),
    "sgd_decay": (optim.SGD, sgd, {"lr": 0.05, "weight_decay": 0.1}),
    "momentum": (optim.SGD, sgd, {"lr": 0.02, "momentum": 0.9}),
    "dampening": (optim.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "dampening": 0.5}),
    "dampening_decay": (optim.SGD, sgd, {"lr": 0.05, "momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    "nesterov": (optim.SGD, sgd, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "nesterov_decay": (optim.SGD, sgd, {"lr": 0.02, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adam": (optim.Adam, adam, {"lr": 0.1}),
    "adam_all": (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.1, "weight_decay": 0.1}),
    "adam_no_first_moment": (optim.Adam, adam, {"lr": 0.1, "betas": (0.0, 0.9)}),
}


def trajectory(optimizer: type[optim.Optimizer], options: dict[str, object], dtype: type = np.float64) -> np.ndarray:
    p = nn.Parameter(np.array(START, dtype))
    descent = optimizer([p], **options)  # type: ignore[arg-type]
    places = []
    for _ in range(STEPS):
        descent.zero_grad()
        # cos stands here as a constant: the gradient is what the reference uses
        (p**4 / 4 - p + p * tg.Tensor(np.cos(p.data))).sum().backward()
        descent.step()
        places.append(p.data.copy())
    return np.array(places)


@pytest.mark.parametrize(("optimizer", "reference", "options"), CASES.values(), ids=CASES)
def test_trajectories_are_those_of_the_formulas(
    optimizer: type[optim.Optimizer], reference: Callable[..., Iterator[float]], options: dict[str, object]
) -> None:
    expected = np.array([list(reference(p, **options)) for p in START]).T
    np.testing.assert_allclose(trajectory(optimizer, options), expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(trajectory(optimizer, options, np.float32), expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("sgd", "adam")])
def test_control_each_option_changes_the_trajectory(name: str) -> None:
    optimizer, _, options = CASES[name]
    plain = trajectory(optimizer, {"lr": options["lr"]})
    assert np.abs(trajectory(optimizer, options) - plain).max() > 1e-3
