"""`max_pool2d` and `avg_pool2d` as users call them. (The kernels have tests of their own.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, TinygradCnnError
from tinygrad_cnn.testing import check_grad

NAN, INF = np.nan, np.inf


def plane(rows: Any) -> Any:
    return tg.tensor(np.asarray(rows, np.float32)[None, None], requires_grad=True)


def shuffled(*shape: int) -> Any:
    values = np.random.default_rng(0).permutation(int(np.prod(shape))).reshape(shape) - 7
    return tg.tensor(values.astype(np.float64), requires_grad=True)


def windows(x: Any, meaning: Any, border: float) -> Any:
    """(N, C, OH, OW, KH, KW)."""
    (KH, KW), (SH, SW), (down, across) = meaning
    padded = np.pad(x, ((0, 0), (0, 0), (down, down), (across, across)), constant_values=border)
    return np.lib.stride_tricks.sliding_window_view(padded, (KH, KW), (2, 3))[:, :, ::SH, ::SW]


SETTINGS: dict[str, tuple[Any, Any]] = {
    "2": ((2,), ((2, 2), (2, 2), (0, 0))),
    "pair": (((2, 3),), ((2, 3), (2, 3), (0, 0))),
    "overlapping": ((3, 1), ((3, 3), (1, 1), (0, 0))),
    "gaps": ((2, (3, 4)), ((2, 2), (3, 4), (0, 0))),
    "padding": ((3, 2, 1), ((3, 3), (2, 2), (1, 1))),
    "padding pair": (((3, 4), (2, 3), (1, 2)), ((3, 4), (2, 3), (1, 2))),
    "whole": (((6, 7),), ((6, 7), (6, 7), (0, 0))),
    "1": ((1,), ((1, 1), (1, 1), (0, 0))),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_values_follow_the_formula(name: str) -> None:
    arguments, meaning = SETTINGS[name]
    x = shuffled(2, 3, 6, 7)
    y = tg.max_pool2d(x, *arguments)
    np.testing.assert_array_equal(y.data, windows(x.data, meaning, -INF).max((4, 5)))
    y.sum().backward()
    assert x.grad.data.sum() == y.numel()
    assert (x.grad.data * x.data).sum() == y.data.sum()
    mean = tg.avg_pool2d(x, *arguments)
    np.testing.assert_allclose(mean.data, windows(x.data, meaning, 0.0).mean((4, 5)), rtol=1e-12)
    x.grad = None
    g = np.random.default_rng(0).integers(-9, 9, mean.shape).astype(np.float64)
    mean.backward(g)
    np.testing.assert_allclose((x.grad.data * x.data).sum(), (mean.data * g).sum(), rtol=1e-12)


def test_a_tie_goes_to_the_first() -> None:
    x = plane([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [5.0, 5.0, 5.0]])
    tg.max_pool2d(x, 2, 1).backward(np.array([[[[1.0, 2.0], [4.0, 8.0]]]]))
    assert x.grad.tolist() == [[[[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [4.0, 8.0, 0.0]]]]


def test_a_pixel_that_wins_several_windows_gets_them_all() -> None:
    x = plane([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    tg.max_pool2d(x, 2, 1).backward(np.array([[[[1.0, 2.0], [4.0, 8.0]]]]))
    assert x.grad.tolist() == [[[[0.0, 0.0, 0.0], [0.0, 15.0, 0.0], [0.0, 0.0, 0.0]]]]


def test_the_padding_never_wins() -> None:
    x = plane([[-5.0, -1.0], [-2.0, -3.0]])
    y = tg.max_pool2d(x, 2, 2, 1)
    assert y.tolist() == [[[[-5.0, -1.0], [-2.0, -3.0]]]]
    y.sum().backward()
    assert x.grad.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]


@pytest.mark.parametrize("padding", [0, 1])
def test_a_window_of_minus_infinity_sends_its_gradient_to_the_first_pixel(padding: int) -> None:
    x = plane(np.full((2, 2), -INF))
    y = tg.max_pool2d(x, 2, 2, padding)
    assert np.all(y.data == -INF)
    y.backward(np.ones(y.shape))
    expected = [[1.0, 1.0], [1.0, 1.0]] if padding else [[1.0, 0.0], [0.0, 0.0]]
    assert x.grad.tolist() == [[expected]]


def test_nan_propagates_and_gets_the_gradient() -> None:
    x = plane([[1.0, NAN, 3.0, 4.0], [9.0, NAN, 2.0, INF]])
    y = tg.max_pool2d(x, 2)
    np.testing.assert_array_equal(y.data, [[[[NAN, INF]]]])
    y.backward(np.ones(y.shape))
    assert x.grad.tolist() == [[[[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]]]]
    np.testing.assert_array_equal(tg.avg_pool2d(x, 2).data, [[[[NAN, INF]]]])


def test_pixels_beyond_the_last_window_get_0() -> None:
    for operation in (tg.max_pool2d, tg.avg_pool2d):
        x = shuffled(1, 1, 5, 7)
        operation(x, 2).sum().backward()
        assert x.grad.data[0, 0, :4, :6].sum() == pytest.approx(6.0)
        assert not np.any(x.grad.data[0, 0, 4])
        assert not np.any(x.grad.data[0, 0, :, 6])


def test_the_zeros_of_the_border_count_in_the_mean() -> None:
    x = plane([[4.0]])
    y = tg.avg_pool2d(x, 2, 1, 1)
    assert y.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]
    y.sum().backward()
    assert x.grad.item() == 1.0


def test_an_empty_batch() -> None:
    for operation in (tg.max_pool2d, tg.avg_pool2d):
        x = shuffled(0, 3, 6, 7)
        y = operation(x, 2, 1, 1)
        assert y.shape == (0, 3, 7, 8)
        y.sum().backward()
        assert x.grad.shape == (0, 3, 6, 7)


def test_float32_stays_float32() -> None:
    x = plane(np.arange(16.0).reshape(4, 4))
    for y in (tg.max_pool2d(x, 2), tg.avg_pool2d(x, 3, 1, 1)):
        x.grad = None
        y.sum().backward()
        assert (str(y.dtype), str(x.grad.dtype)) == ("float32", "float32")


@pytest.mark.parametrize("operation", [tg.max_pool2d, tg.avg_pool2d], ids=["max", "avg"])
def test_second_derivatives(operation: Callable[..., Any]) -> None:
    x = shuffled(1, 2, 4, 5).data / 10
    assert check_grad(lambda x: operation(x * x * x, 3, 2, 1), [x], order=2).ok


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize(
    ("shape", "arguments", "error", "message"),
    [
        ((6, 7), (2,), ShapeError, r"expects an input \(N, C, H, W\) or \(C, H, W\), got shape \(6, 7\)"),
        ((2, 3, 6, 7), (8,), ShapeError, "kernel 8x8 is larger than its padded input 6x7"),
        ((2, 3, 0, 7), (1,), ShapeError, "input 0x7 holds no pixel"),
        ((2, 3, 6, 7), (0,), ArgumentError, "kernel_size must be at least 1, got 0"),
        ((2, 3, 6, 7), (2, 0), ArgumentError, "stride must be at least 1, got 0"),
        ((2, 3, 6, 7), (2, 2, -1), ArgumentError, "padding must be at least 0, got -1"),
        ((2, 3, 6, 7), (3, 1, 2), ArgumentError, "padding must be at most half the kernel, got padding 2 for kernel 3"),
        ((2, 3, 6, 7), (2.0,), ArgumentTypeError, "kernel_size expects an int or a pair of ints, got 2.0"),
        ((2, 3, 6, 7), ((1, 2, 3),), ArgumentError, "kernel_size expects an int or a pair of ints, got 3 numbers"),
    ],
    ids=["2-d", "too large", "no pixel", "kernel 0", "stride 0", "padding -1", "padding", "float", "three"],
)
def test_what_does_not_fit_is_refused(
    name: str, shape: Any, arguments: Any, error: type[TinygradCnnError], message: str
) -> None:
    with pytest.raises(error, match=f"^{name}: {message}"):
        getattr(tg, name)(tg.tensor(np.zeros(shape)), *arguments)


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_integers_are_refused(name: str) -> None:
    with pytest.raises(DTypeError, match=f"{name}: expects floating-point input, got int64"):
        getattr(tg, name)(tg.tensor(np.ones((1, 1, 2, 2), np.int64)), 2)
