"""Functions of one variable: values, kinks, overflow and the ends of the number line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_cnn as tg

FORMULAS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any], float]] = {
    # name: (ours, its formula, its derivative, the least x)
    "exp": (tg.exp, np.exp, np.exp, -20),
    "log": (tg.log, np.log, lambda x: 1 / x, 0.01),
    "sqrt": (tg.sqrt, np.sqrt, lambda x: 0.5 / np.sqrt(x), 0.01),
    "tanh": (tg.tanh, np.tanh, lambda x: 1 / np.cosh(x) ** 2, -20),
    "sigmoid": (tg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (2 + np.exp(x) + np.exp(-x)), -20),
    "abs": (tg.abs, np.abs, np.sign, -20),
    "relu": (tg.relu, lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float), -20),
}


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


@pytest.mark.parametrize("name", FORMULAS)
@given(data=st.data())
def test_values_and_derivatives_follow_the_formula(name: str, data: Any) -> None:
    ours, formula, derivative, least = FORMULAS[name]
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    x = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(least, 20)))
    t: Any = tg.tensor(x, requires_grad=True)
    y = ours(t)
    y.sum().backward()
    np.testing.assert_allclose(y.data, formula(x), rtol=1e-12)
    np.testing.assert_allclose(t.grad.data, derivative(x), rtol=1e-12, atol=1e-14)


def test_relu_and_abs_have_derivative_0_at_0() -> None:
    for operation in (tg.relu, tg.abs):
        x = leaf(0.0, -0.0)
        operation(x).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0]


def test_relu_keeps_nan_and_infinity() -> None:
    x = leaf(np.nan, np.inf, -np.inf)
    y = tg.relu(x)
    np.testing.assert_array_equal(y.data, [np.nan, np.inf, 0.0])
    y.sum().backward()
    assert x.grad.tolist()[1:] == [1.0, 0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_tanh_do_not_overflow(dtype: Any) -> None:
    for x in (np.array([-1e4, -90.0, 0.0, 90.0, 1e4, -np.inf, np.inf], dtype),):
        for operation, low, middle in ((tg.sigmoid, 0.0, 0.5), (tg.tanh, -1.0, 0.0)):
            t: Any = tg.tensor(x, requires_grad=True)
            y = operation(t)  # a warning would be an error here
            y.sum().backward()
            np.testing.assert_allclose(y.data, [low, low, middle, 1.0, 1.0, low, 1.0], atol=1e-30)
            assert y.dtype == dtype
            np.testing.assert_allclose(t.grad.data[[0, 4, 5, 6]], 0.0)
            assert t.grad.data[2] == 1.0 - 1.5 * middle


def test_sigmoid_is_exact_far_out() -> None:
    x = leaf(-80.0)
    y = tg.sigmoid(x)
    y.backward()
    assert y.item() == pytest.approx(np.exp(-80.0), rel=1e-5)
    assert x.grad.item() == pytest.approx(np.exp(-80.0), rel=1e-5)


def test_nan_stays_nan() -> None:
    for ours, *_ in FORMULAS.values():
        x = leaf(np.nan, 1.0)
        y = ours(x)
        y.sum().backward()
        assert np.isnan(y.data).tolist() == [True, False]
        assert np.isfinite(x.grad.data[1])


def test_the_ends_of_log_and_sqrt() -> None:
    x = leaf(0.0)
    with np.errstate(divide="ignore"):
        tg.log(x).backward()
        assert x.grad.item() == np.inf
        x.grad = None
        tg.sqrt(x).backward()
    assert x.grad.item() == np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(tg.log(leaf(-1.0)).item())
        assert np.isnan(tg.sqrt(leaf(-1.0)).item())
