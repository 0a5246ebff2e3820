"""`x[i] = v` gives the name x to a new value; what was recorded before keeps the old one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import GradientError, ShapeError


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def test_assignment_sends_gradients_to_both() -> None:
    x, v = leaf(1.0, 2.0, 3.0), leaf(5.0)
    y = x * 2
    y[1:2] = v
    assert y.tolist() == [2.0, 5.0, 6.0]
    (y * tg.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert (x.grad.tolist(), v.grad.tolist()) == ([2.0, 0.0, 200.0], [10.0])


def test_older_nodes_keep_the_older_values() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3
    square = y * y
    y[0] = 100.0
    assert square.tolist() == [9.0, 36.0]
    (square + y).sum().backward()  # 9 x^2, and 3 x where y was not assigned to
    assert x.grad.tolist() == [18.0, 36.0 + 3.0]


def test_a_constant_records_once_something_recorded_is_assigned() -> None:
    buffer, v = tg.tensor(np.zeros((2, 2), np.float32)), leaf(1.0, 2.0)
    before = buffer * v
    buffer[0] = v
    buffer[1] = v * 10
    assert buffer.requires_grad
    (buffer.sum() + before.sum()).backward()
    assert v.grad.tolist() == [11.0, 11.0]
    assert buffer.tolist() == [[1.0, 2.0], [10.0, 20.0]]


def test_the_array_that_came_in_is_not_written_to() -> None:
    array = np.zeros(3, np.float32)
    x = tg.Tensor(array)
    x[0] = 1.0
    assert (array.tolist(), x.tolist()) == ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    x.data += 1.0  # and x is still editable
    assert x.tolist() == [2.0, 1.0, 1.0]


def test_assigning_to_a_view_or_a_detached_tensor_leaves_the_base_alone() -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    detached, view = x.detach(), (x * 1)[0:1]
    detached[0] = 100.0
    view[0] = 100.0
    y.backward()
    assert (x.tolist(), x.grad.tolist()) == ([1.0, 2.0], [2.0, 4.0])


def test_a_leaf_is_refused_while_recording() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(GradientError, match=r"x is a leaf that requires a gradient.*y = x\.clone\(\); y\[i\] = v"):
        x[0] = 5.0
    assert x.tolist() == [1.0, 2.0]
    y = x.clone()
    y[0] = 5.0
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]


def test_a_leaf_may_change_inside_no_grad_and_stays_a_leaf() -> None:
    x = leaf(1.0, 2.0)
    edge = x._edge
    with tg.no_grad():
        x[0] = 5.0
    assert (x.tolist(), x.requires_grad, x.is_leaf, x._edge is edge) == ([5.0, 2.0], True, True, True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_result_assigned_to_inside_no_grad_becomes_a_constant() -> None:
    y = leaf(1.0, 2.0) * 2
    with tg.no_grad():
        y[0] = 5.0
    assert (y.tolist(), y.requires_grad) == ([5.0, 4.0], False)


def test_augmented_assignment() -> None:
    x = leaf(1.0, 2.0)
    y = x * 1
    y[0] += 10.0
    y[1] *= x[0]
    assert y.tolist() == [11.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [1.0 + 2.0, 1.0]


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        (0, (3,)),
        (0, ()),
        (0, (1, 3)),
        (0, (1, 1, 3)),
        (0, (1, 1)),
        (slice(None), (2, 1)),
        (slice(None), (1, 2, 3)),
        ((slice(None), 1), (2,)),
        ((slice(None), 1), (1,)),
        ([1, 0], (2, 3)),
        ([1, 0], (1, 3)),
        (np.array([[True, False, True], [False, False, True]]), (3,)),
        (np.array([[True, False, True], [False, False, True]]), ()),
        (Ellipsis, (2, 3)),
        ((0, slice(0, 0)), (0,)),
    ],
    ids=str,
)
def test_values_of_every_shape_that_numpy_takes(index: Any, shape: tuple[int, ...]) -> None:
    value: Any = tg.tensor(np.arange(1.0, 1 + int(np.prod(shape))).reshape(shape), requires_grad=True)
    x: Any = tg.tensor(np.zeros((2, 3)), requires_grad=True)
    expected = np.zeros((2, 3))
    expected[index] = value.data
    y = x.clone()
    y[index] = value
    np.testing.assert_array_equal(y.data, expected)
    weights = np.arange(1.0, 7.0).reshape(2, 3)
    (y * weights).sum().backward()
    mask = np.ones((2, 3))
    mask[index] = 0
    np.testing.assert_array_equal(x.grad.data, weights * mask)
    assert value.grad.shape == shape
    # the loss is linear in the value, and 0 at 0
    np.testing.assert_allclose((value.grad.data * value.data).sum(), (expected * weights).sum())


def test_the_last_of_repeated_assignments_gets_the_gradient() -> None:
    v = leaf(1.0, 2.0, 3.0)
    y = tg.tensor([0.0, 0.0])
    y[[0, 0, 1]] = v
    assert y.tolist() == [2.0, 3.0]
    y.sum().backward()
    assert v.grad.tolist() == [0.0, 1.0, 1.0]


def test_what_does_not_fit_is_refused() -> None:
    y = leaf(1.0, 2.0) * 1
    with pytest.raises(ShapeError, match="setitem: could not broadcast"):
        y[:] = leaf(1.0, 2.0, 3.0)
    with pytest.raises(IndexError, match="setitem: index 5 is out of bounds"):
        y[5] = 1.0
    assert y.tolist() == [1.0, 2.0]


def test_an_assigned_value_takes_the_dtype() -> None:
    v: Any = tg.tensor(np.array([5.0]), requires_grad=True)
    y = leaf(1.0, 2.0) * 1
    y[0:1] = v
    assert y.dtype == np.float32
    y.sum().backward()
    assert v.grad.dtype == np.float64
    counts = tg.tensor([1, 2])
    counts[0] = leaf(7.0)[0]
    assert (counts.tolist(), counts.requires_grad) == ([7, 2], False)
