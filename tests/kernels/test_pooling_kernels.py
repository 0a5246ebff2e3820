"""Pooling and its adjoints against windows looked at one by one: ties, NaN, -inf and padding included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import Window, window

Array = NDArray[Any]

NAN, INF = np.nan, np.inf


# ---- the formulas, read literally ------------------------------------------------------------------------------------


def pixels(window: Window, i: int, j: int) -> list[tuple[int, int]]:
    """What window (i, j) reads of the unpadded input, in row-major order."""
    (SH, SW), (DH, DW), ((top, _), (left, _)) = window.stride, window.dilation, window.padding
    taps = ((i * SH + kh * DH - top, j * SW + kw * DW - left) for kh, kw in np.ndindex(*window.kernel))
    return [(p, q) for p, q in taps if 0 <= p < window.size[0] and 0 <= q < window.size[1]]


def maxima_by_formula(x: Array, window: Window) -> tuple[Array, Array]:
    y = np.empty((*x.shape[:2], *window.output_size), x.dtype)
    index = np.empty(y.shape, np.int32)
    for n, c, i, j in np.ndindex(*y.shape):
        first = None
        for p, q in pixels(window, i, j):
            value = x[n, c, p, q]
            if first is None or value > x[n, c, *first] or np.isnan(value):
                first = p, q
        assert first is not None
        y[n, c, i, j] = x[n, c, *first]
        index[n, c, i, j] = first[0] * window.size[1] + first[1]
    return y, index


def means_by_formula(x: Array, g: Array, window: Window) -> tuple[Array, Array]:
    """y and the gradient in x."""
    y, gx = np.zeros(g.shape), np.zeros(x.shape)
    taps = window.kernel[0] * window.kernel[1]
    for i, j in np.ndindex(*window.output_size):
        for p, q in pixels(window, i, j):
            y[..., i, j] += x[..., p, q] / taps
            gx[..., p, q] += g[..., i, j] / taps
    return y, gx


# ---- cases -----------------------------------------------------------------------------------------------------------

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    np.asfortranarray,
    lambda a: a[::-1, :, ::-1, ::-1].copy()[::-1, :, ::-1, ::-1],  # negative strides
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),  # channels last
]


def read_only(array: Array, layout: Callable[[Array], Array] = np.copy) -> Array:
    """The array in that memory layout; writing to it raises."""
    laid = layout(array)
    laid.flags.writeable = False
    return laid


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Padded by at most half the kernel; disjoint, overlapping and with gaps; every window reads a pixel."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.one_of(st.just(kernel), st.tuples(st.integers(1, 4), st.integers(1, 4))))
    dilation = draw(st.one_of(st.just((1, 1)), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    down, across = (draw(st.tuples(st.integers(0, k // 2), st.integers(0, k // 2))) for k in kernel)
    fits = [max(1, d * (k - 1) + 1 - sum(p)) for k, d, p in zip(kernel, dilation, (down, across), strict=True)]
    size = fits[0] + draw(st.integers(0, 4)), fits[1] + draw(st.integers(0, 4))
    frame = window("pool", size, kernel, stride, (down, across), dilation)
    assume(all(pixels(frame, i, j) for i, j in np.ndindex(*frame.output_size)))
    return frame


@st.composite
def planes(draw: st.DrawFn, size: tuple[int, int], values: list[float]) -> Array:
    shape = draw(st.integers(0, 2)), draw(st.integers(1, 2)), *size
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return read_only(rng.choice(values, shape).astype(dtype), draw(st.sampled_from(LAYOUTS)))


FEW_VALUES = [
    [0.0, 1.0],
    [-INF, -INF, -1.0],
    [NAN, 0.0, 1.0],
    [NAN, -INF, INF],
    [-INF],
    [NAN],
    [float(n) for n in range(-9, 10)],
]


FRAMES = {
    "disjoint": window("pool", (6, 4), (3, 2), (3, 2), 0),
    "disjoint with a remainder": window("pool", (7, 5), (3, 2), (3, 2), 0),
    "disjoint and padded": window("pool", (7, 6), (3, 4), (3, 4), (1, 2)),
    "overlapping": window("pool", (7, 6), (3, 4), (1, 2), 0),
    "overlapping and padded": window("pool", (5, 6), (3, 4), (2, 1), ((1, 0), (0, 2))),
    "with gaps": window("pool", (8, 9), (2, 3), (3, 5), 0),
    "dilated": window("pool", (7, 9), (3, 2), (1, 2), 0, (2, 3)),
    "dilated, with the stride of disjoint windows": window("pool", (7, 9), (3, 2), (3, 2), 0, (2, 3)),
    "dilated and padded": window("pool", (8, 9), (3, 4), (1, 1), (1, 2), (3, 3)),
}
frames = pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)


# ---- maximum ---------------------------------------------------------------------------------------------------------


@given(st.data(), windows(), st.sampled_from(FEW_VALUES))
def test_max_pool2d_is_the_formula(data: st.DataObject, frame: Window, values: list[float]) -> None:
    assert_max_pool2d_is_the_formula(data.draw(planes(frame.size, values)), frame)


@frames
def test_max_pool2d_is_the_formula_for_every_kind_of_window(frame: Window) -> None:
    rng = np.random.default_rng(0)
    for values in FEW_VALUES:
        assert_max_pool2d_is_the_formula(read_only(rng.choice(values, (3, 2, *frame.size))), frame)


def assert_max_pool2d_is_the_formula(x: Array, frame: Window) -> None:
    y, index = kernels.max_pool2d(x, frame)
    expected, where = maxima_by_formula(x, frame)
    assert_array_equal(y, expected)
    assert_array_equal(index, where)
    assert y.dtype == x.dtype
    assert index.dtype == np.int32
    assert_array_equal(kernels.max_pool2d_gather(x, index), y)


@given(st.data(), windows())
def test_scatter_is_the_adjoint_of_gather(data: st.DataObject, frame: Window) -> None:
    x = data.draw(planes(frame.size, [*range(-4, 5)]))
    _, index = kernels.max_pool2d(x, frame)
    g = read_only(np.arange(index.size, dtype=x.dtype).reshape(index.shape), data.draw(st.sampled_from(LAYOUTS)))
    back = kernels.max_pool2d_scatter(g, index, frame.size)
    assert (back.shape, back.dtype) == (x.shape, x.dtype)
    assert np.vdot(kernels.max_pool2d_gather(x, index), g) == np.vdot(x, back)


def test_the_first_of_equal_maxima_wins() -> None:
    x = np.array([[[[1.0, 2, 2], [2, 2, 1], [0, 2, 2]]]])
    _, index = kernels.max_pool2d(x, window("max_pool2d", (3, 3), 2, 1, 0))
    assert index.tolist() == [[[[1, 1], [3, 4]]]]


def test_a_later_column_in_an_earlier_row_comes_first() -> None:
    x = np.array([[[[0.0, 5], [5, 0]]]])
    assert kernels.max_pool2d(x, window("max_pool2d", (2, 2), 2, 2, 0))[1].item() == 1


def test_nan_wins_and_the_last_nan_is_pointed_at() -> None:
    x = np.array([[[[INF, 1, 3], [NAN, 2, NAN], [NAN, 0, 4]]]])
    y, index = kernels.max_pool2d(x, window("max_pool2d", (3, 3), 3, 1, 0))
    assert np.isnan(y).all()
    assert index.item() == 6
    y, index = kernels.max_pool2d(x, window("max_pool2d", (3, 3), 2, 1, 0))
    assert_array_equal(y, [[[[NAN, NAN], [NAN, NAN]]]])
    assert index.tolist() == [[[[3, 5], [6, 5]]]]


def test_padding_never_beats_minus_infinity() -> None:
    x = np.full((1, 1, 3, 4), -INF)
    y, index = kernels.max_pool2d(x, window("max_pool2d", (3, 4), (3, 2), 2, 1))
    assert_array_equal(y, np.full((1, 1, 2, 3), -INF))
    assert index.tolist() == [[[[0, 1, 3], [4, 5, 7]]]]


def test_windows_wider_than_the_image_find_the_right_row() -> None:
    x = np.array([[[[1.0, 3.0], [7.0, 5.0]]]])  # the best of the first row lies further right than that of the second
    _, index = kernels.max_pool2d(x, window("max_pool2d", (2, 2), (2, 6), 1, (0, 3)))
    assert index.tolist() == [[[[2, 2, 2]]]]


@pytest.mark.parametrize("kernel", [(16, 16), (16, 17)], ids=["as many taps as a byte can count", "more"])
def test_windows_of_many_taps(kernel: tuple[int, int]) -> None:
    frame = window("pool", (19, 20), kernel, 1, 0)
    rng = np.random.default_rng(0)
    assert_max_pool2d_is_the_formula(read_only(rng.permutation(2.0 * np.arange(2280)).reshape(2, 3, 19, 20)), frame)
    last = np.zeros((1, 1, *kernel))
    last[..., -1, -1] = 1
    _, index = kernels.max_pool2d(last, window("pool", kernel, kernel, 1, 0))
    assert index.item() == last.size - 1


def test_overlapping_windows_add_up_where_they_agree() -> None:
    x = np.zeros((2, 3, 3, 3))
    x[..., 1, 1] = 1
    _, index = kernels.max_pool2d(x, window("max_pool2d", (3, 3), 2, 1, 0))
    gradient = kernels.max_pool2d_scatter(np.ones((2, 3, 2, 2)), index, (3, 3))
    assert_array_equal(gradient, 4 * x)


def test_control_the_adjoint_notices_a_scatter_that_overwrites() -> None:
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    x[..., 1, 1] = 10
    _, index = kernels.max_pool2d(x, window("max_pool2d", (3, 3), 2, 1, 0))
    g = np.ones(index.shape)
    overwritten = np.zeros(9)
    overwritten[index.ravel()] = g.ravel()
    form = np.vdot(kernels.max_pool2d_gather(x, index), g)
    assert form == np.vdot(x, kernels.max_pool2d_scatter(g, index, (3, 3)))
    assert form != np.vdot(x, overwritten)


# ---- relu, then the maximum of windows side by side ------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (1, 1)], ids=str)
@pytest.mark.parametrize("values", FEW_VALUES, ids=str)
def test_relu_max_pool2d_and_its_gradient_are_the_formulas(values: list[float], kernel: tuple[int, int]) -> None:
    frame = window("pool", (7, 5), kernel, kernel, 0)
    x = read_only(np.random.default_rng(0).choice(values, (2, 3, 7, 5)))
    y, taps = kernels.relu_max_pool2d(x, frame)
    best, index = maxima_by_formula(x, frame)
    assert_array_equal(y, np.where(best < 0, 0, best))
    assert taps.dtype == np.uint8
    g, gx = np.full(y.shape, INF), np.zeros(x.shape)
    for n, c, i, j in np.ndindex(*y.shape):
        row, column = divmod(int(taps[n, c, i, j]), kernel[1])
        p, q = i * kernel[0] + row, j * kernel[1] + column
        assert p * 5 + q == index[n, c, i, j]
        gx[n, c, p, q] = 0 if y[n, c, i, j] == 0 else INF
    assert_array_equal(kernels.relu_max_pool2d_grad(read_only(g), read_only(y), read_only(taps), frame), gx)


# ---- mean ------------------------------------------------------------------------------------------------------------


@given(st.data(), windows())
def test_avg_pool2d_and_its_gradient_are_the_formulas(data: st.DataObject, frame: Window) -> None:
    divisible = [float(frame.kernel[0] * frame.kernel[1] * n) for n in range(-4, 5)]
    x = data.draw(planes(frame.size, divisible))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    drawn = rng.choice(divisible, (*x.shape[:2], *frame.output_size)).astype(x.dtype)
    assert_avg_pool2d_is_the_formula(x, read_only(drawn, data.draw(st.sampled_from(LAYOUTS))), frame)


@frames
def test_avg_pool2d_is_the_formula_for_every_kind_of_window(frame: Window) -> None:
    rng = np.random.default_rng(0)
    x, g = (
        read_only(rng.integers(-4, 5, (3, 2, *size)) * np.float64(frame.kernel[0] * frame.kernel[1]))
        for size in (frame.size, frame.output_size)
    )
    assert_avg_pool2d_is_the_formula(x, g, frame)


def assert_avg_pool2d_is_the_formula(x: Array, g: Array, frame: Window) -> None:
    y, back = kernels.avg_pool2d(x, frame), kernels.avg_pool2d_input_grad(g, frame)
    expected, gradient = means_by_formula(x, g, frame)
    assert_array_equal(y, expected)
    assert_array_equal(back, gradient)
    assert (y.dtype, back.dtype) == (x.dtype, x.dtype)
    assert np.vdot(y, g) == np.vdot(x, back)


def test_control_the_formula_notices_a_mean_over_real_pixels_only() -> None:
    x, frame = np.full((1, 1, 2, 2), 8.0), window("avg_pool2d", (2, 2), 2, 2, 1)
    y, _ = means_by_formula(x, np.zeros((1, 1, 2, 2)), frame)
    assert_array_equal(kernels.avg_pool2d(x, frame), y)
    assert not np.array_equal(x, y)  # each window holds one real pixel: without the padding its mean would be the pixel


# ---- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_pooled_results_are_fresh(kernel: int) -> None:
    x = read_only(np.arange(72.0).reshape(2, 1, 6, 6))
    frame = window("pool", (6, 6), kernel, kernel, 0)
    y, index = kernels.max_pool2d(x, frame)
    results = {
        "max": y,
        "index": index,
        "gather": kernels.max_pool2d_gather(x, index),
        "scatter": kernels.max_pool2d_scatter(read_only(y), read_only(index), (6, 6)),
        "avg": kernels.avg_pool2d(x, frame),
        "avg grad": kernels.avg_pool2d_input_grad(read_only(y), frame),
    }
    assert [name for name, result in results.items() if not result.flags.writeable] == []
    assert [name for name, result in results.items() if np.shares_memory(result, x)] == []
    y[...] = index[...] = 0
    again = kernels.max_pool2d(x, frame)
    assert_array_equal(again[0], kernels.max_pool2d_gather(x, again[1]))  # no cached array was handed out


def test_broadcast_planes() -> None:
    frame = window("pool", (4, 5), 2, 1, 1)
    flat = np.broadcast_to(np.float64(3), (2, 3, 4, 5))
    y, index = kernels.max_pool2d(flat, frame)
    expected, where = maxima_by_formula(flat, frame)
    assert_array_equal(y, expected)
    assert_array_equal(index, where)
    g = np.broadcast_to(np.float64(4), y.shape)
    assert_array_equal(
        kernels.max_pool2d_scatter(g, index, (4, 5)), kernels.max_pool2d_scatter(g.copy(), index, (4, 5))
    )
    assert_array_equal(kernels.avg_pool2d_input_grad(g, frame), kernels.avg_pool2d_input_grad(g.copy(), frame))
