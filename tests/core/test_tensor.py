"""What a Tensor holds, and how it behaves as a Python object."""

from __future__ import annotations

import copy
import gc
import operator
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, GradientError, ShapeError


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


# ---- making one


def test_tensor_shares_the_array_and_tensor_function_copies_it() -> None:
    array = np.ones(3, np.float32)
    assert np.shares_memory(tg.Tensor(array).data, array)
    assert not np.shares_memory(tg.tensor(array).data, array)
    assert not np.shares_memory(tg.tensor(tg.Tensor(array)).data, array)


def test_tensor_of_a_result_does_not_share_what_the_graph_keeps() -> None:
    w = leaf(1.0, 2.0)
    y = w.exp()
    parameter = tg.Tensor(y, requires_grad=True)
    parameter.data -= 100.0
    y.sum().backward()
    np.testing.assert_allclose(w.grad.data, np.exp([1.0, 2.0]), rtol=1e-6)


@pytest.mark.parametrize("data", [1j, "text", None, [object()], np.array(["a"]), np.array("2020", "datetime64[Y]")])
def test_what_is_no_number_is_refused(data: Any) -> None:
    with pytest.raises(DTypeError, match="expects real numbers"):
        tg.Tensor(data)


@pytest.mark.parametrize("data", [[1, 2], [True, False], np.arange(3)])
def test_integers_and_booleans_have_no_gradient(data: Any) -> None:
    with pytest.raises(DTypeError, match=r"only floating-point .* \.float\(\)"):
        tg.tensor(data, requires_grad=True)


def test_a_list_of_recorded_tensors_would_cut_the_graph() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GradientError, match="cut the graph silently"):
        tg.tensor([x[0], x[1]])
    assert tg.tensor([tg.tensor(1.0), tg.tensor(2.0)]).tolist() == [1.0, 2.0]


def test_size_and_kind() -> None:
    x: Any = tg.tensor(np.zeros((2, 3), np.float64))
    assert (x.shape, x.ndim, x.numel(), len(x), x.dtype) == ((2, 3), 2, 6, 2, np.float64)
    assert (x.is_leaf, x.requires_grad, x.grad) == (True, False, None)


# ---- reading it


def test_numbers_come_out() -> None:
    one = tg.tensor([[2.5]], requires_grad=True)
    assert (one.item(), float(one), int(one), bool(one)) == (2.5, 2.5, 2, True)
    assert tg.tensor([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert f"{tg.tensor(2.0):.3f}" == "2.000"
    assert [10, 20, 30][tg.tensor(1)] == 20
    assert list(range(tg.tensor([2]))) == [0, 1]


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda x: x.item(), ShapeError, r"one element, got shape \(2,\)"),
        (float, ShapeError, "one element"),
        (bool, ShapeError, r"ambiguous; use \.any\(\) or \.all\(\)"),
        (operator.index, ArgumentTypeError, "one integer"),
        (lambda x: len(x[0]), ArgumentTypeError, "0-d"),
        (lambda x: iter(x[0]), ArgumentTypeError, "0-d"),
        (lambda x: f"{x:.2f}", TypeError, "unsupported format string"),
    ],
    ids=["item", "float", "bool", "index", "len", "iter", "format"],
)
def test_what_has_no_one_answer_is_refused(
    use: Callable[[tg.Tensor], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        use(leaf(1.0, 2.0))


def test_iteration_records() -> None:
    x = leaf(1.0, 2.0, 3.0)
    first, *rest = x
    (first * 2 + rest[1] * 3).backward()
    assert x.grad.tolist() == [2.0, 0.0, 3.0]


def test_repr_says_what_it_is() -> None:
    x = leaf(1.0)
    assert repr(x) == "tensor([1.], shape=(1,), dtype=float32, requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], shape=(1,), dtype=float32, op=mul)"
    assert repr(x.detach()) == f"{x.detach()}" == "tensor([1.], shape=(1,), dtype=float32)"
    assert len(repr(tg.tensor(np.zeros((100, 100))))) < 500


def test_tensors_are_keys_by_identity_and_compare_by_element() -> None:
    x, same = leaf(1.0, 2.0), leaf(1.0, 2.0)
    assert {x: "x", same: "same"}[x] == "x"
    assert (x == same).tolist() == [True, True]
    assert (x != same).tolist() == [False, False]


# ---- leaves, results, constants


def test_requires_grad_can_be_set_on_leaves_only() -> None:
    x = leaf(1.0)
    y = x * 2
    assert (x.is_leaf, y.is_leaf, y.requires_grad, y.grad) == (True, False, True, None)
    with pytest.raises(GradientError, match=r"use \.detach\(\)"):
        y.requires_grad = False
    assert x.requires_grad_(False) is x
    assert not (x * 2).requires_grad


def test_a_result_can_become_a_leaf_that_optimisers_edit() -> None:
    start = tg.tensor([1.0, 2.0])
    w = (start * 0.5).requires_grad_()
    w.data -= 0.5
    assert (w.tolist(), w.is_leaf) == ([0.0, 0.5], True)


def test_making_a_detached_result_a_leaf_leaves_the_graph_alone() -> None:
    x = leaf(1.0)
    y = x.exp()
    other = y.detach().requires_grad_()
    other.data -= 100.0
    y.backward()
    assert x.grad.item() == pytest.approx(np.e)


def test_detach_shares_memory_and_cuts_the_graph() -> None:
    x = leaf(2.0)
    y = x * 3
    assert np.shares_memory(y.detach().data, y.data)
    assert not y.detach().requires_grad
    (x * y.detach()).backward()
    assert x.grad.item() == 6.0  # y counts as the constant 6


def test_clone_copies_and_keeps_the_graph() -> None:
    x = leaf(2.0)
    y = x.clone()
    assert not np.shares_memory(x.data, y.data)
    y.backward()
    assert x.grad.item() == 1.0


def test_data_is_assignable_on_leaves_of_the_same_shape_only() -> None:
    x = leaf(1.0, 2.0)
    x.data = np.array([3.0, 4.0])
    assert (x.tolist(), x.dtype) == ([3.0, 4.0], np.float32)
    with pytest.raises(ShapeError, match=r"data: expects shape \(2,\), got \(3,\)"):
        x.data = np.ones(3)
    with pytest.raises(GradientError, match="assignable on leaves only"):
        (x * 2).data = np.ones(2)


def test_the_mend_that_the_message_names_works() -> None:
    copied = tg.tensor((leaf(1.0) * 2).detach())
    copied.data += 1.0
    assert copied.item() == 3.0


def test_grad_takes_only_what_fits() -> None:
    x = leaf(1.0, 2.0)
    x.grad = tg.tensor([5.0, 6.0])
    (x * 1.0).sum().backward()
    assert x.grad.tolist() == [6.0, 7.0]
    with pytest.raises(ShapeError, match="grad: expects float32"):
        x.grad = tg.tensor([1.0])
    with pytest.raises(ShapeError, match="grad: expects float32"):
        x.grad = tg.tensor(np.ones(2, np.float64))
    with pytest.raises(ArgumentTypeError, match="expects a Tensor or None, got a ndarray"):
        x.grad = np.ones(2, np.float32)
    with pytest.raises(GradientError, match="only a leaf"):
        (x * 2).grad = None
    x.grad = None
    assert x.grad is None


def test_a_cast_gives_the_gradient_back_in_the_old_dtype() -> None:
    x = leaf(1.0, 2.0)
    (x.double() * 3.0).sum().backward()
    assert (x.grad.tolist(), x.grad.dtype) == ([3.0, 3.0], np.float32)
    assert x.double().float().dtype == np.float32
    assert not x.to(np.int64).requires_grad  # integers are constants


def test_a_copied_leaf_has_a_gradient_of_its_own() -> None:
    x = leaf(1.0)
    twin = copy.deepcopy(x)
    (twin * 2).backward()
    assert (x.grad, twin.grad is not None) == (None, True)


def test_tensors_die_by_reference_counting() -> None:
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        watch = weakref.ref(x)
        x.sum().backward()
        del x
        assert watch() is None
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("x.T", [[1.0, 3.0], [-2.0, 4.0]]),
        ("x.transpose(0, 1)", [[1.0, 3.0], [-2.0, 4.0]]),
        ("x.permute(1, 0)", [[1.0, 3.0], [-2.0, 4.0]]),
        ("x.permute((1, 0))", [[1.0, 3.0], [-2.0, 4.0]]),
        ("x.reshape(4)", [1.0, -2.0, 3.0, 4.0]),
        ("x.reshape(np.int64(4))", [1.0, -2.0, 3.0, 4.0]),
        ("x.reshape(1, -1)", [[1.0, -2.0, 3.0, 4.0]]),
        ("x.reshape((4, 1)).flatten()", [1.0, -2.0, 3.0, 4.0]),
        ("x.abs()", [[1.0, 2.0], [3.0, 4.0]]),
        ("abs(x)", [[1.0, 2.0], [3.0, 4.0]]),
        ("-x", [[-1.0, 2.0], [-3.0, -4.0]]),
        ("+x", [[1.0, -2.0], [3.0, 4.0]]),
        ("x.relu()", [[1.0, 0.0], [3.0, 4.0]]),
        ("x.pow(2)", [[1.0, 4.0], [9.0, 16.0]]),
        ("2 - x", [[1.0, 4.0], [-1.0, -2.0]]),
        ("12 / x", [[12.0, -6.0], [4.0, 3.0]]),
        ("2**x", [[2.0, 0.25], [8.0, 16.0]]),
        ("x.maximum(0.5)", [[1.0, 0.5], [3.0, 4.0]]),
        ("x.minimum(2.0)", [[1.0, -2.0], [2.0, 2.0]]),
        ("x.sum(1)", [-1.0, 7.0]),
        ("x.sum(np.int64(1))", [-1.0, 7.0]),
        ("x.mean(0, keepdim=True)", [[2.0, 1.0]]),
        ("x.max()", 4.0),
        ("x.min()", -2.0),
        ("x.max(1).indices", [0, 1]),
        ("x.min(dim=0).values", [1.0, -2.0]),
        ("x.amax(0)", [3.0, 4.0]),
        ("x.amin((0, 1))", -2.0),
        ("x.argmax()", 3),
        ("x.argmax(1)", [0, 1]),
        ("(x > 2).any(1)", [False, True]),
        ("(x < 5).all()", True),
    ],
)
def test_methods_and_operators_are_the_operations_of_their_name(expression: str, expected: Any) -> None:
    x = tg.tensor([[1.0, -2.0], [3.0, 4.0]])
    assert eval(expression, {"x": x, "np": np}).tolist() == expected


@pytest.mark.parametrize(
    ("method", "function"),
    [
        (lambda x: x.exp(), np.exp),
        (lambda x: x.log(), np.log),
        (lambda x: x.sqrt(), np.sqrt),
        (lambda x: x.tanh(), np.tanh),
        (lambda x: x.sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (lambda x: x.softmax(0), lambda x: np.exp(x) / np.exp(x).sum(0)),
        (lambda x: x.log_softmax(dim=1), lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
    ],
    ids=["exp", "log", "sqrt", "tanh", "sigmoid", "softmax", "log_softmax"],
)
def test_smooth_methods_follow_their_formula(method: Callable[[tg.Tensor], tg.Tensor], function: Any) -> None:
    x = np.array([[0.5, 2.0], [1.0, 3.0]])
    np.testing.assert_allclose(method(tg.Tensor(x)).data, function(x), rtol=1e-12)
