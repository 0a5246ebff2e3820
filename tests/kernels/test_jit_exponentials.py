"""The compiled exponential against that of long doubles, from underflow to overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

pytest.importorskip("numba")

import numba

from tinygrad_cnn.kernels.jit.exponentials import exp
from tinygrad_cnn.kernels.jit.lanes import load, some, store, width
from tinygrad_cnn.kernels.jit.microkernel import pointer


@numba.njit(error_model="numpy")  # type: ignore[misc, untyped-decorator, unused-ignore]
def exponentials(x: Any, y: Any) -> None:
    X, Y = pointer(x, 0), pointer(y, 0)
    for i in range(0, x.size, width(X)):
        here = some(x.size - i, X)
        store(exp(load(X, i, here)), Y, i, here)


@pytest.mark.parametrize(("dtype", "first", "last"), [(np.float32, -110, 95), (np.float64, -760, 720)])
def test_within_a_digit_from_underflow_to_overflow(dtype: Any, first: float, last: float) -> None:
    x = np.linspace(first, last, 100_001).astype(dtype)
    y = np.empty_like(x)
    exponentials(x, y)
    with np.errstate(over="ignore", under="ignore"):
        exact = np.exp(x.astype(np.longdouble))
        rounded = exact.astype(dtype)
    assert_array_equal(np.isinf(y), np.isinf(rounded))
    finite = np.isfinite(rounded)
    assert (np.abs(y[finite] - exact[finite]) <= 1.1 * np.spacing(rounded[finite])).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite(dtype: Any) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -1e30, 1e30], dtype)
    y = np.empty_like(x)
    exponentials(x, y)
    assert_array_equal(y, np.array([np.nan, np.inf, 0.0, 1.0, 0.0, np.inf], dtype))
