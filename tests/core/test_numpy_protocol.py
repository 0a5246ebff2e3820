"""NumPy meets Tensors: its functions record, or refuse; none of them cuts the graph silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentTypeError, GradientError

ARRAY = np.array([2.0, 3.0, 4.0], np.float32)


def leaf() -> Any:
    return tg.tensor([1.0, 2.0, 4.0], requires_grad=True)


RECORDED = [
    *("a + x", "a - x", "a * x", "a / x", "a ** x", "a @ x"),
    *("np.float64(2) * x", "np.float32(2) - x", "np.int64(2) / x", "x * np.float64(2)", "x - np.array(2.0)"),
    *("np.add(a, x)", "np.subtract(a, x)", "np.multiply(x, a)", "np.divide(a, x)", "np.true_divide(x, a)"),
    *("np.power(a, x)", "np.maximum(a, x)", "np.minimum(a, x)", "np.matmul(a, x)", "np.add(x, x)"),
    *("np.exp(x)", "np.log(x)", "np.sqrt(x)", "np.tanh(x)", "np.negative(x)", "np.absolute(x)"),
]


@pytest.mark.parametrize("expression", RECORDED)
def test_ufuncs_record(expression: str) -> None:
    def operation(x: Any) -> Any:
        return eval(expression, {"np": np, "a": ARRAY, "x": x})

    x = leaf()
    y = operation(x)
    assert isinstance(y, tg.Tensor)
    assert y.requires_grad
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, operation(x.data), rtol=1e-6)
    y.sum().backward()
    v = x.data.astype(np.float64)
    numeric = [(np.sum(operation(v + d)) - np.sum(operation(v - d))) / 2e-6 for d in 1e-6 * np.eye(3)]
    np.testing.assert_allclose(x.grad.data, numeric, rtol=1e-4)


@pytest.mark.parametrize("comparison", [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal])
def test_comparisons_give_boolean_constants(comparison: Any) -> None:
    x = leaf()
    for y in (comparison(ARRAY, x), comparison(x, 2.0), comparison(x, x)):
        assert isinstance(y, tg.Tensor)
        assert (y.dtype == bool, y.requires_grad) == (True, False)
    assert comparison(ARRAY, x).tolist() == comparison(ARRAY, x.data).tolist()


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_comparison_operators_give_boolean_constants(operator: str) -> None:
    for expression in (f"a {operator} x", f"x {operator} a", f"2 {operator} x", f"x {operator} np.float64(2)"):
        y, expected = (eval(expression, {"np": np, "a": ARRAY, "x": x}) for x in (leaf(), leaf().data))
        assert isinstance(y, tg.Tensor)
        assert (y.dtype == bool, y.requires_grad) == (True, False)
        assert y.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: np.add(ARRAY, x, out=np.zeros(3)), r"np.add: a Tensor cannot be written into an array in place"),
        (lambda x: np.exp(x, out=np.zeros(3)), "np.exp: a Tensor cannot be written"),
        (lambda x: np.add(x, 1, where=np.array([True, False, True])), "np.add: not an operation on Tensors with where"),
        (lambda x: np.multiply(x, 2, dtype=np.float64), "np.multiply: not .* with dtype"),
        (lambda x: np.add.reduce(x), r"np.add.reduce: not an operation on Tensors; use x.detach\(\).numpy\(\)"),
        (lambda x: np.multiply.outer(x, x), "np.multiply.outer"),
        (lambda x: np.add.at(np.zeros(3), [0, 1, 2], x), r"np.add.at"),
        (np.isnan, "np.isnan: not an operation on Tensors"),
        (lambda x: ARRAY // x, "np.floor_divide"),
        (np.square, "np.square"),
    ],
    ids=["add out", "exp out", "where", "dtype", "reduce", "outer", "at", "isnan", "floor_divide", "square"],
)
def test_other_ufuncs_refuse(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        call(leaf())


def test_arrays_are_not_added_to_in_place() -> None:
    array = ARRAY.copy()
    with pytest.raises(ArgumentTypeError, match=r"write array = array \+ tensor"):
        array += leaf()
    np.testing.assert_array_equal(array, ARRAY)


def test_results_are_added_to_by_rebinding() -> None:
    x = leaf()
    y = z = x * 1
    y += ARRAY
    y *= 2
    assert y is not z
    assert z.tolist() == x.tolist() == [1.0, 2.0, 4.0]
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


# ---- functions of arrays


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "asarray": np.asarray,
    "array": np.array,
    "sum": np.sum,
    "mean": np.mean,
    "concatenate": lambda x: np.concatenate([x, x]),
    "stack": lambda x: np.stack((x, x)),
    "where": lambda x: np.where([True, False, True], x, 0.0),
    "argmax": np.argmax,
    "ones_like": np.ones_like,
    "allclose": lambda x: np.allclose(x, x),
    "linalg.norm": np.linalg.norm,
    "keyword": lambda x: np.sum(a=x),
    "assert_allclose": lambda x: np.testing.assert_allclose(x, [1.0, 2.0, 4.0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_refuse_what_is_recorded(name: str) -> None:
    for x in (leaf(), leaf() * 1):
        with pytest.raises(GradientError, match=r"would cut the graph silently; use x.detach\(\).numpy\(\), or x.data"):
            FUNCTIONS[name](x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_constants_as_arrays(name: str) -> None:
    x = leaf()
    for constant in (x.detach(), tg.tensor(x.data)):
        result = FUNCTIONS[name](constant)
        assert not isinstance(result, tg.Tensor)
        np.testing.assert_array_equal(result, FUNCTIONS[name](x.data))
    with tg.no_grad():
        np.testing.assert_array_equal(FUNCTIONS[name](x), FUNCTIONS[name](x.data))


def test_pairs_of_constants_are_taken_apart() -> None:
    pair = tg.tensor([[1.0, 3.0], [5.0, 2.0]]).max(dim=1)
    np.testing.assert_array_equal(np.stack(pair), [[3.0, 5.0], [1.0, 0.0]])


def test_assert_allclose_really_compares() -> None:
    with pytest.raises(AssertionError, match="Mismatched elements: 1 / 3"):
        np.testing.assert_allclose(leaf().detach(), [1.0, 2.0, 5.0])


def test_asarray_shares_memory_and_array_copies() -> None:
    constant = leaf().detach()
    assert np.shares_memory(np.asarray(constant), constant.data)
    assert np.shares_memory(constant.numpy(), constant.data)
    assert not np.shares_memory(np.array(constant), constant.data)
    assert np.asarray(constant, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copy"):
        np.asarray(constant, dtype=np.float64, copy=False)


def test_numpy_method_refuses_where_recorded() -> None:
    x = leaf()
    for tensor in (x, x * 2):
        with pytest.raises(GradientError, match="cut the graph"):
            tensor.numpy()
    with tg.no_grad():
        assert x.numpy() is x.data
    assert x.detach().numpy() is x.data


def test_arrays_are_not_filled_from_recorded_tensors() -> None:
    array = np.zeros(3)
    with pytest.raises(GradientError, match="cut the graph"):
        array[:] = leaf()
    array[:] = leaf().detach()
    assert array.tolist() == [1.0, 2.0, 4.0]


def test_integer_constants_index_arrays() -> None:
    assert ARRAY[tg.tensor([2, 0])].tolist() == [4.0, 2.0]
    assert ARRAY[tg.tensor(1)] == 3.0
    assert ARRAY[tg.tensor([True, False, True])].tolist() == [2.0, 4.0]
