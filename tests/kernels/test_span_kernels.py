"""Sums and maxima over spans, windows side by side and borders, against loops and against their adjoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import window


@st.composite
def spans(draw: Any, size: int) -> tuple[Any, Any]:
    """Bounds that never decrease, empty spans among them."""
    bounds = st.lists(st.integers(0, size), min_size=1, max_size=6)
    pairs = [sorted(pair) for pair in zip(sorted(draw(bounds)), sorted(draw(bounds)), strict=False)]
    starts, ends = zip(*pairs, strict=True)
    return np.array(sorted(starts)), np.array(sorted(ends))


@given(st.data(), st.integers(0, 2))
def test_sums_of_spans(data: Any, dim: int) -> None:
    x = np.random.default_rng(0).integers(-9, 9, (4, 5, 6)).astype(np.float32)
    starts, ends = data.draw(spans(x.shape[dim]))
    y = kernels.sum_spans(x, (starts, ends), dim)
    expected = [
        x.take(range(start, end), dim).sum(axis=dim) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(y, np.stack(expected, dim))
    assert y.dtype == np.float32


@given(st.data())
def test_the_adjoint_sums_over_the_dual_spans(data: Any) -> None:
    rng = np.random.default_rng(0)
    bounds = data.draw(spans(7))
    x, g = rng.integers(-9, 9, (2, 7)).astype(np.float64), rng.integers(-9, 9, (2, len(bounds[0]))).astype(np.float64)
    dual = kernels.dual(bounds, 7)
    assert np.vdot(kernels.sum_spans(x, bounds, 1), g) == np.vdot(x, kernels.sum_spans(g, dual, 1))


def test_control_the_adjoint_notices_other_spans() -> None:
    x, g = np.arange(1.0, 5.0), np.array([1.0, 10.0])
    bounds = np.array([0, 1]), np.array([2, 3])
    wrong = kernels.dual((bounds[0], bounds[1] + 1), 4)
    assert np.vdot(kernels.sum_spans(x, bounds, 0), g) != np.vdot(x, kernels.sum_spans(g, wrong, 0))


@pytest.mark.parametrize("padding", [0, (2, 1)])
@pytest.mark.parametrize("kernel", [1, (2, 3)])
def test_fold_is_the_adjoint_of_unfold(kernel: Any, padding: Any) -> None:
    rng = np.random.default_rng(0)
    frame = window("unfold", (6, 5), kernel, 1, padding, (2, 1))
    x = rng.integers(-9, 9, (2, 3, 6, 5)).astype(np.float64)
    columns = kernels.unfold(x, frame)
    v = rng.integers(-9, 9, columns.shape).astype(np.float64)
    assert np.vdot(columns, v) == np.vdot(x, kernels.fold(v, frame))
    assert not np.shares_memory(columns, x)


@pytest.mark.parametrize("mode", kernels.BORDERS)
@pytest.mark.parametrize("widths", [((0, 0), (2, 3)), ((1, 2), (0, 3)), ((2, 2), (3, 3))])
def test_a_folded_border_is_the_adjoint(mode: str, widths: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (3, 4)).astype(np.float64)
    y = kernels.pad_around(x, widths, mode)
    g = rng.integers(-9, 9, y.shape).astype(np.float64)
    before = g.copy()
    assert np.vdot(y, g) == np.vdot(x, kernels.fold_border(g, widths, mode))
    np.testing.assert_array_equal(g, before)
