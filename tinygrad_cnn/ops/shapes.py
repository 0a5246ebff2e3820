"""The same numbers in another arrangement: copies, casts, reshapes, permutations, broadcasts, joins and borders.

All are linear, and their rules come in pairs of adjoints: sum_to / broadcast_to, pad / crop, permute / its inverse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.dtypes import as_array, promoted
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError


@primitive(views=True)
def _alias(x):
    return x


@primitive
def _clone(x):
    return np.array(x)


@primitive
def _cast(x, dtype, source):
    return np.asarray(x).astype(dtype)


@primitive(views=True)
def _reshape(x, shape):
    return np.reshape(x, shape)


@primitive(views=True)
def _permute(x, dims):
    return np.transpose(x, dims)


@primitive(views=True)
def _broadcast_to(x, shape):
    return np.broadcast_to(x, shape)


@primitive
def _sum_to(x, shape):
    lead = tuple(range(x.ndim - len(shape)))
    copied = tuple(i for i, size in enumerate(shape, len(lead)) if size == 1 and x.shape[i] != 1)
    return np.reshape(np.sum(x, axis=lead + copied), shape)


@primitive
def _pad(x, widths, value):
    return np.pad(x, widths, constant_values=value)


@primitive(views=True)
def _crop(x, widths):
    return x[tuple(slice(before, size - after) for size, (before, after) in zip(x.shape, widths, strict=True))]


@primitive
def _cat(*xs, dim):
    return np.concatenate(xs, axis=dim)


@primitive
def _stack(*xs, dim):
    return np.stack(xs, axis=dim)


def _cat_rule(g, xs, dim):
    starts = np.cumsum([0, *(x.shape[dim] for x in xs)]).tolist()
    lead = (slice(None),) * (dim % g.ndim)
    return [g[(*lead, slice(start, stop))] for start, stop in pairwise(starts)]


def _stack_rule(g, xs, dim):
    lead = (slice(None),) * (dim % g.ndim)
    return [g[(*lead, i)] for i in range(len(xs))]


_alias.defvjp(x=lambda g: g)
_clone.defvjp(x=lambda g: g)
_cast.defvjp(x=lambda g, dtype, source: _cast(g, source, dtype))
_reshape.defvjp(x=lambda g, x_shape: _reshape(g, x_shape))
_permute.defvjp(x=lambda g, dims: _permute(g, tuple(np.argsort(dims).tolist())))
_broadcast_to.defvjp(x=lambda g, x_shape: _sum_to(g, x_shape))
_sum_to.defvjp(x=lambda g, x_shape: _broadcast_to(g, x_shape))
_pad.defvjp(x=lambda g, widths: _crop(g, widths))
_crop.defvjp(x=lambda g, widths: _pad(g, widths, 0.0))
_cat.defvjp(xs=_cat_rule)
_stack.defvjp(xs=_stack_rule)


def clone(input: Any) -> Tensor:
    """A copy. Gradient: g."""
    return _clone(input)


def cast(input: Any, dtype: DTypeLike) -> Tensor:
    """The values in another dtype. Gradient: g, cast back; integers and booleans are constants."""
    target = np.dtype(dtype)
    if target.kind != "f" and isinstance(input, Tensor):
        input = input.detach()
    return _cast(input, target, input.dtype)


def reshape(input: Any, shape: Sequence[int] | int) -> Tensor:
    """The elements, in row-major order, in another shape; one size may be -1. Gradient: g in the old shape.

    Raises: ShapeError where the number of elements differs.
    """
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    try:
        return _reshape(input, sizes)
    except ValueError as error:
        count = math.prod(input.shape)
        raise ShapeError(f"reshape: {input.shape} has {count} elements, which do not fit {sizes}") from error


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim`, both included, as one. Gradient: g in the old shape.

    Example:
        >>> flatten(Tensor(np.ones((2, 16, 4, 4))), 1).shape
        (2, 256)
    """
    ndim = len(input.shape)
    if ndim == 0:
        return reshape(input, (1,))
    first, last = dim_of("flatten", start_dim, ndim), dim_of("flatten", end_dim, ndim)
    if first > last:
        raise ArgumentError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(input.shape[first : last + 1])
    return _reshape(input, (*input.shape[:first], merged, *input.shape[last + 1 :]))


def permute(input: Any, dims: Sequence[int]) -> Tensor:
    """The dimensions in the order `dims`. Gradient: g in the inverse order.

    Raises: ArgumentError where `dims` is no permutation of the dimensions.
    """
    ndim = len(input.shape)
    order = tuple(dim_of("permute", dim, ndim) for dim in dims)
    if sorted(order) != list(range(ndim)):
        raise ArgumentError(f"permute: dims {tuple(dims)} is no permutation of the {ndim} dimensions of {input.shape}")
    return _permute(input, order)


def transpose(input: Any, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged. Gradient: g with the same two exchanged."""
    ndim = len(input.shape)
    order = list(range(ndim))
    a, b = dim_of("transpose", dim0, ndim), dim_of("transpose", dim1, ndim)
    order[a], order[b] = order[b], order[a]
    return _permute(input, tuple(order))


def broadcast_to(input: Any, shape: Sequence[int]) -> Tensor:
    """Copies of `input` along new dimensions and those of size 1. Gradient: the sum over the copies.

    Raises: ShapeError where `input` does not broadcast to `shape`.
    """
    try:
        return _broadcast_to(input, tuple(shape))
    except ValueError as error:
        raise ShapeError(f"broadcast_to: {input.shape} does not broadcast to {tuple(shape)}") from error


def sum_to(input: Any, shape: Sequence[int]) -> Tensor:
    """The sum over the axes along which `shape` would be broadcast to `input`'s. Gradient: g, broadcast back."""
    return input if input.shape == tuple(shape) else _sum_to(input, tuple(shape))


def cat(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """The tensors joined along an existing dimension. Gradient: to each its own slice of g.

    Raises: ShapeError where sizes differ elsewhere than along `dim`, ArgumentError where there are none.
    """
    arrays = _alike("cat", tensors)
    dim = dim_of("cat", dim, len(arrays[0].shape))
    rests = {(*array.shape[:dim], "*", *array.shape[dim + 1 :]) for array in arrays}
    if len(rests) > 1:
        shapes = ", ".join(str(tuple(array.shape)) for array in arrays)
        raise ShapeError(f"cat: sizes must agree everywhere but along dim {dim}, got {shapes}")
    return _cat(*arrays, dim=dim)


def stack(tensors: Sequence[Any], dim: int = 0) -> Tensor:
    """The tensors side by side along a new dimension. Gradient: to each its own slice of g.

    Raises: ShapeError where shapes differ, ArgumentError where there are none.
    """
    arrays = _alike("stack", tensors)
    if len({tuple(array.shape) for array in arrays}) > 1:
        shapes = ", ".join(str(tuple(array.shape)) for array in arrays)
        raise ShapeError(f"stack: expects tensors of one shape, got {shapes}")
    return _stack(*arrays, dim=dim_of("stack", dim, len(arrays[0].shape) + 1))


def dim_of(operation: str, dim: int, ndim: int) -> int:
    """The dimension counted from the front. Raises: ArgumentError where there is none of that number."""
    if not isinstance(dim, int | np.integer):
        raise ArgumentTypeError(f"{operation}: dim expects an int, got {dim!r}")
    if not -ndim <= dim < ndim:
        raise ArgumentError(f"{operation}: dim {dim} is out of range for {ndim} dimensions ({-ndim} to {ndim - 1})")
    return dim % ndim


def refuse_integers(operation: str, input: Any) -> None:
    """Raises: DTypeError where `input` is not of a floating-point dtype."""
    if input.dtype.kind != "f":
        raise DTypeError(f"{operation}: expects floating-point input, got {input.dtype}; convert it with .float()")


def _alike(operation: str, tensors: Sequence[Any]) -> list[Any]:
    """The tensors in their common dtype and with equally many dimensions."""
    if isinstance(tensors, Tensor | np.ndarray):
        raise ArgumentTypeError(f"{operation}: expects a list or tuple of tensors, got one of shape {tensors.shape}")
    arrays = [t if isinstance(t, Tensor) else as_array(t) for t in tensors]
    if not arrays:
        raise ArgumentError(f"{operation}: expects at least one tensor")
    if len({len(array.shape) for array in arrays}) > 1:
        shapes = ", ".join(str(tuple(array.shape)) for array in arrays)
        raise ShapeError(f"{operation}: expects tensors with equally many dimensions, got {shapes}")
    dtype = promoted([t.data if isinstance(t, Tensor) else t for t in tensors])
    return [array if array.dtype == dtype else cast(array, dtype) for array in arrays]


register(alias=_alias, clone=_clone)
register(cast, reshape, flatten, permute, transpose, broadcast_to, sum_to)
