"""The normal distribution against `math.erfc`, in every interval and at the ends of the number line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn.kernels import normal_cdf


def exact(x: Any) -> Any:
    return np.array([0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in x])


def test_it_is_right_to_the_last_places() -> None:
    x = np.concatenate([np.linspace(-5, 9, 20_001), np.linspace(-0.67, -0.66, 101), np.geomspace(1e-300, 1, 301)])
    expected = exact(x)
    assert (np.abs(normal_cdf(x) - expected) / expected).max() < 2e-14
    erf, expected = 2 * normal_cdf(x * math.sqrt(2)) - 1, np.array([math.erf(v) for v in x])
    assert np.abs(erf - expected).max() < 1e-15


def test_the_lower_tail_keeps_its_digits() -> None:
    x = np.linspace(-37, -5, 10_001)
    np.testing.assert_allclose(normal_cdf(x), exact(x), rtol=1e-12)


def test_float32() -> None:
    x = np.linspace(-12, 9, 20_001, dtype=np.float32)
    y = normal_cdf(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, exact(x), rtol=2e-5)
    np.testing.assert_allclose(y[x > -4], exact(x)[x > -4], rtol=2e-6)
    np.testing.assert_allclose(y, exact(x), rtol=0, atol=1.2e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends(dtype: Any) -> None:
    x = np.array([-np.inf, -1e30, -0.0, 0.0, 1e30, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(normal_cdf(x), [0.0, 0.0, 0.5, 0.5, 1.0, 1.0, np.nan])


def test_any_shape_and_layout() -> None:
    x = np.random.default_rng(0).normal(size=(200, 300))
    np.testing.assert_array_equal(normal_cdf(x.T), normal_cdf(x).T)
    assert normal_cdf(np.float64(0.0) * np.ones(())).shape == ()
    assert normal_cdf(np.ones((0, 3))).shape == (0, 3)
