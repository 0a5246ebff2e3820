"""Adaptive pooling and up-sampling as users call them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, TinygradCnnError
from tinygrad_cnn.testing import check_grad

X = np.random.default_rng(0).permutation(84).reshape(1, 2, 6, 7).astype(np.float64)


def spans(size: int, count: int) -> list[slice]:
    return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (4, 5), (6, 7), (9, 3), (3, 1)])
def test_adaptive_windows_cover_the_input_evenly(size: tuple[int, int]) -> None:
    for operation, reduce in ((tg.adaptive_avg_pool2d, np.mean), (tg.adaptive_max_pool2d, np.max)):
        y = operation(tg.tensor(X), size)
        expected = [[reduce(X[..., p, q], axis=(2, 3)) for q in spans(7, size[1])] for p in spans(6, size[0])]
        np.testing.assert_allclose(y.data, np.moveaxis(np.array(expected), (0, 1), (2, 3)), rtol=1e-13)


def test_indices_point_at_the_maxima() -> None:
    for size in ((2, 7), (4, 5)):
        values, indices = tg.adaptive_max_pool2d(tg.tensor(X), size, return_indices=True)
        picked = np.take_along_axis(X.reshape(2, 42), indices.data.reshape(2, -1), axis=1)
        np.testing.assert_array_equal(values.data.reshape(2, -1), picked)


def test_an_output_of_the_inputs_size_is_the_input() -> None:
    x: Any = tg.tensor(X)
    for y in (
        tg.adaptive_avg_pool2d(x, None),
        tg.adaptive_max_pool2d(x, (6, None)),
        tg.interpolate(x, (6, 7)),
        tg.interpolate(x, (6, 7), mode="bilinear"),
        tg.interpolate(x, scale_factor=1, mode="bilinear", align_corners=True),
    ):
        np.testing.assert_array_equal(y.data, X)


def test_infinities_stay_where_they_are() -> None:
    x = np.array([[[[1.0, np.inf, 2.0, 3.0]]]])
    assert tg.interpolate(tg.tensor(x), (1, 8)).tolist()[0][0][0] == [1, 1, np.inf, np.inf, 2, 2, 3, 3]
    assert tg.adaptive_avg_pool2d(tg.tensor(x), (1, 3)).tolist()[0][0][0] == [np.inf, np.inf, 2.5]


def test_float32_stays_float32() -> None:
    x: Any = tg.tensor(X.astype(np.float32), requires_grad=True)
    for y in (
        tg.adaptive_avg_pool2d(x, (4, 5)),
        tg.adaptive_max_pool2d(x, (4, 5)),
        tg.interpolate(x, (9, 9)),
        tg.interpolate(x, scale_factor=1.7, mode="bilinear"),
    ):
        x.grad = None
        y.sum().backward()
        assert (str(y.dtype), str(x.grad.dtype)) == ("float32", "float32")


def test_an_empty_batch() -> None:
    x: Any = tg.tensor(np.zeros((0, 2, 6, 7)), requires_grad=True)
    for y in (
        tg.adaptive_avg_pool2d(x, (4, 5)),
        tg.adaptive_max_pool2d(x, (4, 5)),
        tg.interpolate(x, (4, 5)),
        tg.interpolate(x, (4, 5), mode="bilinear"),
    ):
        assert y.shape == (0, 2, 4, 5)
        y.sum().backward()


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: tg.adaptive_avg_pool2d(x, (4, 3)),
        lambda x: tg.adaptive_avg_pool2d(x, 1),
        lambda x: tg.adaptive_max_pool2d(x, (4, 3)),
        lambda x: tg.interpolate(x, (3, 9)),
        lambda x: tg.interpolate(x, (8, 3), mode="bilinear"),
        lambda x: tg.interpolate(x, scale_factor=(0.6, 1.5), mode="bilinear"),
    ],
    ids=["average", "global", "maximum", "nearest", "bilinear", "by factors"],
)
def test_second_derivatives(operation: Any) -> None:
    assert check_grad(lambda x: operation(x * x) ** 2, [X[:, :1, :, :5] / 50 + 0.1], order=2).ok


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("adaptive_avg_pool2d(x, 0)", ArgumentError, "adaptive_avg_pool2d: output_size must be at least 1, got 0"),
        ("adaptive_max_pool2d(x, (1, 2, 3))", ArgumentError, "adaptive_max_pool2d: output_size expects an int or 2"),
        ("adaptive_max_pool2d(x, 1.5)", ArgumentTypeError, "output_size expects an int, got 1.5"),
        (
            "adaptive_avg_pool1d(x, 2)",
            ShapeError,
            r"expects an input \(N, C, L\) or \(C, L\), got shape \(1, 2, 6, 7\)",
        ),
        ("adaptive_avg_pool2d(x[:, :, :0], 2)", ShapeError, "holds no pixel"),
        ("adaptive_avg_pool2d(x > 0, 2)", DTypeError, "expects floating-point input, got bool"),
        ("interpolate(x)", ArgumentError, "interpolate: expects either size or scale_factor"),
        ("interpolate(x, 2, 2.0)", ArgumentError, "interpolate: expects either size or scale_factor"),
        ("interpolate(x, (2, 2, 2))", ArgumentError, "expects one number or 2"),
        ("interpolate(x, 2.5)", ArgumentTypeError, "size expects an int, got 2.5"),
        ("interpolate(x, scale_factor='2')", ArgumentTypeError, "scale_factor expects numbers, got '2'"),
        ("interpolate(x, scale_factor=0.1)", ArgumentError, "scale_factor 0.1 leaves no pixel"),
        ("interpolate(x, 2, mode='bicubic')", ArgumentError, "must be 'nearest' or 'bilinear', got 'bicubic'"),
        ("interpolate(x, 2, align_corners=True)", ArgumentError, "align_corners goes with mode 'bilinear' only"),
        ("interpolate(x[0, 0], 2)", ShapeError, r"expects an input \(N, C, L\) or \(N, C, H, W\)"),
    ],
)
def test_refusals(call: str, error: type[TinygradCnnError], message: str) -> None:
    with pytest.raises(error, match=message):
        eval(f"tg.{call}", {"tg": tg, "x": tg.tensor(X)})
