"""Losses: formulas, reductions, what happens at the ends, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError, GradientError, ShapeError

X = np.random.default_rng(0).normal(size=(4, 3))
T = np.random.default_rng(1).normal(size=(4, 3))
P, Q = 1 / (1 + np.exp(-X)), 1 / (1 + np.exp(-T))
D = np.abs(X - T)

FORMULAS: dict[str, tuple[Any, Any, Any, Any]] = {
    "mse": (tg.mse_loss, X, T, D**2),
    "l1": (tg.l1_loss, X, T, D),
    "smooth l1": (tg.smooth_l1_loss, X, T, np.where(D < 1, D**2 / 2, D - 0.5)),
    "huber": (tg.huber_loss, X, T, np.where(D < 1, D**2 / 2, D - 0.5)),
    "bce": (tg.binary_cross_entropy, P, Q, -Q * np.log(P) - (1 - Q) * np.log(1 - P)),
    "logits": (tg.binary_cross_entropy_with_logits, X, Q, -Q * np.log(P) - (1 - Q) * np.log(1 - P)),
    "kl": (tg.kl_div, X, Q, Q * (np.log(Q) - X)),
}


@pytest.mark.parametrize(("loss", "x", "t", "expected"), FORMULAS.values(), ids=FORMULAS)
def test_formulas_and_reductions(loss: Any, x: Any, t: Any, expected: Any) -> None:
    for target in (t, t.tolist(), tg.tensor(t)):
        np.testing.assert_allclose(loss(tg.tensor(x), target, reduction="none").data, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(loss(tg.tensor(x), t).item(), expected.mean(), rtol=1e-10)
    np.testing.assert_allclose(loss(tg.tensor(x), t, reduction="sum").item(), expected.sum(), rtol=1e-10)


@pytest.mark.parametrize(("loss", "x", "t", "expected"), FORMULAS.values(), ids=FORMULAS)
def test_float32_stays_float32_beside_a_float64_target(loss: Any, x: Any, t: Any, expected: Any) -> None:
    scores: Any = tg.tensor(x.astype(np.float32), requires_grad=True)
    y = loss(scores, t)
    y.backward()
    assert (y.dtype, scores.grad.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(("loss", "x", "t", "expected"), FORMULAS.values(), ids=FORMULAS)
def test_nothing_has_no_mean_but_a_sum(loss: Any, x: Any, t: Any, expected: Any) -> None:
    empty: Any = tg.tensor(x[:0], requires_grad=True)
    assert np.isnan(loss(empty, t[:0]).item())
    total = loss(empty, t[:0], reduction="sum")
    total.backward()
    assert (total.item(), empty.grad.shape) == (0.0, (0, 3))


def test_huber_is_smooth_l1_scaled() -> None:
    for size in (0.3, 2.0):
        huber = tg.huber_loss(tg.tensor(X), T, delta=size).item()
        assert huber == pytest.approx(size * tg.smooth_l1_loss(tg.tensor(X), T, beta=size).item())


def test_binary_cross_entropy_is_finite_at_the_ends() -> None:
    x: Any = tg.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
    t: Any = tg.tensor([0.0, 1.0, 1.0, 0.0], requires_grad=True)
    losses = tg.binary_cross_entropy(x, t, reduction="none")
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0, 100.0, 100.0]
    np.testing.assert_allclose(x.grad.data, [0.0, 0.0, -1e12, 1e12], rtol=1e-6)
    assert t.grad.tolist() == [100.0, -100.0, 100.0, -100.0]


def test_logits_of_any_size() -> None:
    x: Any = tg.tensor([-1e4, 1e4, -1e4, 1e4], requires_grad=True)
    losses = tg.binary_cross_entropy_with_logits(x, [0.0, 1.0, 1.0, 0.0], reduction="none")
    losses.sum().backward()
    assert losses.tolist() == [0.0, 0.0, 1e4, 1e4]
    assert x.grad.tolist() == [0.0, 0.0, -1.0, 1.0]


def test_kl_divergence_of_a_distribution_from_itself_is_0() -> None:
    p = np.array([[0.25, 0.75, 0.0], [0.5, 0.25, 0.25]])
    x = np.log(np.maximum(p, 1e-30))
    assert tg.kl_div(tg.tensor(x), p, reduction="batchmean").item() == pytest.approx(0.0, abs=1e-12)
    assert tg.kl_div(tg.tensor(x), x, reduction="batchmean", log_target=True).item() == 0.0


@pytest.mark.parametrize(("loss", "x", "t", "expected"), FORMULAS.values(), ids=FORMULAS)
def test_refusals_of_all(loss: Any, x: Any, t: Any, expected: Any) -> None:
    with pytest.raises(ArgumentError, match=r": reduction must be 'mean', 'sum'.* or '\w+', got 'average'"):
        loss(tg.tensor(x), t, reduction="average")
    with pytest.raises(DTypeError, match="expects floating-point input, got int64"):
        loss(tg.tensor([1, 0]), [0.0, 1.0])
    if loss is not tg.kl_div:
        with pytest.raises(ShapeError, match=r"expects a target of the input's shape \(4, 3\), got \(3,\)"):
            loss(tg.tensor(x), t[0])


def test_other_refusals() -> None:
    x = tg.tensor(P)
    with pytest.raises(ArgumentError, match=r"input must be between 0 and 1, got 0\.0 to 1\.5"):
        tg.binary_cross_entropy(tg.tensor([0.0, 1.5]), [0.0, 1.0])
    with pytest.raises(
        ShapeError, match=r"binary_cross_entropy: weight of shape \(2,\) does not broadcast to \(4, 3\)"
    ):
        tg.binary_cross_entropy(x, Q, np.ones(2))
    with pytest.raises(
        GradientError, match=r"pos_weight is a constant of the loss and gets no gradient; pass weight\.d"
    ):
        tg.binary_cross_entropy_with_logits(x, Q, pos_weight=tg.tensor(np.ones(3), requires_grad=True))
    with pytest.raises(ArgumentError, match="smooth_l1_loss: beta must be at least 0, got -1"):
        tg.smooth_l1_loss(x, Q, beta=-1)
    with pytest.raises(ArgumentError, match="huber_loss: delta must be positive, got 0"):
        tg.huber_loss(x, Q, delta=0)
