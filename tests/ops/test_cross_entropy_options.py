"""Cross entropy's options: weights, ignored and smoothed labels, pixels, single examples, and nll_loss beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, GradientError, ShapeError

X = np.random.default_rng(0).normal(size=(4, 3, 2, 5))
LABELS = np.random.default_rng(1).integers(0, 3, (4, 2, 5))
LOG = X - np.log(np.exp(X).sum(1, keepdims=True))
WEIGHT = np.array([1.0, 2.0, 0.5])
PICKED = np.take_along_axis(LOG, LABELS[:, None], 1)[:, 0]


def test_pixels() -> None:
    y = tg.cross_entropy(tg.tensor(X), LABELS, reduction="none")
    np.testing.assert_allclose(y.data, -PICKED)
    np.testing.assert_allclose(tg.nll_loss(tg.tensor(LOG), LABELS, reduction="none").data, -PICKED)
    one_hot = np.moveaxis(np.eye(3)[LABELS], -1, 1)
    np.testing.assert_allclose(tg.cross_entropy(tg.tensor(X), one_hot).item(), -PICKED.mean())


def test_the_mean_is_divided_by_the_weights() -> None:
    expected = -(PICKED * WEIGHT[LABELS]).sum() / WEIGHT[LABELS].sum()
    assert tg.cross_entropy(tg.tensor(X), LABELS, WEIGHT).item() == pytest.approx(expected)
    assert tg.nll_loss(tg.tensor(LOG), LABELS, WEIGHT).item() == pytest.approx(expected)


@pytest.mark.parametrize("ignore", [2, -1, 255])
def test_ignored_labels_count_for_nothing(ignore: int) -> None:
    labels = np.where(LABELS == 2, ignore, LABELS)
    x: Any = tg.tensor(X, requires_grad=True)
    loss = tg.cross_entropy(x, labels, ignore_index=ignore)
    loss.backward()
    assert loss.item() == pytest.approx(-PICKED[LABELS != 2].mean())
    gradient = np.moveaxis(x.grad.data, 1, -1)
    assert not gradient[LABELS == 2].any()
    assert gradient[LABELS != 2].all()


def test_a_mean_over_nothing_but_ignored_labels_is_nan() -> None:
    assert np.isnan(tg.cross_entropy(tg.tensor(X), np.full((4, 2, 5), -100)).item())
    assert tg.cross_entropy(tg.tensor(X), np.full((4, 2, 5), -100), reduction="sum").item() == 0.0


def test_smoothing_is_a_soft_target() -> None:
    soft = 0.7 * np.moveaxis(np.eye(3)[LABELS], -1, 1) + 0.1
    expected = tg.cross_entropy(tg.tensor(X), soft, reduction="none").data
    smoothed = tg.cross_entropy(tg.tensor(X), LABELS, label_smoothing=0.3, reduction="none")
    np.testing.assert_allclose(smoothed.data, expected)


def test_a_single_example() -> None:
    x = tg.tensor(X[0, :, 0, 0])
    assert tg.cross_entropy(x, 1, reduction="none").shape == ()
    assert tg.cross_entropy(x, 1).item() == pytest.approx(-LOG[0, 1, 0, 0])
    assert tg.nll_loss(x, 1).item() == -X[0, 1, 0, 0]


def test_refusals() -> None:
    x = tg.tensor(X)
    wrong = np.zeros_like(LABELS)
    wrong[0, 1, 4] = 3
    with pytest.raises(ArgumentError, match=r"cross_entropy: target\[0, 1, 4\] is class 3, input has 3 classes"):
        tg.cross_entropy(x, wrong)
    with pytest.raises(ShapeError, match=r"nll_loss: expects a weight for each of 3 classes, got \(2,\)"):
        tg.nll_loss(x, LABELS, np.ones(2))
    with pytest.raises(ArgumentError, match="label_smoothing must be between 0 and 1, got -"):
        tg.cross_entropy(x, LABELS, label_smoothing=-0.1)
    with pytest.raises(ArgumentError, match="ignore_index 1 needs class numbers as targets"):
        tg.cross_entropy(x, X, ignore_index=1)
    with pytest.raises(GradientError, match="cross_entropy: weight is a constant of the loss"):
        tg.cross_entropy(x, LABELS, tg.tensor(WEIGHT, requires_grad=True))
