"""Picking elements and putting them back.

Picking is linear, and its adjoint adds each cotangent at the place that its element came from; an element that was
picked several times collects several cotangents.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.dtypes import as_array
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, IndexOutOfRangeError, ShapeError
from tinygrad_cnn.ops.arithmetic import _add, _where
from tinygrad_cnn.ops.shapes import _reshape, broadcast_to, cast, dim_of, sum_to


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
    return x[_places(index, dim)]


@primitive
def _put_along_dim(g, index, dim, shape):
    """Zeros of `shape` with g added at `index` along `dim`: the adjoint of `take_along_dim`."""
    out = np.zeros(shape, g.dtype)
    np.add.at(out, _places(index, dim), g)
    return out


def _places(index, dim):
    """The index of every dimension: `index` along `dim`, its own position along the others."""
    places = list(np.ix_(*(np.arange(size) for size in index.shape)))
    places[dim] = index
    return tuple(places)


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
        raise IndexOutOfRangeError(f"getitem: {error}, for shape {input.shape}") from error


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
        raise IndexOutOfRangeError(f"setitem: {error}, for shape {input.shape}") from error
    except ValueError as error:
        raise ShapeError(f"setitem: {error}") from error


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Tensor:
    """`input[i, ..., indices[i, ..., k], ...]`: elements picked along `dim`; without it, both are flattened.

    The other dimensions broadcast. Gradient: g added where the elements came from.

    Raises: ShapeError where the other dimensions do not broadcast, ArgumentError where an index is out of range.
    """
    index = _integers("take_along_dim", indices)
    if dim is None:
        input, index, dim = _reshape(input, (math.prod(input.shape),)), index.reshape(-1), 0
    dim = dim_of("take_along_dim", dim, len(input.shape))
    _same_ndim("take_along_dim", input, index)
    others = [(*shape[:dim], *shape[dim + 1 :]) for shape in (input.shape, index.shape)]
    if others[0] != others[1]:
        try:
            common = np.broadcast_shapes(*others)
        except ValueError as error:
            raise ShapeError(
                f"take_along_dim: expects indices that broadcast against {input.shape} everywhere but along dim {dim}, "
                f"got {index.shape}"
            ) from error
        input = broadcast_to(input, (*common[:dim], input.shape[dim], *common[dim:]))
        index = np.broadcast_to(index, (*common[:dim], index.shape[dim], *common[dim:]))
    size = input.shape[dim]
    _refuse_beyond("take_along_dim", index, -size, size, dim)
    return _take_along_dim(input, index, dim)


def gather(input: Any, dim: int, index: Any) -> Tensor:
    """`input[i, ..., index[i, ..., k], ...]`: elements picked along `dim`. Gradient: g added where they came from.

    Raises: ShapeError where `index` is larger than `input` elsewhere than along `dim`, ArgumentError out of range.
    """
    dim, index = dim_of("gather", dim, len(input.shape)), _integers("gather", index)
    _refuse_larger("gather", index, "input", input, dim)
    _refuse_beyond("gather", index, 0, input.shape[dim], dim)
    return _take_along_dim(input, index, dim)


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """`input` with each `src[i, ..., k, ...]` added at `[i, ..., index[i, ..., k, ...], ...]`.

    Gradient: g to `input`; to `src` the elements of g picked at `index`.

    Raises: ShapeError where `index` is larger than `src`, or than `input` elsewhere than along `dim`; ArgumentError
    where an index is out of range; DTypeError where `src` has another dtype.
    """
    dim, index = dim_of("scatter_add", dim, len(input.shape)), _integers("scatter_add", index)
    _refuse_larger("scatter_add", index, "input", input, dim)
    _refuse_larger("scatter_add", index, "src", src)
    _refuse_beyond("scatter_add", index, 0, input.shape[dim], dim)
    if src.dtype != input.dtype:
        raise DTypeError(f"scatter_add: expects src of dtype {input.dtype}, as input, got {src.dtype}")
    used = _getitem(src, tuple(slice(size) for size in index.shape))
    return _add(input, _put_along_dim(used, index, dim, tuple(input.shape)))


def masked_fill(input: Any, mask: Any, value: Any) -> Tensor:
    """`input` with `value` wherever `mask` holds. Gradient: g to `input` elsewhere; to `value` the sum of the others.

    Raises: DTypeError where `mask` is not boolean or integers would have to hold a fraction, ShapeError where `value`
    has dimensions.
    """
    _refuse_no_mask("masked_fill", mask)
    if np.ndim(value.data if isinstance(value, Tensor) else value):
        raise ShapeError(f"masked_fill: expects one value, got shape {value.shape}; use where(mask, value, input)")
    if input.dtype.kind != "f" and as_array(value.data if isinstance(value, Tensor) else value).dtype.kind == "f":
        raise DTypeError(f"masked_fill: {input.dtype} cannot hold {value}; convert the input with .float()")
    return _where(value, input, mask)


def masked_select(input: Any, mask: Any) -> Tensor:
    """The elements where `mask` holds, in one dimension; the two broadcast. Gradient: g at their places.

    Raises: DTypeError where `mask` is not boolean, ShapeError where the shapes do not broadcast.
    """
    _refuse_no_mask("masked_select", mask)
    try:
        shape = np.broadcast_shapes(input.shape, mask.shape)
    except ValueError as error:
        raise ShapeError(f"masked_select: input {input.shape} and mask {mask.shape} do not broadcast") from error
    return _getitem(broadcast_to(input, shape), np.broadcast_to(_plain(mask), shape))


def _plain(index: Any) -> Any:
    """The index with arrays in place of Tensors and lists: copies, for the rule reads them later."""
    if isinstance(index, tuple):
        return tuple(_plain(part) for part in index)
    if isinstance(index, Tensor):
        return index.data.copy()
    if isinstance(index, np.ndarray):
        return index.copy()
    return np.asarray(index, np.intp if len(index) == 0 else None) if isinstance(index, list) else index


def _may_repeat(index: Any) -> bool:
    """Whether an element can be picked twice: only integer arrays can do that."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, np.ndarray) and part.dtype.kind in "iu" for part in parts)


def _integers(operation: str, index: Any) -> Any:
    """The index as an array of its own: the rule reads it later."""
    array = np.array(index.data if isinstance(index, Tensor) else index)
    if array.dtype.kind not in "iu":
        raise ArgumentTypeError(f"{operation}: expects integer indices, got {array.dtype}")
    return array


def _same_ndim(operation: str, input: Any, index: Any) -> None:
    if len(index.shape) != len(input.shape):
        raise ShapeError(
            f"{operation}: expects indices with the {len(input.shape)} dimensions of {input.shape}, got {index.shape}"
        )


def _refuse_larger(operation: str, index: Any, name: str, other: Any, dim: int | None = None) -> None:
    _same_ndim(operation, other, index)
    if any(i != dim and mine > size for i, (mine, size) in enumerate(zip(index.shape, other.shape, strict=True))):
        place = "" if dim is None else f" apart from dim {dim}"
        raise ShapeError(f"{operation}: index {index.shape} is larger than {name} {other.shape}{place}")


def _refuse_beyond(operation: str, index: Any, low: int, high: int, dim: int) -> None:
    if index.size and not (low <= index.min() and index.max() < high):
        raise IndexOutOfRangeError(
            f"{operation}: an index is out of range for dim {dim} of size {high}: "
            f"{index.min()} to {index.max()}, expected {low} to {high - 1}"
        )


def _refuse_no_mask(operation: str, mask: Any) -> None:
    if getattr(mask, "dtype", None) != np.bool_:
        found = getattr(mask, "dtype", type(mask).__name__)
        raise DTypeError(f"{operation}: expects a boolean mask, got {found}; compare first, as in x != 0")


register(getitem, setitem, take_along_dim, gather, scatter_add, masked_fill, masked_select)
