"""Convolution and its adjoints against the index formulas, bit for bit: small integers in float64 add exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import Window, mirrored, window
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.numpy import convolution

Array = NDArray[Any]
Case = tuple[Array, Array, Array, Array, Window, int]


# ---- the formulas, read literally ------------------------------------------------------------------------------------


def reads(window: Window) -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, int]]]:
    """Every output (i, j), tap and pixel (p, q) of the unpadded input such that the output reads the pixel there."""
    (SH, SW), (DH, DW), ((top, _), (left, _)) = window.stride, window.dilation, window.padding
    for i, j in np.ndindex(*window.output_size):
        for kh, kw in np.ndindex(*window.kernel):
            p, q = i * SH + kh * DH - top, j * SW + kw * DW - left
            if 0 <= p < window.size[0] and 0 <= q < window.size[1]:
                yield (i, j), (kh, kw), (p, q)


def by_formula(x: Array, w: Array, b: Array, g: Array, window: Window, groups: int) -> tuple[Array, Array, Array]:
    """y, the gradient in x and the gradient in w."""
    y, gx, gw = np.zeros(g.shape) + b[:, None, None], np.zeros(x.shape), np.zeros(w.shape)
    filters, channels = len(w) // groups, w.shape[1]
    for o, c in np.ndindex(len(w), channels):
        channel = o // filters * channels + c
        for (i, j), (kh, kw), (p, q) in reads(window):
            y[:, o, i, j] += w[o, c, kh, kw] * x[:, channel, p, q]
            gx[:, channel, p, q] += w[o, c, kh, kw] * g[:, o, i, j]
            gw[o, c, kh, kw] += g[:, o, i, j] @ x[:, channel, p, q]
    return y, gx, gw


# ---- cases -----------------------------------------------------------------------------------------------------------

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    np.asfortranarray,
    lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],  # negative strides
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2) if a.ndim == 4 else a,  # channels last
]


def read_only(array: Array, layout: Callable[[Array], Array] = np.copy) -> Array:
    """The array in that memory layout; writing to it raises."""
    laid = layout(array)
    laid.flags.writeable = False
    return laid


@st.composite
def cases(draw: st.DrawFn, max_stride: int = 3) -> Case:
    """(x, w, b, g, window, groups), integer-valued, everything rectangular."""
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    sides = st.tuples(st.integers(0, 2), st.integers(0, 2))
    kernel, dilation, padding = draw(pairs), draw(pairs), draw(st.tuples(sides, sides))
    stride = draw(st.tuples(st.integers(1, max_stride), st.integers(1, max_stride)))
    fits = [max(1, d * (k - 1) + 1 - sum(p)) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    size = fits[0] + draw(st.integers(0, 4)), fits[1] + draw(st.integers(0, 4))
    groups, inputs, filters = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    batch = draw(st.integers(0, 2))
    frame = window("conv2d", size, kernel, stride, padding, dilation)
    shapes = [
        (batch, groups * inputs, *size),
        (groups * filters, inputs, *kernel),
        (groups * filters,),
        (batch, groups * filters, *frame.output_size),
    ]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x, w, b, g = (
        read_only(
            rng.integers(-4, 5, shape).astype(np.float64),
            draw(st.sampled_from(LAYOUTS)) if len(shape) == 4 else np.copy,
        )
        for shape in shapes
    )
    return x, w, b, g, frame, groups


def case(
    size: Any,
    kernel: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    channels: tuple[int, int] = (4, 6),
) -> Case:
    frame = window("conv2d", size, kernel, stride, padding, dilation)
    rng = np.random.default_rng(0)
    inputs, filters = channels
    shapes = (
        (5, inputs, *size),
        (filters, inputs // groups, *frame.kernel),
        (filters,),
        (5, filters, *frame.output_size),
    )
    x, w, b, g = (read_only(rng.integers(-4, 5, shape).astype(np.float64)) for shape in shapes)
    return x, w, b, g, frame, groups


KINDS = {
    "plain": case((7, 8), (3, 2)),
    "one pixel wide": case((7, 1), (3, 1)),
    "1x1": case((4, 5), 1, channels=(6, 4)),
    "stride with a remainder": case((8, 9), (3, 2), stride=(2, 3)),
    "stride beyond the kernel": case((8, 9), 2, stride=(3, 4), channels=(6, 4)),
    "padded on two sides": case((5, 6), (3, 4), padding=((2, 0), (0, 3)), channels=(6, 4)),
    "padded beyond the kernel": case((3, 4), 2, padding=3, channels=(6, 4)),
    "same": case((5, 6), (2, 4), padding="same", channels=(6, 4)),
    "dilated": case((8, 9), (3, 2), dilation=(2, 4), channels=(6, 4)),
    "groups": case((5, 6), 3, padding=1, groups=2),
    "depthwise": case((5, 6), 3, stride=2, padding=1, groups=4, channels=(4, 4)),
    "depthwise, two filters each": case((5, 6), 3, padding=1, groups=4, channels=(4, 8)),
}


# ---- the kernels -----------------------------------------------------------------------------------------------------


@given(cases())
def test_kernels_are_the_formulas(drawn: Case) -> None:
    assert_kernels_are_the_formulas(drawn)


@pytest.mark.parametrize("drawn", KINDS.values(), ids=KINDS)
def test_kernels_are_the_formulas_for_every_kind_of_window(drawn: Case) -> None:
    assert_kernels_are_the_formulas(drawn)


def assert_kernels_are_the_formulas(drawn: Case) -> None:
    x, w, b, g, frame, groups = drawn
    y, gx, gw = by_formula(*drawn)
    assert_array_equal(kernels.conv2d(x, w, b, frame, groups), y)
    assert_array_equal(kernels.conv2d(x, w, None, frame, groups), y - b[:, None, None])
    assert_array_equal(kernels.conv2d_input_grad(g, w, frame, groups), gx)
    assert_array_equal(kernels.conv2d_weight_grad(x, g, frame, groups), gw)


def assert_adjoint(
    drawn: Case,
    input_grad: Callable[..., Array] = kernels.conv2d_input_grad,
    weight_grad: Callable[..., Array] = kernels.conv2d_weight_grad,
) -> None:
    """<conv2d(x, w), g> = <x, input_grad(g, w)> = <w, weight_grad(x, g)>."""
    x, w, _, g, frame, groups = drawn
    form = np.vdot(kernels.conv2d(x, w, None, frame, groups), g)
    assert form == np.vdot(x, input_grad(g, w, frame, groups))
    assert form == np.vdot(w, weight_grad(x, g, frame, groups))


@given(cases())
def test_gradients_are_adjoints(drawn: Case) -> None:
    assert_adjoint(drawn)


@pytest.mark.parametrize("stride", [1, 2], ids=lambda stride: f"stride {stride}")
def test_control_adjoints_notice_a_kernel_turned_by_mistake(stride: int) -> None:
    def wrong_input_grad(g: Array, w: Array, *rest: Any) -> Array:
        return kernels.conv2d_input_grad(g, w[..., ::-1, ::-1], *rest)

    def wrong_weight_grad(x: Array, g: Array, *rest: Any) -> Array:
        return kernels.conv2d_weight_grad(x, g, *rest)[..., ::-1, ::-1]

    drawn = case((7, 8), (3, 2), stride)
    assert_adjoint(drawn)
    with pytest.raises(AssertionError):
        assert_adjoint(drawn, input_grad=wrong_input_grad)
    with pytest.raises(AssertionError):
        assert_adjoint(drawn, weight_grad=wrong_weight_grad)


def test_control_adjoints_notice_a_gradient_shifted_by_one_pixel() -> None:
    def shifted(g: Array, w: Array, *rest: Any) -> Array:
        return np.roll(kernels.conv2d_input_grad(g, w, *rest), 1, axis=-1)

    with pytest.raises(AssertionError):
        assert_adjoint(case((7, 8), (3, 2), 2), input_grad=shifted)


def test_border_that_the_stride_leaves_unread_gets_no_gradient() -> None:
    _, w, _, g, frame, groups = case((8, 9), 3, stride=(3, 4))
    assert frame.unread == (2, 2)
    gradient = kernels.conv2d_input_grad(g, w, frame, groups)
    assert not gradient[..., 6:, :].any()
    assert not gradient[..., 7:].any()
    assert gradient[..., :6, :7].any()


@pytest.mark.parametrize("filters", [2, 6], ids=["fewer filters than channels", "more"])
def test_both_ways_to_the_input_gradient_agree(filters: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = case((7, 8), (3, 2), padding=((2, 0), (0, 1)), channels=(4, filters))
    _, w, _, g, frame, _ = drawn
    assert mirrored(frame) is not None
    expected = by_formula(*drawn)[1]
    assert_array_equal(kernels.conv2d_input_grad(g, w, frame), expected)
    monkeypatch.setattr(convolution, "mirrored", lambda _: None)
    assert_array_equal(kernels.conv2d_input_grad(g, w, frame), expected)


@pytest.mark.parametrize("stride", [1, 2], ids=lambda stride: f"stride {stride}")
def test_results_do_not_depend_on_how_the_batch_is_divided(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = case((7, 8), (3, 2), stride, padding=1, groups=2)
    x, w, b, g, frame, groups = drawn
    images, columns = len(x), 4 * 3 * 2 * 8 * frame.output_size[0] * frame.output_size[1]
    for size in (1, 2 * columns, images * columns):
        monkeypatch.setattr(convolution, "CHUNK", size)
        y, gx, gw = by_formula(*drawn)
        assert_array_equal(kernels.conv2d(x, w, b, frame, groups), y)
        assert_array_equal(kernels.conv2d_input_grad(g, w, frame, groups), gx)
        assert_array_equal(kernels.conv2d_weight_grad(x, g, frame, groups), gw)


def test_fused_layers_do_not_depend_on_how_the_batch_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w, b, _, frame, groups = case((7, 8), (3, 2), padding=1, groups=2)
    pool = window("max_pool2d", frame.output_size, 2, 2, 0)
    y = reference.conv2d(x, w, b, frame, groups)
    expected, taps = reference.relu_max_pool2d(y, pool)
    for size in (1, x.nbytes // 2, 1 << 20):
        monkeypatch.setattr(convolution, "CHUNK", size)
        assert_array_equal(reference.conv2d_relu(x, w, b, frame, groups), np.maximum(y, 0))
        fused = reference.conv2d_relu_max_pool2d(x, w, b, frame, groups, pool)
        assert_array_equal(fused[0], expected)
        assert_array_equal(fused[1], taps)
        assert fused[1].dtype == np.uint8


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
def test_results_are_fresh_and_keep_the_dtype(kernel: int, groups: int) -> None:
    x, w, b, g, frame, _ = case((5, 6), kernel, padding=kernel // 2, groups=groups, channels=(4, 4))
    for dtype in (np.float32, np.float64):
        inputs = [read_only(array.astype(dtype)) for array in (x, w, b, g)]
        xs, ws, bs, gs = inputs
        results = [
            kernels.conv2d(xs, ws, bs, frame, groups),
            kernels.conv2d_input_grad(gs, ws, frame, groups),
            kernels.conv2d_weight_grad(xs, gs, frame, groups),
        ]
        for result, expected in zip(results, by_formula(x, w, b, g, frame, groups), strict=True):
            assert result.dtype == dtype
            assert result.flags.writeable
            assert result.flags.c_contiguous or result.transpose(0, 2, 3, 1).flags.c_contiguous  # or channels-last
            assert not any(np.shares_memory(result, array) for array in inputs)
            assert_array_equal(result, expected)  # integers as small as these are exact in float32, too


def test_broadcast_inputs() -> None:
    x, w, _, g, frame, _ = case((7, 8), (3, 2), stride=2)
    one, flat = np.broadcast_to(x[:1], x.shape), np.broadcast_to(np.float64(3), g.shape)
    copied, filled = one.copy(), flat.copy()
    assert_array_equal(kernels.conv2d(one, w, None, frame), kernels.conv2d(copied, w, None, frame))
    assert_array_equal(kernels.conv2d_input_grad(flat, w, frame), kernels.conv2d_input_grad(filled, w, frame))
    assert_array_equal(kernels.conv2d_weight_grad(one, flat, frame), kernels.conv2d_weight_grad(copied, filled, frame))


def test_float32_is_as_accurate_as_its_sums_allow() -> None:
    rng = np.random.default_rng(0)
    frame = window("conv2d", (14, 14), 5, 1, 2)
    x, w = rng.standard_normal((2, 16, 14, 14)), rng.standard_normal((32, 16, 5, 5))
    exact = kernels.conv2d(x, w, None, frame)
    rounded = kernels.conv2d(x.astype(np.float32), w.astype(np.float32), None, frame)
    assert_allclose(rounded, exact, rtol=0, atol=4e-6 * np.abs(exact).max())
