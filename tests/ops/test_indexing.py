"""Picking elements: every kind of index that NumPy takes, repeated ones too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError

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
        (np.zeros((2, 1, 3), int), 1, ShapeError, r"expects indices that broadcast against \(2, 3, 4\) .* dim 1, got"),
        (np.zeros(4, int), 0, ShapeError, r"expects indices with the 3 dimensions of \(2, 3, 4\), got \(4,\)"),
        (
            np.full((2, 1, 4), 3),
            1,
            ArgumentError,
            "an index is out of range for dim 1 of size 3: 3 to 3, expected -3 to",
        ),
        (np.full((2, 1, 4), -4), 1, ArgumentError, "an index is out of range"),
        (np.full(1, 24), None, ArgumentError, "an index is out of range for dim 0 of size 24"),
        (np.zeros((2, 1, 4)), 1, ArgumentTypeError, "expects integer indices, got float64"),
        (np.zeros((2, 1, 4), int), 3, ArgumentError, "dim 3 is out of range"),
    ],
    ids=["other sizes", "dimensions", "beyond", "below", "flat", "floats", "dim"],
)
def test_take_along_dim_refuses_what_does_not_fit(
    indices: Any, dim: int | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"take_along_dim: {message}"):
        tg.take_along_dim(leaf(), indices, dim)


def test_take_along_dim_broadcasts_the_other_dimensions() -> None:
    x = leaf()
    y = tg.take_along_dim(x, np.array([[[0], [2]]]), 1)
    np.testing.assert_array_equal(y.data, ARRAY[:, [0, 2]])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, np.ones((2, 3, 4)) * [[1.0], [0.0], [1.0]])
    assert tg.take_along_dim(x, np.array([5, -1])).tolist() == [5.0, 23.0]


# ---- gather, scatter_add


def test_gather_takes_a_corner_and_scatter_add_puts_it_back() -> None:
    x, index = leaf(), np.array([[[0, 3, 3]], [[1, 1, 1]]])
    y = x.gather(2, index)
    assert y.tolist() == [[[0.0, 3.0, 3.0]], [[13.0, 13.0, 13.0]]]
    weights = np.arange(1.0, 7.0).reshape(2, 1, 3)
    y.backward(weights)
    expected = tg.scatter_add(np.zeros_like(ARRAY), 2, index, weights)
    np.testing.assert_array_equal(x.grad.data, expected)
    assert expected[0, 0].tolist() == [1.0, 0.0, 0.0, 5.0]  # what comes twice adds up


def test_scatter_add_leaves_what_it_does_not_use() -> None:
    x, src = leaf(np.zeros((2, 3))), leaf(np.ones((2, 4)))
    tg.scatter_add(x, 1, tg.tensor([[2, 2]]), src).backward(np.arange(6.0).reshape(2, 3))
    assert (src.grad.tolist(), x.grad.tolist()) == (
        [[2.0, 2.0, 0.0, 0.0], [0.0] * 4],
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
    )


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("x.gather(1, np.array([[-1]]))", ArgumentError, "gather: an index is out of range for dim 1 of size 3: -1 to"),
        ("x.gather(1, np.array([[3]]))", IndexError, "gather: an index is out of range"),
        ("x.gather(0, np.array([0]))", ShapeError, r"gather: expects indices with the 2 dimensions of \(2, 3\), got"),
        (
            "x.gather(1, np.zeros((3, 1), int))",
            ShapeError,
            r"gather: index \(3, 1\) is larger than input \(2, 3\) apart",
        ),
        ("x.gather(1, x)", ArgumentTypeError, "gather: expects integer indices, got float64"),
        (
            "x.scatter_add(1, np.zeros((1, 4), int), x)",
            ShapeError,
            r"scatter_add: index .* is larger than src \(2, 3\)",
        ),
        ("x.scatter_add(1, np.array([[5]]), x)", ArgumentError, "scatter_add: an index is out of range"),
        ("x.scatter_add(1, np.array([[0]]), x.float())", DTypeError, "scatter_add: expects src of dtype float64"),
        ("x.masked_fill(x, 0.0)", DTypeError, "masked_fill: expects a boolean mask, got float64; compare first"),
        ("x.masked_fill(x > 0, x)", ShapeError, r"masked_fill: expects one value, got shape \(2, 3\); use where"),
        ("tg.tensor([1]).masked_fill(tg.tensor([True]), 0.5)", DTypeError, "masked_fill: int64 cannot hold 0.5"),
        ("x.masked_select(np.ones(3, int))", DTypeError, "masked_select: expects a boolean mask, got int64"),
        ("x.masked_select(np.ones(2, bool))", ShapeError, r"masked_select: input \(2, 3\) and mask \(2,\) do not"),
    ],
)
def test_what_does_not_fit_is_refused(expression: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        eval(expression, {"tg": tg, "np": np, "x": leaf(np.ones((2, 3)))})


# ---- masks


def test_masked_fill_and_masked_select_divide_the_cotangent() -> None:
    x, value = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf(9.0)
    y = x.masked_fill(tg.tensor([True, False]), value)
    assert y.tolist() == [[9.0, 2.0], [9.0, 4.0]]
    y.backward([[1.0, 2.0], [3.0, 4.0]])
    assert (x.grad.tolist(), value.grad.tolist()) == ([[0.0, 2.0], [0.0, 4.0]], 4.0)
    x.grad = None
    picked = x.masked_select(tg.tensor([[True], [False]]))
    picked.sum().backward()
    assert (picked.tolist(), x.grad.tolist()) == ([1.0, 2.0], [[1.0, 1.0], [0.0, 0.0]])


def test_masked_fill_keeps_the_dtype() -> None:
    x: Any = tg.tensor([1.0, 2.0])
    assert x.masked_fill(x > 1, np.float64(-np.inf)).dtype == np.float32
    assert x.masked_fill(x > 1, tg.tensor(np.array(0.5))).dtype == np.float32
    assert tg.tensor([1, 2]).masked_fill(tg.tensor([True, False]), 7).tolist() == [7, 2]
