"""Dropout: its mask, its mean, its generators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return tg.tensor(np.ones(shape, dtype), requires_grad=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elements_are_dropped_and_the_mean_stays(dtype: Any) -> None:
    x = ones(200, 100, dtype=dtype)
    y = tg.dropout(x, 0.25, generator=np.random.default_rng(0))
    np.testing.assert_allclose(np.unique(y.data), [0.0, 4 / 3], rtol=1e-6)
    assert (y.data == 0).mean() == pytest.approx(0.25, abs=0.01)
    assert y.data.mean() == pytest.approx(1.0, abs=0.02)
    assert y.dtype == dtype
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)  # the same mask


def test_without_training_or_with_p_0_it_is_the_identity() -> None:
    x = ones(3)
    assert tg.dropout(x, 0.5, training=False) is x
    assert tg.dropout(x, 0.0) is x


def test_p_1_drops_everything() -> None:
    x = ones(3)
    y = tg.dropout(x, 1.0)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([0.0] * 3, [0.0] * 3)


def test_the_generator_decides() -> None:
    x = ones(100)
    first, second, other = (tg.dropout(x, generator=np.random.default_rng(seed)).tolist() for seed in (1, 1, 2))
    assert first == second != other
    tg.manual_seed(3)
    named = tg.dropout(x).tolist()
    assert tg.dropout(x).tolist() != named
    tg.manual_seed(3)
    assert tg.dropout(x).tolist() == named


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_is_a_probability(p: float) -> None:
    with pytest.raises(ArgumentError, match="dropout: p must be between 0 and 1, got"):
        tg.dropout(ones(3), p)
    with pytest.raises(ArgumentError, match="dropout: p must be"):
        tg.dropout(ones(3), p, training=False)


def test_zero_size() -> None:
    x = ones(0, 3)
    tg.dropout(x).sum().backward()
    assert x.grad.shape == (0, 3)


def test_dropout2d_drops_whole_channels() -> None:
    x = ones(50, 20, 3, 4)
    y = tg.dropout2d(x, 0.25, generator=np.random.default_rng(0))
    assert (y.data == y.data[:, :, :1, :1]).all()
    dropped = (y.data[:, :, 0, 0] == 0).mean()
    assert dropped == pytest.approx(0.25, abs=0.05)
    np.testing.assert_allclose(np.unique(y.data), [0.0, 4 / 3], rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)
    assert tg.dropout2d(x, 0.25, training=False) is x
    assert tg.dropout2d(ones(2, 3, 4)).shape == (2, 3, 4)


def test_dropout2d_refuses_what_has_no_channels() -> None:
    with pytest.raises(ShapeError, match=r"dropout2d: expects input \(N, C, H, W\) or \(N, C, L\), got shape \(2, 3\)"):
        tg.dropout2d(ones(2, 3))
    with pytest.raises(ArgumentError, match="dropout2d: p must be between 0 and 1, got 2"):
        tg.dropout2d(ones(2, 3, 1, 1), 2)


def test_integers_are_refused() -> None:
    with pytest.raises(DTypeError, match="dropout: expects floating-point input, got int64"):
        tg.dropout(tg.tensor([1, 2]))
