"""The compiled batch norm against NumPy's in float64: layouts, missing parameters, relu, large means, threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn.kernels import Layout, jit, set_num_threads
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import normalisation
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    lambda a: np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1),  # channels last
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a[::-1].copy()[::-1],  # negative strides
]
EXACT = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}  # relative, of the whole array


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for arrays as small as these, in many blocks."""
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(normalisation, "GRAIN", 1)
    set_num_threads(2)


def layout_of(shape: tuple[int, ...]) -> Layout:
    if len(shape) == 2:
        return Layout(shape, (0,), (1, shape[1]))
    N, C, H, W = shape
    return Layout((N, C, H * W), (0, 2), (1, C, 1))


@st.composite
def batches(draw: st.DrawFn) -> tuple[Array, Array, Array | None, Array | None]:
    """x, g, w and b, read-only; w and b may be missing."""
    channels, dtype = draw(st.sampled_from([1, 3, 16, 35])), draw(st.sampled_from([np.float32, np.float64]))
    image = draw(st.one_of(st.just(()), st.tuples(st.integers(1, 9), st.integers(1, 30))))
    shape = (draw(st.integers(1, 40 if not image else 5)), channels, *image)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    arrays = [
        draw(st.sampled_from(LAYOUTS))(rng.normal(1, 2, shape).astype(dtype)),
        draw(st.sampled_from(LAYOUTS))(rng.normal(size=shape).astype(dtype)),
        *(draw(st.sampled_from([None, rng.normal(size=channels).astype(dtype)])) for _ in "wb"),
    ]
    for array in arrays:
        if array is not None:
            array.flags.writeable = False
    return tuple(arrays)


def assert_close(actual: Array, expected: Array, dtype: Any, scale: float | None = None) -> None:
    """The difference, relative to the norm of what is expected, or of `scale` where that is larger."""
    assert actual.shape == expected.shape
    assert actual.dtype == dtype
    size = max(np.linalg.norm(expected), scale or 0, 1e-30)
    assert np.linalg.norm(actual - expected) <= EXACT[np.dtype(dtype)] * size


def wide(array: Array | None) -> Any:
    return None if array is None else array.astype(np.float64)


@given(batches())
def test_batch_norm(drawn: tuple[Array, Array, Array | None, Array | None]) -> None:
    x, g, w, b = drawn
    layout, n = layout_of(x.shape), float(np.linalg.norm(g))
    y, mean, var = jit.normalise(x, w, b, layout, 0.1)
    expected = reference.normalise(wide(x), wide(w), wide(b), layout, 0.1)
    for actual, exact in zip((y, mean, var), expected, strict=True):
        assert_close(actual, exact, x.dtype, 1)
    grads = jit.normalise_grads(g, x, w, layout, 0.1, mean, var)
    exact_grads = reference.normalise_grads(wide(g), wide(x), wide(w), layout, 0.1, *expected[1:])
    for actual, exact in zip(grads, exact_grads, strict=True):
        assert_close(actual, exact, x.dtype, n)


@given(batches())
def test_batch_norm_with_relu_is_one_after_the_other(drawn: tuple[Array, Array, Array | None, Array | None]) -> None:
    x, g, w, b = drawn
    layout = layout_of(x.shape)
    y, mean, var = jit.normalise_relu(x, w, b, layout, 0.1)
    before, *moments = jit.normalise(x, w, b, layout, 0.1)
    for actual, expected in zip((y, mean, var), (reference.relu(before), *moments), strict=True):
        assert_array_equal(actual, expected)
    through = reference.relu_grad(g, before)
    grads = jit.normalise_relu_grads(g, x, w, b, layout, 0.1, mean, var)
    for actual, expected in zip(grads, jit.normalise_grads(through, x, w, layout, 0.1, mean, var), strict=True):
        assert_array_equal(actual, expected)


@given(batches())
def test_scale_and_shift(drawn: tuple[Array, Array, Array | None, Array | None]) -> None:
    x, _, w, b = drawn
    scale, shift = (np.ones(x.shape[1], x.dtype) if p is None else p for p in (w, b))
    y = jit.scale_channels(x, scale, shift)
    assert_close(y, reference.scale_channels(wide(x), wide(scale), wide(shift)), x.dtype)
    assert not np.shares_memory(y, x)


def test_a_large_mean_costs_no_digits() -> None:
    rng = np.random.default_rng(0)
    x = (4096 + rng.normal(size=(8, 5, 30, 30))).astype(np.float32)
    layout = layout_of(x.shape)
    y, mean, var = jit.normalise(x, None, None, layout, 1e-5)
    exact, exact_mean, exact_var = reference.normalise(wide(x), None, None, layout, 1e-5)
    assert_allclose(mean, exact_mean, rtol=2e-7)
    assert_allclose(var, exact_var, rtol=1e-5)
    assert_allclose(y, exact, atol=1e-3)  # x has no more digits


def test_an_outlier_at_the_front_spoils_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3, 20, 20)).astype(np.float32)
    x[0, :, 0, 0] = 1e3
    layout = layout_of(x.shape)
    _, mean, var = jit.normalise(x, None, None, layout, 1e-5)
    _, exact_mean, exact_var = reference.normalise(wide(x), None, None, layout, 1e-5)
    assert_allclose(mean, exact_mean, rtol=1e-5)
    assert_allclose(var, exact_var, rtol=1e-5)


def test_equal_values_become_the_bias() -> None:
    x, b = np.full((4, 3, 5, 5), 7.3, np.float32), np.array([1, 2, 3], np.float32)
    y, _, var = jit.normalise(x, None, b, layout_of(x.shape), 1e-5)
    assert_allclose(y, np.broadcast_to(b[:, None, None], x.shape), atol=1e-4)
    assert_allclose(var, 0, atol=1e-12)


def test_nan_stays_in_its_channel() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 5)).astype(np.float32)
    x[1, 2, 3, 4] = np.nan
    layout = layout_of(x.shape)
    y, mean, var = jit.normalise_relu(x, None, None, layout, 1e-5)
    gx, _, _ = jit.normalise_relu_grads(np.ones_like(x), x, None, None, layout, 1e-5, mean, var)
    for array in (y, gx):
        assert np.isnan(array[:, 2]).all()
        assert not np.isnan(array[:, [0, 1, 3]]).any()


def test_other_norms_are_left_to_numpy() -> None:
    x = np.random.default_rng(0).normal(size=(4, 6))
    layout = Layout((4, 6), (1,), (1, 6))
    for actual, expected in zip(
        jit.normalise(x, None, None, layout, 0.1), reference.normalise(x, None, None, layout, 0.1), strict=True
    ):
        assert_array_equal(actual, expected)


def test_the_same_threads_give_the_same_bits_and_images_stay_channels_last() -> None:
    x = np.random.default_rng(0).normal(size=(9, 5, 7, 8)).astype(np.float32)
    layout = layout_of(x.shape)
    first, again = (jit.normalise(x, None, None, layout, 1e-5) for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert_array_equal(one, two)
    assert first[0].transpose(0, 2, 3, 1).flags.c_contiguous
