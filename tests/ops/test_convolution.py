"""`conv2d` as users call it: the formula, its options, its gradients, and what it refuses. (The kernels have tests of
their own.)"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, TinygradCnnError
from tinygrad_cnn.testing import check_grad


def whole(*shape: int) -> Any:
    """Whole numbers, on which sums of products are exact."""
    values = np.random.default_rng([0, *shape]).integers(-9, 9, shape)
    return tg.tensor(values.astype(np.float64), requires_grad=True)


def by_formula(x: Any, w: Any, b: Any, meaning: Any, groups: int) -> Any:
    stride, ((top, bottom), (left, right)), dilation = meaning
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (filters, C, KH, KW), (SH, SW), (DH, DW) = w.shape, stride, dilation
    OH, OW = (x.shape[2] - DH * (KH - 1) - 1) // SH + 1, (x.shape[3] - DW * (KW - 1) - 1) // SW + 1
    y = np.zeros((len(x), filters, OH, OW))
    for o, i, j in np.ndindex(filters, OH, OW):
        group = o // (filters // groups)
        field = x[:, group * C : (group + 1) * C, i * SH : i * SH + DH * KH : DH, j * SW : j * SW + DW * KW : DW]
        y[:, o, i, j] = (field[:, :, :KH, :KW] * w[o]).sum((1, 2, 3)) + b[o]
    return y


OPTIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "plain": ({}, ((1, 1), ((0, 0), (0, 0)), (1, 1))),
    "stride": ({"stride": 2}, ((2, 2), ((0, 0), (0, 0)), (1, 1))),
    "stride pair": ({"stride": (3, 1)}, ((3, 1), ((0, 0), (0, 0)), (1, 1))),
    "padding": ({"padding": 2}, ((1, 1), ((2, 2), (2, 2)), (1, 1))),
    "padding pair": ({"padding": (0, 1), "stride": 2}, ((2, 2), ((0, 0), (1, 1)), (1, 1))),
    "same": ({"padding": "same"}, ((1, 1), ((1, 1), (0, 1)), (1, 1))),
    "valid": ({"padding": "valid"}, ((1, 1), ((0, 0), (0, 0)), (1, 1))),
    "dilation": ({"dilation": (2, 3)}, ((1, 1), ((0, 0), (0, 0)), (2, 3))),
    "everything": ({"stride": 2, "padding": 1, "dilation": 2}, ((2, 2), ((1, 1), (1, 1)), (2, 2))),
}


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("name", OPTIONS)
def test_values_follow_the_formula_and_gradients_are_adjoint(name: str, groups: int) -> None:
    options, meaning = OPTIONS[name]
    x, w, b = whole(2, 4, 7, 8), whole(6, 4 // groups, 3, 2), whole(6)
    y = tg.conv2d(x, w, b, groups=groups, **options)
    np.testing.assert_array_equal(y.data, by_formula(x.data, w.data, b.data, meaning, groups))
    g = np.random.default_rng(0).integers(-9, 9, y.shape).astype(np.float64)
    y.backward(g)
    through_weights = ((y.data - b.data[:, None, None]) * g).sum()
    # linear in x and in w: <y - b, g> = <x, x's gradient> = <w, w's gradient>, without rounding
    assert through_weights == (x.grad.data * x.data).sum() == (w.grad.data * w.data).sum()
    np.testing.assert_array_equal(b.grad.data, g.sum((0, 2, 3)))


def test_the_bias_may_be_left_out_and_any_input_may_be_constant() -> None:
    x, w, b = whole(2, 3, 5, 5), whole(4, 3, 2, 2), whole(4)
    plain = tg.conv2d(x, w)
    np.testing.assert_array_equal(tg.conv2d(x, w, b).data, plain.data + b.data[:, None, None])
    for constant in range(3):
        inputs = [t.detach() if i == constant else t for i, t in enumerate((x, w, b))]
        tg.conv2d(*inputs).sum().backward()
        for i, t in enumerate((x, w, b)):
            assert (t.grad is None) == (i == constant)
            t.grad = None


def test_arrays_give_arrays() -> None:
    y: Any = tg.conv2d(np.ones((1, 1, 3, 3), np.float32), np.ones((1, 1, 2, 2), np.float32))
    assert type(y) is np.ndarray
    assert y.tolist() == [[[[4.0, 4.0], [4.0, 4.0]]]]


def test_pixels_that_the_stride_leaves_unread_get_0() -> None:
    x, w = whole(1, 1, 6, 7), whole(1, 1, 2, 2)
    tg.conv2d(x, tg.tensor(np.ones_like(w.data)), stride=3).sum().backward()
    assert x.grad.shape == (1, 1, 6, 7)
    read = np.array([1, 1, 0, 1, 1, 0])
    np.testing.assert_array_equal(x.grad.data[0, 0], np.outer(read, [*read, 0]))


def test_a_1x1_kernel_is_a_matrix_product_over_channels() -> None:
    x, w = whole(2, 3, 4, 5), whole(6, 3, 1, 1)
    np.testing.assert_array_equal(tg.conv2d(x, w).data, np.einsum("oc,nchw->nohw", w.data[:, :, 0, 0], x.data))


def test_an_empty_batch() -> None:
    x, w, b = whole(0, 3, 5, 5), whole(4, 3, 2, 2), whole(4)
    y = tg.conv2d(x, w, b, padding=1)
    assert y.shape == (0, 4, 6, 6)
    y.sum().backward()
    assert (x.grad.shape, b.grad.tolist()) == ((0, 3, 5, 5), [0.0] * 4)
    assert not np.any(w.grad.data)


def test_float32_stays_float32() -> None:
    x, w, b = (
        tg.tensor(t.data, np.float32, requires_grad=True) for t in (whole(1, 2, 4, 4), whole(3, 2, 3, 3), whole(3))
    )
    y = tg.conv2d(x, w, b, padding=1)
    y.sum().backward()
    assert {str(t.dtype) for t in (y, x.grad, w.grad, b.grad)} == {"float32"}  # type: ignore[union-attr]


def test_second_derivatives() -> None:
    inputs = [t.data for t in (whole(2, 2, 5, 4), whole(4, 1, 3, 2), whole(4))]
    assert check_grad(
        lambda x, w, b: tg.conv2d(x, w, b, stride=2, padding=1, groups=2).tanh(), [a / 9 for a in inputs], order=2
    ).ok


X, W, B = (2, 3, 5, 5), (4, 3, 2, 2), (4,)


@pytest.mark.parametrize(
    ("shapes", "options", "error", "message"),
    [
        (
            ((8, 4, 28, 28), (16, 3, 3, 3), (16,)),
            {},
            ShapeError,
            r"weight expects 3 input channels, input has 4 \(input \(8, 4, 28, 28\), weight \(16, 3, 3, 3\)\); pass",
        ),
        ((X[2:], W, B), {}, ShapeError, r"expects an input \(N, C, H, W\).* got input \(5, 5\)"),
        ((X, W[1:], B), {}, ShapeError, r"weight \(3, 2, 2\)"),
        ((X, W, (3,)), {}, ShapeError, r"expects a bias of shape \(4,\), got \(3,\)"),
        ((X, W, (4, 1, 1)), {}, ShapeError, r"expects a bias of shape \(4,\)"),
        ((X, (4, 3, 6, 2), B), {}, ShapeError, "kernel 6x2 is larger than its padded input 5x5"),
        ((X, W, B), {"dilation": 5}, ShapeError, "larger than its padded input"),
        ((X, (4, 3, 0, 2), B), {}, ArgumentError, r"kernel_size must be at least 1, got \(0, 2\)"),
        (((2, 3, 0, 5), W, B), {}, ShapeError, "input 0x5 holds no pixel"),
        ((X, (0, 3, 2, 2), (0,)), {}, ShapeError, "expects at least one filter and one input channel"),
        (((2, 0, 5, 5), (4, 0, 2, 2), B), {}, ShapeError, "expects at least one filter and one input channel"),
        ((X, W, B), {"stride": 0}, ArgumentError, "stride must be at least 1, got 0"),
        ((X, W, B), {"stride": 1.5}, ArgumentTypeError, "stride expects an int or a pair of ints, got 1.5"),
        ((X, W, B), {"dilation": 0}, ArgumentError, "dilation must be at least 1"),
        ((X, W, B), {"padding": -1}, ArgumentError, "padding must be at least 0"),
        ((X, W, B), {"padding": "full"}, ArgumentError, "'valid' or 'same', got 'full'"),
        ((X, W, B), {"groups": 0}, ArgumentError, "groups must be at least 1, got 0"),
        ((X, W, B), {"groups": 1.5}, ArgumentTypeError, "groups expects an int, got 1.5"),
        ((X, W, B), {"groups": 2}, ShapeError, "weight expects 6 input channels in 2 groups, input has 3"),
        ((X, (4, 1, 2, 2), B), {"groups": 3}, ShapeError, "4 filters do not divide into 3 groups"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(
    shapes: Any, options: dict[str, Any], error: type[TinygradCnnError], message: str
) -> None:
    with pytest.raises(error, match=f"^conv2d: .*{message}"):
        tg.conv2d(*(whole(*shape) for shape in shapes), **options)


def test_mixed_dtypes_are_refused() -> None:
    x, w, b = whole(*X), whole(*W), whole(*B)
    with pytest.raises(DTypeError, match="conv2d: input is float32, weight is float64; convert one of them"):
        tg.conv2d(x.float(), w)
    with pytest.raises(DTypeError, match="conv2d: input is float64, bias is float32"):
        tg.conv2d(x, w, b.float())
