"""Borders: the modes, their refusals and their gradients. (Widths and constants: see the parity tests, too.)"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, TinygradCnnError
from tinygrad_cnn.testing import check_grad

NUMPY_MODES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_modes_are_those_of_numpy(mode: str) -> None:
    x = np.arange(24.0, dtype=np.float32).reshape(1, 2, 3, 4)
    y = tg.pad(tg.tensor(x), (3, 1, 2, 0), mode)
    np.testing.assert_array_equal(y.data, np.pad(x, ((0, 0), (0, 0), (2, 0), (3, 1)), mode=NUMPY_MODES[mode]))
    assert y.dtype == np.float32


@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_the_gradient_counts_the_copies(mode: str) -> None:
    x: Any = tg.tensor(np.zeros((1, 3, 4)), requires_grad=True)
    y = tg.pad(x, (3, 2), mode)
    y.sum().backward()
    places = np.pad(np.arange(4), (3, 2), mode=NUMPY_MODES[mode])
    assert x.grad.tolist() == [[np.bincount(places, minlength=4).tolist()] * 3]


@pytest.mark.parametrize("mode", NUMPY_MODES)
def test_second_derivatives(mode: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 3))
    assert check_grad(lambda x: tg.pad(x * x, (2, 1, 1, 2), mode) ** 2, [x], order=2).ok


def test_an_empty_batch() -> None:
    x: Any = tg.tensor(np.zeros((0, 2, 3, 4)), requires_grad=True)
    y = tg.pad(x, (1, 1, 1, 1), "reflect")
    assert y.shape == (0, 2, 5, 6)
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_negative_widths_crop() -> None:
    x: Any = tg.tensor(np.arange(4.0), requires_grad=True)
    y = tg.pad(x, (-1, 2), value=9.0)
    assert y.tolist() == [1.0, 2.0, 3.0, 9.0, 9.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("pad", "options", "error", "message"),
    [
        ((1, 1), {"mode": "edge"}, ArgumentError, "mode must be 'constant', 'reflect', 'replicate' or 'circular'"),
        ((1, 1), {"mode": "reflect", "value": 1.0}, ArgumentError, "value goes with mode 'constant' only"),
        ((4, 0), {"mode": "reflect"}, ShapeError, r"over a dimension of 4 expects widths of at most 3, got \(4, 0\)"),
        ((0, 5), {"mode": "circular"}, ShapeError, r"over a dimension of 4 expects widths of at most 4, got \(0, 5\)"),
        ((-1, 1), {"mode": "replicate"}, ArgumentError, "widths must not be negative with mode 'replicate'"),
        ((1,) * 6, {"mode": "circular"}, ArgumentError, "mode 'circular' expects two widths"),
        ((-3, -2), {}, ShapeError, "negative widths crop more than there is"),
        ((1.5, 1), {}, ArgumentTypeError, "expects widths that are ints"),
        ((1,), {}, ArgumentError, "expects a pair of widths for each of at most 3 dimensions"),
    ],
    ids=str,
)
def test_refusals(pad: Any, options: dict[str, Any], error: type[TinygradCnnError], message: str) -> None:
    with pytest.raises(error, match=f"^pad: .*{message}"):
        tg.pad(tg.tensor(np.zeros((2, 3, 4))), pad, **options)


@pytest.mark.parametrize("value", [0.5, float("inf"), float("nan")])
def test_a_border_that_integers_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(DTypeError, match="does not fit int64"):
        tg.pad(tg.tensor([1, 2]), (1, 1), value=value)
    assert tg.pad(tg.tensor([1, 2]), (1, 0), value=3.0).tolist() == [3, 1, 2]
