"""Picking elements and putting them back, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_parity
from tinygrad_cnn.testing.strategies import arrays

torch: Any = pytest.importorskip("torch")

DTYPES = st.sampled_from([np.float64, np.float32])
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)


def integers(data: Any, shape: Any, low: int, high: int) -> Any:
    return np.random.default_rng(data.draw(st.integers(0, 999))).integers(low, high, shape)


@st.composite
def indexed(draw: Any, smaller: bool) -> tuple[Any, int, Any]:
    """(input, dim, an index of another size along it, and maybe of smaller sizes elsewhere)."""
    x = draw(arrays(SHAPES, values=draw(st.sampled_from(["any", "special"])), dtype=draw(DTYPES)))
    dim = draw(st.integers(0, x.ndim - 1))
    shape = [draw(st.integers(0, n)) if smaller else n for n in x.shape]
    shape[dim] = draw(st.integers(0, 5))
    return x, dim, np.random.default_rng(draw(st.integers(0, 999))).integers(0, x.shape[dim], shape)


@given(indexed(smaller=True))
def test_gather(drawn: Any) -> None:
    x, dim, index = drawn
    for along in (dim, dim - x.ndim):
        assert_parity("gather", tg.gather, torch.gather, [x, along, index])
    assert_parity("gather", lambda x, i: x.gather(dim, i), lambda x, i: x.gather(dim, i), [x, index], options="method")


@given(indexed(smaller=True), st.data())
def test_scatter_add(drawn: Any, data: Any) -> None:
    x, dim, index = drawn
    src = data.draw(arrays(index.shape, dtype=x.dtype))
    assert_parity("scatter_add", tg.scatter_add, torch.scatter_add, [x, dim, index, src])
    larger = data.draw(arrays(tuple(n + 1 for n in index.shape), dtype=x.dtype))  # PyTorch has no gradient for it
    assert_parity("scatter_add", tg.scatter_add, torch.scatter_add, [x, dim, index, larger], options="larger", order=0)


@given(indexed(smaller=False), st.data())
def test_take_along_dim(drawn: Any, data: Any) -> None:
    x, dim, index = drawn
    assert_parity("take_along_dim", tg.take_along_dim, torch.take_along_dim, [x, index, dim])
    copied = index[tuple(slice(None) if i == dim else slice(1) for i in range(x.ndim))]
    assert_parity("take_along_dim", tg.take_along_dim, torch.take_along_dim, [x, copied, dim], options="broadcast")
    flat = integers(data, (3,), 0, x.size)
    assert_parity("take_along_dim", tg.take_along_dim, torch.take_along_dim, [x, flat], options="flat")


@given(st.data())
def test_masks(data: Any) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3)).input_shapes
    dtype = data.draw(DTYPES)
    x, mask = data.draw(arrays(shapes[0], values="special", dtype=dtype)), np.asarray(data.draw(arrays(shapes[1])) > 0)
    value = np.asarray(data.draw(st.sampled_from([0.5, -np.inf])), dtype)
    assert_parity("masked_fill", tg.Tensor.masked_fill, torch.Tensor.masked_fill, [x, mask, value], options="tensor")
    assert_parity("masked_fill", tg.masked_fill, torch.masked_fill, [x, mask, -1.5], options="number")
    assert_parity("masked_select", tg.masked_select, torch.masked_select, [x, mask])


INDICES: dict[str, Any] = {
    "int": 1,
    "negative": (slice(None), -1),
    "slices": (slice(1, None), slice(None, 2)),
    "step": (slice(None), slice(0, 3, 2)),
    "ellipsis": (..., 0),
    "newaxis": (slice(None), None, 1),
    "list": [1, 0, 1],
    "array and slice": (slice(None), np.array([0, 0, 2])),
    "two arrays": (np.array([1, 1, 0]), np.array([2, 2, 0])),
    "arrays that broadcast": (np.array([[0], [1]]), np.array([2, 2])),
    "row mask": np.array([False, True]),
    "mask": np.arange(24).reshape(2, 3, 4) % 5 > 2,
}


def theirs(index: Any) -> Any:
    """The index with PyTorch's arrays."""
    if isinstance(index, tuple):
        return tuple(theirs(part) for part in index)
    return torch.from_numpy(index) if isinstance(index, np.ndarray) else index


@pytest.mark.parametrize("name", INDICES)
def test_indexing(name: str) -> None:
    x, index = np.random.default_rng(0).normal(size=(2, 3, 4)), INDICES[name]
    assert_parity("getitem", lambda x: x[index], lambda x: x[theirs(index)], [x], options=name)


@pytest.mark.parametrize("copied", [False, True], ids=["each its own", "copied"])
@pytest.mark.parametrize("name", [name for name in INDICES if name not in ("list", "two arrays", "array and slice")])
def test_indexed_assignment(name: str, copied: bool) -> None:
    if name == "arrays that broadcast":
        return  # places named twice: PyTorch leaves open which value stays
    generator, index = np.random.default_rng(0), INDICES[name]
    x = generator.normal(size=(2, 3, 4))
    picked = x[index].shape
    value = generator.normal(size=picked[1:] if copied else picked)

    def assign(x: Any, value: Any, index: Any) -> Any:
        y = x * x
        y[index] = value * value
        return y * y

    assert_parity(
        "setitem", lambda x, v: assign(x, v, index), lambda x, v: assign(x, v, theirs(index)), [x, value], options=name
    )


REFUSED: list[tuple[str, tuple[Any, ...]]] = [
    ("gather", (1, np.array([[3]]))),
    ("gather", (1, np.array([[-1]]))),
    ("gather", (1, np.array([0]))),
    ("gather", (1, np.array([[0.0]]))),
    ("gather", (1, np.zeros((3, 1), int))),
    ("gather", (2, np.zeros((2, 1), int))),
    ("take_along_dim", (np.array([1]), 1)),
    ("take_along_dim", (np.array([[0.0]]), 1)),
    ("take_along_dim", (np.zeros((3, 1), int), 1)),
    ("scatter_add", (1, np.array([[0, 1, 2, 0]]), np.ones((2, 3)))),
    ("scatter_add", (1, np.array([[0]]), np.ones((2, 3), np.float32))),
    ("scatter_add", (1, np.zeros((3, 1), int), np.ones((3, 4)))),
    ("scatter_add", (1, np.array([[7]]), np.ones((2, 3)))),
    ("masked_fill", (np.ones((2, 3)), 0.5)),
    ("masked_fill", (np.ones((2, 3), bool), np.ones(1))),
    ("masked_fill", (np.ones(2, bool), 0.5)),
    ("masked_select", (np.ones((2, 3), int),)),
    ("masked_select", (np.ones(2, bool),)),
]


@pytest.mark.parametrize(("name", "arguments"), REFUSED, ids=[f"{name}-{i}" for i, (name, _) in enumerate(REFUSED)])
def test_what_pytorch_refuses(name: str, arguments: Any) -> None:
    x = np.ones((2, 3))
    mine, other = (
        [make(part) if isinstance(part, np.ndarray) else part for part in (x, *arguments)]
        for make in (tg.tensor, torch.from_numpy)
    )
    assert_both_refuse(lambda: getattr(tg, name)(*mine), lambda: getattr(torch, name)(*other))


@pytest.mark.parametrize("index", [2, (0, 0, 0), np.array([0, 5]), np.array([True, False, True])], ids=repr)
def test_indices_beyond_are_refused(index: Any) -> None:
    x = np.ones((2, 3))
    assert_both_refuse(lambda: tg.tensor(x)[index], lambda: torch.from_numpy(x)[theirs(index)])
