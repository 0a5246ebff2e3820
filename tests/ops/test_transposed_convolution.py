"""`conv_transpose2d`, `conv1d`, `unfold` and `fold` as users call them, and strided 'same' padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError, TinygradCnnError
from tinygrad_cnn.testing import check_grad


def whole(*shape: int) -> Any:
    """Integers: sums and products of them are exact."""
    return tg.tensor(np.random.default_rng(0).integers(-4, 5, shape).astype(np.float64), requires_grad=True)


@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1}, {"stride": (3, 1), "dilation": 2, "groups": 2}])
def test_the_transpose_is_the_adjoint_of_the_convolution(options: dict[str, Any]) -> None:
    w, x = whole(4, 4 // options.get("groups", 1), 3, 2), whole(2, 4, 9, 8)
    y = tg.conv2d(x, w, None, **options)
    g = whole(*y.shape)
    steps = options.get("stride", 1)
    steps = (steps, steps) if isinstance(steps, int) else steps
    back = tg.conv_transpose2d(g, w, None, **options)
    left = [n - m for n, m in zip(x.shape[2:], back.shape[2:], strict=True)]
    assert all(0 <= rest < step for rest, step in zip(left, steps, strict=True))
    back = tg.conv_transpose2d(g, w, None, output_padding=tuple(left), **options)
    assert back.shape == x.shape
    assert (back * x).sum().item() == (y * g).sum().item()


def test_output_padding_beyond_what_the_filters_reach() -> None:
    x, w, b = whole(1, 1, 2, 2), whole(1, 1, 2, 2), whole(1)
    y = tg.conv_transpose2d(x, w, b, output_padding=2, dilation=3)
    np.testing.assert_array_equal(y.data[..., :5, :5], tg.conv_transpose2d(x, w, b, dilation=3).data)
    assert y.shape == (1, 1, 7, 7)
    assert np.all(y.data[..., 5:, :] == b.data)


def test_one_image_without_its_batch() -> None:
    x, w = whole(3, 6, 5), whole(4, 3, 3, 2)
    np.testing.assert_array_equal(tg.conv2d(x, w).data, tg.conv2d(x.data[None], w.data)[0])
    signal = tg.conv1d(x.reshape(3, 30), w.reshape(4, 3, 6), stride=2)
    assert signal.shape == (4, 13)


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 5)])
@pytest.mark.parametrize("size", [(6, 7), (9, 5)])
def test_same_padding_of_a_stride_divides_the_size_and_rounds_up(size: tuple[int, int], stride: Any) -> None:
    steps = (stride, stride) if isinstance(stride, int) else stride
    y = tg.conv2d(whole(1, 2, *size), whole(3, 2, 3, 4), None, stride, "same", (1, 2))
    assert y.shape[2:] == tuple(-(-n // step) for n, step in zip(size, steps, strict=True))


def test_fold_adds_what_unfold_copied() -> None:
    x = whole(2, 3, 5, 6)
    ones = tg.fold(tg.unfold(tg.tensor(np.ones(x.shape)), 3, padding=1), (5, 6), 3, padding=1)
    folded = tg.fold(tg.unfold(x, 3, padding=1), (5, 6), 3, padding=1)
    np.testing.assert_array_equal(folded.data, x.data * ones.data)


def test_a_window_of_one_pixel_is_a_copy() -> None:
    x = whole(2, 3, 4, 5)
    assert not np.shares_memory(tg.unfold(x, 1).data, x.data)


def test_empty_batches() -> None:
    x, w = whole(0, 4, 6, 5), whole(4, 2, 3, 2)
    for y, shape in (
        (tg.conv_transpose2d(x, w, whole(4), 2, groups=2), (0, 4, 13, 10)),
        (tg.conv1d(x.reshape(0, 4, 30), w.reshape(4, 2, 6), groups=2), (0, 4, 25)),
        (tg.unfold(x, 2), (0, 16, 20)),
        (tg.fold(tg.unfold(x, 2), (6, 5), 2), (0, 4, 6, 5)),
    ):
        assert y.shape == shape
        y.sum().backward()
    assert x.grad.shape == x.shape
    assert not np.any(w.grad.data)


def test_second_derivatives() -> None:
    x, w, b = (whole(*shape).data / 4 for shape in ((1, 2, 3, 3), (2, 1, 2, 2), (2,)))

    def transposed(x: Any, w: Any, b: Any) -> Any:
        return tg.conv_transpose2d(x, w, b, 2, 1, 1, 2, 2) ** 2

    assert check_grad(transposed, [x, w, b], order=2).ok
    assert check_grad(lambda x: tg.unfold(x * x, 2, padding=1) ** 2, [x], order=2).ok


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            "conv_transpose2d(x, w, padding=9)",
            ShapeError,
            "kernel 3 with stride 1, .* leaves nothing of a size of 6",
        ),
        ("conv_transpose2d(x, w, output_padding=1)", ArgumentError, "output_padding must be smaller than the stride"),
        ("conv_transpose2d(x, w, stride=0)", ArgumentError, "conv_transpose2d: stride must be at least 1"),
        ("conv_transpose2d(x, w, dilation=0)", ArgumentError, "conv_transpose2d: dilation must be at least 1"),
        ("conv_transpose2d(x, w, groups=3)", ShapeError, "4 input channels do not divide into 3 groups"),
        ("conv_transpose2d(x[:, :2], w)", ShapeError, "weight expects 4 input channels, input has 2"),
        ("conv_transpose2d(x, w, x)", ShapeError, r"expects a bias of shape \(3,\)"),
        ("conv_transpose2d(x, w.float())", DTypeError, "input is float64, weight is float32"),
        ("conv1d(x, w)", ShapeError, r"conv1d: expects an input \(N, C, L\) and a weight \(O, C / groups, K\)"),
        (
            "conv1d(x[:, :3, 0], w[:, :, 0], stride=(1, 1))",
            TinygradCnnError,
            r"stride expects an int, got \(1, 1\)",
        ),
        ("unfold(x, 7)", ShapeError, "unfold: kernel 7x7 is larger than its padded input 6x5"),
        ("unfold(x, 2, padding='same')", TinygradCnnError, "unfold: padding expects an int"),
        ("fold(x[0], (2, 2), 2)", ShapeError, r"fold: an output 2x2 expects 1 windows of C x 2x2 elements"),
    ],
)
def test_refusals(call: str, error: type[TinygradCnnError], message: str) -> None:
    with pytest.raises(error, match=message):
        eval(f"tg.{call}", {"tg": tg, "x": whole(2, 4, 6, 5), "w": whole(4, 3, 3, 2)})
