"""Activations: the derivative at each kink, the ends of the number line, overflow, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError

ALL: dict[str, Any] = {
    "leaky_relu": tg.leaky_relu,
    "prelu": lambda x: tg.prelu(x, np.full(1, 0.25, x.dtype)),
    "elu": tg.elu,
    "gelu": tg.gelu,
    "gelu tanh": lambda x: tg.gelu(x, "tanh"),
    "silu": tg.silu,
    "softplus": tg.softplus,
    "hardswish": tg.hardswish,
    "logsigmoid": tg.logsigmoid,
}


def slope(operation: Any, *values: float) -> Any:
    x: Any = tg.tensor(list(values), requires_grad=True)
    operation(x).sum().backward()
    return x.grad.tolist()


def test_derivatives_at_the_kinks() -> None:
    assert slope(lambda x: tg.leaky_relu(x, 0.5), 0.0, -0.0) == [0.5, 0.5]
    assert slope(lambda x: tg.prelu(x, np.array([0.5], np.float32)), 0.0) == [0.5]
    assert slope(lambda x: tg.elu(x, 0.5), 0.0) == [0.5]
    assert slope(tg.hardswish, -3.0, 3.0) == [0.0, 1.0]
    assert slope(lambda x: tg.softplus(x, 1.0, 0.0), 0.0, 1e-6) == [0.5, 1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
def test_nothing_overflows_and_the_dtype_stays(operation: Any, dtype: Any) -> None:
    x: Any = tg.tensor(np.array([-1e4, -100.0, 100.0, 1e4], dtype), requires_grad=True)
    y = operation(x)  # a warning would be an error here
    first: Any = tg.grad(y.sum(), x, create_graph=True)[0]
    assert y.dtype == first.dtype == dtype
    assert np.isfinite(y.data).all()
    assert np.isfinite(first.data).all()
    if first.requires_grad:
        second: Any = tg.grad(first.sum(), x)[0]
        np.testing.assert_allclose(second.data, 0, atol=1e-40)


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
def test_zero_dimensions_and_nothing(operation: Any) -> None:
    x: Any = tg.tensor(0.5, requires_grad=True)
    operation(x).backward()
    assert x.grad.shape == ()
    assert operation(tg.tensor(np.ones((0, 3)))).shape == (0, 3)


def test_one_weight_for_each_channel() -> None:
    x: Any = tg.tensor([[[-1.0], [-2.0]], [[4.0], [-8.0]]], requires_grad=True)
    w: Any = tg.tensor([0.5, 0.25], requires_grad=True)
    y = tg.prelu(x, w)
    y.sum().backward()
    assert y.tolist() == [[[-0.5], [-0.5]], [[4.0], [-2.0]]]
    assert w.grad.tolist() == [-1.0, -10.0]
    assert x.grad.tolist() == [[[0.5], [0.25]], [[1.0], [0.25]]]


@pytest.mark.parametrize("operation", ALL.values(), ids=ALL)
def test_integers_are_refused(operation: Any) -> None:
    with pytest.raises(DTypeError, match=r": expects floating-point input, got int64; convert it with \.float\(\)"):
        operation(tg.tensor([1, 2]))


def test_refusals() -> None:
    x = tg.tensor(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"prelu: expects a weight of shape \(1,\) or \(3,\), got \(2,\)"):
        tg.prelu(x, np.ones(2))
    with pytest.raises(ArgumentError, match="gelu: approximate must be 'none' or 'tanh', got 'erf'"):
        tg.gelu(x, "erf")
    with pytest.raises(ArgumentError, match="softplus: beta must not be 0"):
        tg.softplus(x, 0)
