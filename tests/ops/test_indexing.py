"""Picking elements: every kind of index that NumPy takes, repeated ones too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError

ARRAY = np.arange(24, dtype=np.float64).reshape(2, 3, 4)


def leaf(values: Any = ARRAY) -> Any:
    return tg.tensor(np.asarray(values, np.float64), requires_grad=True)


INDICES: dict[str, Any] = {
    "int": 1,
    "negative": -1,
    "np int": np.int64(1),
    "slice": slice(0, 1),
    "step": (slice(None), slice(None, None, -2)),
    "empty slice": slice(2, 2),
    "tuple": (1, 2, 3),
    "ellipsis": (..., 0),
    "newaxis": (slice(None), None, 1),
    "empty tuple": (),
    "list": [1, 0],
    "repeated": [0, 0, 1, 0],
    "negative repeats": [-1, 1, 1],
    "empty list": [],
    "array": np.array([[1, 1], [0, 1]]),
    "array and slice": (slice(None), [0, 0, 2]),
    "two arrays": ([1, 1, 0], [2, 2, 0]),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([2, 2])),
    "arrays apart": ([0, 1, 1], slice(None), [3, 3, 3]),
    "array and int": (1, [0, 0]),
    "mask": ARRAY > 10,
    "row mask": np.array([False, True]),
    "mask in the middle": (slice(None), np.array([True, False, True])),
    "mask and array": (np.array([True, True]), [0, 0]),
    "empty mask": np.zeros(2, bool),
    "True": True,
}


@pytest.mark.parametrize("name", INDICES)
def test_values_are_numpys_and_gradients_accumulate(name: str) -> None:
    index = INDICES[name]
    x = leaf()
    y = x[index]
    np.testing.assert_array_equal(y.data, ARRAY[index])
    weights = np.arange(1.0, y.numel() + 1).reshape(y.shape)
    y.backward(weights)
    expected = np.zeros_like(ARRAY)
    np.add.at(expected, index, weights)
    np.testing.assert_array_equal(x.grad.data, expected)


@pytest.mark.parametrize("name", ["repeated", "arrays apart", "mask", "negative", "array and slice"])
def test_second_derivatives_through_an_index(name: str) -> None:
    x = leaf()
    picked = x[INDICES[name]]
    slope: Any = tg.grad((picked**3).sum(), x, create_graph=True)[0]
    curvature: Any = tg.grad(slope.sum(), x)[0]
    counts = np.zeros_like(ARRAY)
    np.add.at(counts, INDICES[name], 1.0)
    np.testing.assert_allclose(curvature.data, 6 * ARRAY * counts)


def test_tensors_are_indices() -> None:
    x = leaf()
    assert x[tg.tensor(1)].tolist() == ARRAY[1].tolist()
    assert x[tg.tensor([1, 1])].tolist() == ARRAY[[1, 1]].tolist()
    assert x[:, tg.tensor([0, 2]), 1].tolist() == ARRAY[:, [0, 2], 1].tolist()
    assert x[x > 10].tolist() == ARRAY[ARRAY > 10].tolist()
    x[tg.tensor([0, 0])].sum().backward()
    assert x.grad.tolist() == [[[2.0] * 4] * 3, [[0.0] * 4] * 3]


def test_a_list_that_changes_later_does_not_matter() -> None:
    x, index = leaf(), [0, 1]
    y = x[index]
    index[0] = 1
    y.sum().backward()
    assert x.grad.tolist() == np.ones_like(ARRAY).tolist()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (2, r"getitem: index 2 is out of bounds for axis 0 with size 2, for shape \(2, 3, 4\)"),
        ((0, 0, 0, 0), "too many indices"),
        ([0, 5], "index 5 is out of bounds"),
        (np.zeros(3, bool), "boolean index did not match"),
        (1.5, "only integers"),
        (np.array([0.0]), "arrays used as indices must be of integer"),
    ],
    ids=["beyond", "too many", "in a list", "mask", "float", "float array"],
)
def test_an_index_that_does_not_fit_is_both_our_error_and_pythons(index: Any, message: str) -> None:
    for error in (ArgumentError, IndexError):
        with pytest.raises(error, match=message):
            leaf()[index]


def test_zero_size() -> None:
    x = leaf(np.zeros((0, 3)))
    x[:, 1].sum().backward()
    assert x.grad.shape == (0, 3)
    with pytest.raises(IndexError):
        x[0]


# ---- take_along_dim


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_take_along_dim_picks_and_accumulates(dim: int) -> None:
    shape = list(ARRAY.shape)
    shape[dim] = 5
    index = np.random.default_rng(0).integers(-ARRAY.shape[dim], ARRAY.shape[dim], shape)
    for indices in (index, tg.tensor(index)):
        x = leaf()
        y = tg.take_along_dim(x, indices, dim)
        np.testing.assert_array_equal(y.data, np.take_along_axis(ARRAY, index, dim))
        weights = np.arange(1.0, y.numel() + 1).reshape(y.shape)
        y.backward(weights)
        assert (x.grad.data * ARRAY).sum() == (y.data * weights).sum()


@pytest.mark.parametrize(
    ("indices", "dim", "error", "message"),
    [
        (np.zeros((2, 2, 4), int), 1, None, ""),
        (np.zeros((2, 1, 3), int), 1, ShapeError, r"expects indices of shape \(2, 1, 4\), got \(2, 1, 3\)"),
        (np.zeros(4, int), 0, ShapeError, r"expects indices of shape \(4, 3, 4\), got \(4,\)"),
        (np.full((2, 1, 4), 3), 1, ArgumentError, "an index is out of range for dim 1 of size 3"),
        (np.full((2, 1, 4), -4), 1, ArgumentError, "an index is out of range"),
        (np.zeros((2, 1, 4)), 1, ArgumentTypeError, "expects integer indices, got float64"),
        (np.zeros((2, 1, 4), int), 3, ArgumentError, "dim 3 is out of range"),
    ],
    ids=["fits", "other sizes", "dimensions", "beyond", "below", "floats", "dim"],
)
def test_take_along_dim_refuses_what_does_not_fit(
    indices: Any, dim: int, error: type[Exception] | None, message: str
) -> None:
    if error is None:
        tg.take_along_dim(leaf(), indices, dim)
        return
    with pytest.raises(error, match=f"take_along_dim: {message}"):
        tg.take_along_dim(leaf(), indices, dim)
