"""Picking elements and putting them back.

Picking is linear, and its adjoint adds each cotangent at the place that its element came from; an element that was
picked several times collects several cotangents.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.ops.shapes import _reshape, cast, dim_of, sum_to


@primitive(views=True)
def _getitem(x, index):
    return x[index]


@primitive
def _put(g, index, shape):
    """Zeros of `shape` with g added at `index`: the adjoint of `getitem`."""
    out = np.zeros(shape, g.dtype)
    if _may_repeat(index):
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


@primitive
def _setitem(x, value, index):
    out = np.array(x)
    out[index] = value
    return out


@primitive
def _survivors(value, index, shape):
    """Where an assigned value was not overwritten by a later one at the same place, as 1.0 and 0.0."""
    places = np.zeros(shape, np.intp)
    order = np.arange(places[index].size).reshape(places[index].shape)
    places[index] = order
    return (places[index] == order).astype(value.dtype)


@primitive
def _take_along_dim(x, index, dim):
    return np.take_along_axis(x, index, dim)


@primitive
def _put_along_dim(g, index, dim, shape):
    """Zeros of `shape` with g added at `index` along `dim`: the adjoint of `take_along_dim`."""
    places = list(np.ix_(*(np.arange(size) for size in index.shape)))
    places[dim] = index
    out = np.zeros(shape, g.dtype)
    np.add.at(out, tuple(places), g)
    return out


def _setitem_value_rule(g, value_shape, index, x_shape):
    picked = _getitem(g, index)
    if _may_repeat(index):
        picked = picked * _survivors(picked, index, x_shape)
    lead = (1,) * (len(value_shape) - len(picked.shape))  # NumPy assigns (1, 3) to a row of 3
    return sum_to(_reshape(picked, (*lead, *picked.shape)) if lead else picked, value_shape)


_getitem.defvjp(x=lambda g, index, x_shape: _put(g, index, x_shape))
_put.defvjp(g=lambda u, index: _getitem(u, index))
_setitem.defvjp(x=lambda g, index: _setitem(g, 0.0, index), value=_setitem_value_rule)
_take_along_dim.defvjp(x=lambda g, index, dim, x_shape: _put_along_dim(g, index, dim, x_shape))
_put_along_dim.defvjp(g=lambda u, index, dim: _take_along_dim(u, index, dim))


def getitem(input: Any, index: Any) -> Tensor:
    """`input[index]`: basic and advanced indexing as in NumPy. Gradient: g added at the places picked.

    Raises: ArgumentError where an index is out of range.
    """
    index = _plain(index)
    try:
        return _getitem(input, index)
    except IndexError as error:
        raise IndexOutOfRange(f"getitem: {error}, for shape {input.shape}") from error


def setitem(input: Any, value: Any, index: Any) -> Tensor:
    """A copy of `input` with `value` at `index`.

    Gradient: g to `input` except at `index`; g at `index` to `value`, summed over the axes along which it was copied.
    Where an index repeats, the last value stays, and only it gets a gradient.

    Raises: ShapeError where `value` does not fit.
    """
    index = _plain(index)
    if isinstance(value, Tensor) and value.dtype != input.dtype:
        value = cast(value, input.dtype)
    try:
        return _setitem(input, value, index)
    except IndexError as error:
        raise IndexOutOfRange(f"setitem: {error}, for shape {input.shape}") from error
    except ValueError as error:
        raise ShapeError(f"setitem: {error}") from error


def take_along_dim(input: Any, indices: Any, dim: int) -> Tensor:
    """`input[i, ..., indices[i, ..., k], ...]`: elements picked along `dim`. Gradient: g added where they came from.

    Raises: ShapeError where `indices` differs from `input` elsewhere than along `dim`, ArgumentError out of range.
    """
    index = indices.data if isinstance(indices, Tensor) else np.asarray(indices)
    dim = dim_of("take_along_dim", dim, len(input.shape))
    if index.dtype.kind not in "iu":
        raise ArgumentTypeError(f"take_along_dim: expects integer indices, got {index.dtype}")
    expected = (*input.shape[:dim], *index.shape[dim : dim + 1], *input.shape[dim + 1 :])
    if index.shape != expected:
        raise ShapeError(f"take_along_dim: expects indices of shape {expected}, got {index.shape}")
    size = input.shape[dim]
    if index.size and not (-size <= index.min() and index.max() < size):
        raise ArgumentError(f"take_along_dim: an index is out of range for dim {dim} of size {size}")
    return _take_along_dim(input, indices if isinstance(indices, Tensor) else index, dim)


class IndexOutOfRange(ArgumentError, IndexError):
    """An index beyond the size of its dimension; an IndexError, so that loops over a Tensor end as Python expects."""


def _plain(index: Any) -> Any:
    """The index with arrays in place of Tensors and lists."""
    if isinstance(index, tuple):
        return tuple(_plain(part) for part in index)
    if isinstance(index, Tensor):
        return index.data.copy()  # the rule reads it later, and the Tensor may be edited until then
    return np.asarray(index, np.intp if len(index) == 0 else None) if isinstance(index, list) else index


def _may_repeat(index: Any) -> bool:
    """Whether an element can be picked twice: only integer arrays can do that."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, np.ndarray) and part.dtype.kind in "iu" for part in parts)


register(getitem, setitem)
