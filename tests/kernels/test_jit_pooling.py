"""The compiled pooling kernels against NumPy's: any window, any memory layout, few channels and many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.kernels import jit, set_num_threads
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import pooling
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

NAN, INF = np.nan, np.inf
VALUES = [[0.0, 1.0], [-INF, -1.0], [NAN, -1.0, 1.0], [NAN, -INF, INF], [NAN], [float(n) for n in range(-9, 10)]]

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),  # channels last
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],  # negative strides
]


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for arrays as small as these."""
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(pooling, "GRAIN", 1)
    set_num_threads(2)


def reads_a_pixel(frame: Window) -> bool:
    """Whether every window has a tap inside the image."""
    axes = zip(frame.size, frame.output_size, frame.kernel, frame.stride, frame.padding, frame.dilation, strict=True)
    return all(
        any(0 <= i * step - before + k * apart < size for k in range(taps))
        for size, count, taps, step, (before, _), apart in axes
        for i in range(count)
    )


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Side by side, overlapping and with gaps; padded by at most half the kernel."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.one_of(st.just(kernel), st.tuples(st.integers(1, 4), st.integers(1, 4))))
    dilation = draw(st.one_of(st.just((1, 1)), st.tuples(st.integers(1, 3), st.integers(1, 3))))
    down, across = (draw(st.tuples(st.integers(0, k // 2), st.integers(0, k // 2))) for k in kernel)
    fits = [max(1, d * (k - 1) + 1 - sum(p)) for k, d, p in zip(kernel, dilation, (down, across), strict=True)]
    size = fits[0] + draw(st.integers(0, 4)), fits[1] + draw(st.integers(0, 4))
    frame = window("pool", size, kernel, stride, (down, across), dilation)
    assume(reads_a_pixel(frame))
    return frame


@st.composite
def side_by_side(draw: st.DrawFn) -> Window:
    kernel = draw(st.one_of(st.just((2, 2)), st.tuples(st.integers(1, 4), st.integers(1, 4))))
    size = kernel[0] + draw(st.integers(0, 7)), kernel[1] + draw(st.integers(0, 7))
    return window("pool", size, kernel, kernel, 0)


@st.composite
def images(draw: st.DrawFn, size: tuple[int, int], values: list[float] | None = None) -> Array:
    """Read-only."""
    channels = draw(st.sampled_from([1, 3, 8, 16, 19, 35]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    drawn = rng.choice(values or draw(st.sampled_from(VALUES)), (draw(st.integers(0, 3)), channels, *size))
    laid = draw(st.sampled_from(LAYOUTS))(drawn.astype(draw(st.sampled_from([np.float32, np.float64]))))
    laid.flags.writeable = False
    return laid


def cotangent(data: st.DataObject, like: Array) -> Array:
    rng = np.random.default_rng(0)
    g = data.draw(st.sampled_from(LAYOUTS))(rng.integers(-8, 8, like.shape).astype(like.dtype))
    g.flags.writeable = False
    return g


def assert_same(actual: Array, expected: Array) -> None:
    assert_array_equal(actual, expected)
    assert actual.dtype == expected.dtype
    assert actual.flags.writeable


@given(st.data(), windows())
def test_maximum_gather_and_scatter(data: st.DataObject, frame: Window) -> None:
    x = data.draw(images(frame.size))
    y, index = jit.max_pool2d(x, frame)
    for actual, expected in zip((y, index), reference.max_pool2d(x, frame), strict=True):
        assert_same(actual, expected)
    g = cotangent(data, y)
    assert_same(jit.max_pool2d_scatter(g, index, frame.size), reference.max_pool2d_scatter(g, index, frame.size))
    assert_same(jit.max_pool2d_gather(x, index), reference.max_pool2d_gather(x, index))


def test_positions_of_other_integers_are_taken_too() -> None:
    x = np.random.default_rng(0).random((2, 3, 4, 4))
    y, index = jit.max_pool2d(x, window("pool", (4, 4), 2, 2, 0))
    assert_same(jit.max_pool2d_gather(x, index.astype(np.int64)), y)
    assert_same(
        jit.max_pool2d_scatter(y, index.astype(np.int64), (4, 4)), reference.max_pool2d_scatter(y, index, (4, 4))
    )


@given(st.data(), windows(), st.sampled_from(["kernel", "number", "each"]))
def test_mean_and_its_gradient(data: st.DataObject, frame: Window, divided_by: str) -> None:
    x = data.draw(images(frame.size, VALUES[-1]))
    counts = 1 + np.arange(frame.output_size[0] * frame.output_size[1]).reshape(frame.output_size)
    divisor: Any = {"kernel": None, "number": 3, "each": counts}[divided_by]
    y = jit.avg_pool2d(x, frame, divisor)
    assert_same(y, reference.avg_pool2d(x, frame, divisor))
    g = cotangent(data, y)
    gx, expected = (k.avg_pool2d_input_grad(g, frame, divisor) for k in (jit, reference))
    assert_allclose(gx, expected, rtol=1e-5, atol=1e-5)
    assert gx.dtype == expected.dtype


def test_nan_and_infinity_reach_the_means_that_read_them() -> None:
    x = np.arange(32.0).reshape(1, 2, 4, 4)
    x[0, 0, 0, 0], x[0, 1, 3, 3] = NAN, INF
    for frame in (window("pool", (4, 4), 2, 2, 0), window("pool", (4, 4), 3, 1, 1)):
        assert_same(jit.avg_pool2d(x, frame), reference.avg_pool2d(x, frame))
        assert_allclose(jit.avg_pool2d_input_grad(x[..., :2, :2], window("pool", (4, 4), 2, 2, 0))[0, 0, :2, :2], NAN)


def test_the_mean_of_a_large_image_is_exact_to_float32() -> None:
    x = np.random.default_rng(0).random((1, 2, 300, 200), np.float32) + 5
    y = jit.avg_pool2d(x, window("pool", (300, 200), (300, 200), 1, 0))
    assert_allclose(y, x.mean((2, 3), np.float64, keepdims=True), rtol=1e-6)


@given(st.data(), side_by_side())
def test_relu_with_a_maximum(data: st.DataObject, pool: Window) -> None:
    x = data.draw(images(pool.size))
    y, taps = jit.relu_max_pool2d(x, pool)
    for actual, expected in zip((y, taps), reference.relu_max_pool2d(x, pool), strict=True):
        assert_same(actual, expected)
    g = cotangent(data, y)
    assert_same(jit.relu_max_pool2d_grad(g, y, taps, pool), reference.relu_max_pool2d_grad(g, y, taps, pool))


def test_infinite_cotangents_do_not_spread() -> None:
    pool = window("pool", (5, 4), 2, 2, 0)
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 4))
    y, taps = jit.relu_max_pool2d(x, pool)
    g = np.full(y.shape, INF)
    gx = jit.relu_max_pool2d_grad(g, y, taps, pool)
    assert_array_equal(gx, reference.relu_max_pool2d_grad(g, y, taps, pool))
    assert not np.isnan(gx).any()


def test_one_thread_or_two_give_the_same_bits() -> None:
    frame = window("pool", (9, 8), 3, 2, 1)
    x = np.random.default_rng(0).standard_normal((3, 5, 9, 8)).astype(np.float32)
    found = []
    for threads in (1, 2, 2):
        set_num_threads(threads)
        y, index = jit.max_pool2d(x, frame)
        back = jit.max_pool2d_scatter(y, index, frame.size), jit.avg_pool2d_input_grad(y, frame)
        found.append([y, index, jit.avg_pool2d(x, frame), *back])
    for one, two, again in zip(*found, strict=True):
        assert_array_equal(one, two)
        assert_array_equal(two, again)
