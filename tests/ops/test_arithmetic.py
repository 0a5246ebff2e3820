"""Arithmetic, powers, comparisons and choice: values, broadcasting, ties and edge cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError

Binary = Callable[[Any, Any], Any]

PAIRS: dict[str, tuple[Binary, Binary]] = {
    "add": (tg.add, np.add),
    "sub": (tg.sub, np.subtract),
    "mul": (tg.mul, np.multiply),
    "div": (tg.div, np.divide),
    "pow": (tg.pow, np.power),
    "maximum": (tg.maximum, np.maximum),
    "minimum": (tg.minimum, np.minimum),
}


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


# ---- values and broadcasting


@pytest.mark.parametrize("name", PAIRS)
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3), data=st.data())
def test_values_and_shapes_are_numpys(name: str, shapes: Any, data: Any) -> None:
    ours, numpys = PAIRS[name]
    values = st.floats(0.5, 4)
    a, b = (data.draw(hnp.arrays(np.float64, shape, elements=values)) for shape in shapes.input_shapes)
    x, w = tg.tensor(a, requires_grad=True), tg.tensor(b, requires_grad=True)
    y = ours(x, w)
    assert y.shape == shapes.result_shape
    np.testing.assert_array_equal(y.data, numpys(a, b))
    y.sum().backward()
    assert (x.grad.shape, w.grad.shape) == (a.shape, b.shape)  # type: ignore[union-attr]


def test_a_broadcast_input_gets_the_sum_over_its_copies() -> None:
    row, column, scalar = leaf(1.0, 2.0, 3.0), leaf(10.0, 20.0).reshape(2, 1), leaf(5.0)
    y = (row + column) * scalar
    gradients: Any = tg.grad(y.sum(), (row, column, scalar))
    assert [g.tolist() for g in gradients] == [[10.0] * 3, [[15.0]] * 2, [2 * 6.0 + 3 * 30.0]]


@pytest.mark.parametrize("name", [*PAIRS, "lt", "eq"])
def test_shapes_that_do_not_broadcast_are_named(name: str) -> None:
    a, b = tg.tensor(np.ones((2, 3), np.float32)), tg.tensor(np.ones((2,), np.float32))
    operations: dict[str, Binary] = {"lt": lambda a, b: a < b, "eq": lambda a, b: a == b}
    operation = operations.get(name) or PAIRS[name][0]
    with pytest.raises(ShapeError, match=rf"{name}: shapes do not .*: a float32 \(2, 3\), b float32 \(2,\)"):
        operation(a, b)
    with pytest.raises(ShapeError, match=f"{name}: shapes do not broadcast"):
        operation(np.ones((2, 3), np.float32), b)


def test_neg() -> None:
    x = leaf(1.0, -2.0)
    y = tg.neg(x)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([-1.0, 2.0], [-1.0, -1.0])


def test_zero_size() -> None:
    x: Any = tg.tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    (x * 2 + tg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.shape == (0, 3)
    w: Any = leaf(1.0, 2.0, 3.0)
    (x.detach() * w).sum().backward()
    assert w.grad.tolist() == [0.0, 0.0, 0.0]


# ---- division and infinities


def test_division_by_zero_follows_ieee() -> None:
    a, b = leaf(1.0, -1.0, 0.0), leaf(0.0, 0.0, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        y = a / b
        y.sum().backward()
    np.testing.assert_array_equal(y.data, [np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(a.grad.data, [np.inf, np.inf, np.inf])


def test_nan_stays_where_it_is() -> None:
    x = leaf(np.nan, 2.0)
    y = x * 3 + 1
    y.sum().backward()
    np.testing.assert_array_equal(y.data, [np.nan, 7.0])
    assert x.grad.tolist() == [3.0, 3.0]


# ---- power


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, 0.5, 2.5, -0.5])
@pytest.mark.parametrize(
    "wrap", [lambda b: b, np.float64, np.float32, np.array, tg.tensor], ids=["python", "f64", "f32", "array", "tensor"]
)
def test_powers_of_a_positive_base(wrap: Callable[[Any], Any], exponent: float) -> None:
    x = leaf(0.5, 2.0)
    y = x ** wrap(exponent)
    y.sum().backward()
    v = np.array([0.5, 2.0])
    np.testing.assert_allclose(y.data, v**exponent, rtol=1e-6)
    np.testing.assert_allclose(x.grad.data, exponent * v ** (exponent - 1), rtol=1e-6)
    assert (y.dtype, x.grad.dtype) == (np.dtype("float32"),) * 2


@pytest.mark.parametrize(
    ("base", "exponent", "gradient"),
    [
        (0.0, 0, 0.0),
        (0.0, 1, 1.0),
        (0.0, 2, 0.0),
        (-2.0, 0, 0.0),
        (-2.0, 1, 1.0),
        (-2.0, 2, -4.0),
        (-2.0, 3, 12.0),
        (-2.0, -1, -0.25),
        (-2.0, -2, 0.25),
        (0.0, 1.5, 0.0),
    ],
)
def test_powers_of_zero_and_of_negative_bases(base: float, exponent: float, gradient: float) -> None:
    for b in (exponent, tg.tensor([float(exponent)]), np.float64(exponent)):
        x = leaf(base)
        y = x**b
        y.backward()
        assert (y.item(), x.grad.item()) == (base**exponent, gradient)


def test_the_gradient_to_an_exponent() -> None:
    b = leaf(2.0, 3.0, -1.0)
    (2.0**b).sum().backward()
    np.testing.assert_allclose(b.grad.data, np.log(2) * 2.0**b.data, rtol=1e-6)
    b = leaf(2.0, 0.0, 1.0)
    (0.0**b).sum().backward()  # a^b log a tends to 0 for a -> 0
    assert b.grad.tolist() == [0.0, 0.0, 0.0]
    a, b = leaf(0.0, 3.0), leaf(2.0, 2.0)
    (a**b).sum().backward()
    np.testing.assert_allclose(a.grad.data, [0.0, 6.0])
    np.testing.assert_allclose(b.grad.data, [0.0, 9 * np.log(3)], rtol=1e-6)


def test_second_derivatives_of_powers_at_zero() -> None:
    for exponent, expected in ((2, 2.0), (3, 0.0), (1, 0.0), (0, 0.0)):
        x = leaf(0.0)
        first: Any = tg.grad(x**exponent, x, create_graph=True)[0]
        second: Any = tg.grad(first, x, allow_unused=True)[0] if first.requires_grad else None
        assert (0.0 if second is None else second.item()) == expected


# ---- the larger and the smaller


def test_ties_split_evenly() -> None:
    for operation in (tg.maximum, tg.minimum):
        a, b = leaf(1.0, 2.0), leaf(1.0, 2.0)
        operation(a, b).sum().backward()
        assert (a.grad.tolist(), b.grad.tolist()) == ([0.5, 0.5], [0.5, 0.5])


def test_the_winner_takes_it() -> None:
    a, b = leaf(1.0, 5.0, -np.inf), leaf(3.0, 2.0, 0.0)
    tg.maximum(a, b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([0.0, 1.0, 0.0], [1.0, 0.0, 1.0])
    a, b = leaf(1.0, 5.0), leaf(3.0, 2.0)
    tg.minimum(a, b).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([1.0, 0.0], [0.0, 1.0])


def test_nan_propagates_through_maximum_and_minimum() -> None:
    for operation in (tg.maximum, tg.minimum):
        y = operation(leaf(np.nan, 1.0, 1.0), tg.tensor([0.0, np.nan, 0.0]))
        assert np.isnan(y.data).tolist() == [True, True, False]


# ---- the chosen


@pytest.mark.parametrize(
    "condition", [[True, False, True], np.array([True, False, True]), tg.tensor([True, False, True])]
)
def test_where_chooses(condition: Any) -> None:
    a, b = leaf(1.0, 2.0, 3.0), leaf(10.0, 20.0, 30.0)
    y = tg.where(condition, a, b)
    y.backward([1.0, 10.0, 100.0])
    assert y.tolist() == [1.0, 20.0, 3.0]
    assert (a.grad.tolist(), b.grad.tolist()) == ([1.0, 0.0, 100.0], [0.0, 10.0, 0.0])


def test_a_condition_is_boolean() -> None:
    for condition in (1, [1, 0, 1], tg.tensor([1.0, 0.0, 1.0])):
        with pytest.raises(DTypeError, match=r"where: expects a boolean condition, got .*; compare first"):
            tg.where(condition, leaf(1.0), 0.0)


def test_what_the_inactive_branch_computes_does_not_reach_it() -> None:
    """1/x at 0 and log of a negative number give infinities and NaN, which 0 times would keep."""
    x = leaf(0.0, -1.0, 4.0)
    with np.errstate(all="ignore"):
        tg.where(x > 0, x, 0.0).sum().backward()
        assert x.grad.tolist() == [0.0, 0.0, 1.0]
        a, nan = leaf(1.0, 2.0), leaf(np.nan, np.inf)
        tg.where([True, True], a, nan).backward([np.inf, 1.0])
        np.testing.assert_array_equal(a.grad.data, [np.inf, 1.0])
        assert nan.grad.tolist() == [0.0, 0.0]


def test_a_guarded_operand_keeps_nan_out_of_the_gradient() -> None:
    a, b = leaf(3.0, 4.0), leaf(0.0, 2.0)
    safe = tg.where(b == 0, 1.0, b)
    tg.where(b == 0, a * 2, a / safe).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([2.0, 0.5], [0.0, -1.0])


def test_where_broadcasts_its_condition() -> None:
    a, b = leaf(1.0, 2.0), leaf(5.0)
    y = tg.where(np.array([[True], [False], [False]]), a, b)
    assert y.shape == (3, 2)
    y.sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([1.0, 1.0], [4.0])


# ---- comparisons


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_are_boolean_constants(operator: str) -> None:
    a, b = leaf(1.0, 2.0, np.nan), leaf(2.0, 2.0, np.nan)
    for right in (b, 2.0, np.float64(2), tg.tensor([2, 2, 2])):
        y = eval(f"a {operator} b", {"a": a, "b": right})
        expected = eval(f"a {operator} b", {"a": a.data, "b": right.data if isinstance(right, tg.Tensor) else right})
        assert (y.tolist(), y.dtype == bool, y.requires_grad) == (expected.tolist(), True, False)


# ---- clamping


def test_clamp_passes_its_cotangent_between_the_bounds_both_included() -> None:
    x = leaf(-2.0, -1.0, 0.5, 1.0, 2.0, np.nan, np.inf)
    y = tg.clamp(x, -1, 1)
    np.testing.assert_array_equal(y.data, np.array([-1.0, -1.0, 0.5, 1.0, 1.0, np.nan, 1.0], np.float32))
    y.backward(np.arange(1.0, 8.0, dtype=np.float32))
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0]


def test_clamp_gives_the_rest_to_the_bounds_that_were_taken() -> None:
    x, low, high = leaf(-2.0, 0.0, 2.0, 0.0), leaf(-1.0), leaf(1.0, 1.0, 1.0, -3.0)
    tg.clamp(x, low, high).backward(np.array([1.0, 10.0, 100.0, 1000.0], np.float32))
    assert (x.grad.tolist(), low.grad.tolist()) == ([0.0, 10.0, 0.0, 0.0], [1.0])
    assert high.grad.tolist() == [0.0, 0.0, 100.0, 1000.0]  # where the bounds cross, the upper one holds


def test_clamp_with_one_bound_or_none() -> None:
    x = tg.tensor([-1, 0, 300])
    assert (tg.clamp(x, min=0).tolist(), x.clip(max=7).tolist()) == ([0, 0, 300], [-1, 0, 7])
    assert (x.clamp(min=0).dtype, x.clamp(min=0.5).dtype) == (np.dtype(np.int64), np.dtype(np.float32))
    assert tg.clamp(leaf(-np.inf, 2.0), max=1).tolist() == [-np.inf, 1.0]
    with pytest.raises(ArgumentError, match="clamp: expects min, max or both, got neither"):
        tg.clamp(x)


@pytest.mark.parametrize("base", [0, 0.0, 2, 2.5, -1.5])
def test_a_constant_to_a_tensor_of_exponents(base: float) -> None:
    exponents = np.array([-1.0, 0.0, 2.0], np.float32)
    with np.errstate(all="ignore"):
        ours: Any = tg.tensor(exponents, requires_grad=True)
        (base**ours).sum().backward()
        other: Any = tg.tensor(exponents, requires_grad=True)
        (tg.tensor(np.full(3, base, np.float32)) ** other).sum().backward()
    np.testing.assert_allclose(ours.grad.data, other.grad.data, rtol=1e-6)
    assert ours.grad.dtype == np.float32


def test_comparisons_have_names() -> None:
    a, b = leaf(1.0, 2.0, 3.0), 2.0
    compared = [compare(a, b).tolist() for compare in (tg.lt, tg.le, tg.gt, tg.ge, tg.eq, tg.ne)]
    assert compared == [(operator).tolist() for operator in (a < b, a <= b, a > b, a >= b, a == b, a != b)]


def test_comparisons_are_made_in_the_dtype_of_arithmetic() -> None:
    x, tenth = tg.tensor([0.1]), np.array(0.1)
    assert x.numpy()[0] != tenth
    assert (x == tg.tensor(tenth)).item()
    assert (x == np.float64(0.1)).item()
    assert (x < tg.tensor(np.array([0.1]))).item() is False
    assert (x == tg.tensor(np.array([0.1]))).item() is False  # here float64 has dimensions, and counts
