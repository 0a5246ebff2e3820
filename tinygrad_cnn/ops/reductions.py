"""Sums, means and extremes over some or all dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.methods import Dims
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.ops.indexing import take_along_dim
from tinygrad_cnn.ops.shapes import _broadcast_to, _reshape, dim_of, refuse_integers

# Inside, `dims` is always a tuple of dimensions counted from the front.


def _total(x, dims, keepdim):
    if x.ndim == 4 and not keepdim and x.dtype.kind == "f":
        if dims == (0, 2, 3):
            return kernels.channel_sums(x)
        if dims == (2, 3):
            return kernels.pixel_sums(x)
    return np.sum(x, axis=dims, keepdims=keepdim, dtype=np.int64 if x.dtype.kind == "u" else None)


@primitive
def _sum(x, dims, keepdim):
    return _total(x, dims, keepdim)


@primitive
def _mean(x, dims, keepdim):
    return _total(x, dims, keepdim) / count(x.shape, dims)


@primitive
def _amax(x, dims, keepdim):
    return np.amax(x, axis=dims, keepdims=keepdim)


@primitive
def _amin(x, dims, keepdim):
    return np.amin(x, axis=dims, keepdims=keepdim)


@primitive
def _shares(x, extreme, dims):
    """The share of its extreme's cotangent that each element of x gets: 1 / (number of ties) at the extreme, else 0."""
    tied = (x == np.reshape(extreme, _kept_shape(x.shape, dims))) | (x != x)  # a NaN is the extreme of its slice
    return tied / tied.sum(axis=dims, keepdims=True, dtype=x.dtype)


@primitive
def _argmax(x, dim, keepdim):
    return np.argmax(x, axis=dim, keepdims=keepdim)


@primitive
def _argmin(x, dim, keepdim):
    return np.argmin(x, axis=dim, keepdims=keepdim)


@primitive
def _any(x, dims, keepdim):
    return np.any(x, axis=dims, keepdims=keepdim)


@primitive
def _all(x, dims, keepdim):
    return np.all(x, axis=dims, keepdims=keepdim)


def _kept_shape(shape, dims):
    return tuple(1 if i in dims else size for i, size in enumerate(shape))


def count(shape: Sequence[int], dims: Sequence[int]) -> int:
    """How many elements are reduced to one."""
    return math.prod(shape[i] for i in dims)


def _spread(g, shape, dims, keepdim):
    """Each cotangent copied to all elements that were reduced to it."""
    return _broadcast_to(g if keepdim else _reshape(g, _kept_shape(shape, dims)), shape)


def _mean_rule(g, x_shape, dims, keepdim):
    return _spread(g / count(x_shape, dims), x_shape, dims, keepdim)


def _extreme_rule(g, x, y, dims, keepdim):
    return _spread(g, x.shape, dims, keepdim) * _shares(x, y, dims)


_sum.defvjp(x=lambda g, x_shape, dims, keepdim: _spread(g, x_shape, dims, keepdim))
_mean.defvjp(x=_mean_rule)
_amax.defvjp(x=_extreme_rule)
_amin.defvjp(x=_extreme_rule)


class Extreme(NamedTuple):
    """What `max` and `min` give along a dimension."""

    values: Tensor
    indices: Tensor


def sum(input: Any, dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """The sum over `dim`, by default over everything. Gradient: g, copied to each summand.

    Raises: ArgumentError where a dimension does not exist or is given twice.
    """
    return _sum(input, dims_of("sum", dim, input), keepdim)


def mean(input: Any, dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """The mean over `dim`, by default over everything. Gradient: g / n, copied to each of the n elements.

    Raises: ArgumentError where a dimension does not exist, DTypeError for integers.
    """
    refuse_integers("mean", input)
    return _mean(input, dims_of("mean", dim, input), keepdim)


def amax(input: Any, dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """The largest element over `dim`. Gradient: g shared evenly among ties (a subgradient); NaN propagates."""
    return _amax(input, dims_of("amax", dim, input, empty=False), keepdim)


def amin(input: Any, dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """The smallest element over `dim`. Gradient: g shared evenly among ties (a subgradient); NaN propagates."""
    return _amin(input, dims_of("amin", dim, input, empty=False), keepdim)


def max(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The largest element, shared evenly among ties; along `dim` the pair (values, indices), g going to the first.

    Example:
        >>> max(Tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1).indices.tolist()
        [1, 0]
    """
    return amax(input) if dim is None else _along("max", input, dim, keepdim, _argmax)


def min(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest element, shared evenly among ties; along `dim` the pair (values, indices), g going to the first."""
    return amin(input) if dim is None else _along("min", input, dim, keepdim, _argmin)


def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the first largest element along `dim` (of the flattened input without it)."""
    return _argmax(input, _dim("argmax", dim, input), keepdim)


def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The index of the first smallest element along `dim` (of the flattened input without it)."""
    return _argmin(input, _dim("argmin", dim, input), keepdim)


def any(input: Any, dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """Whether any element over `dim` is true (not 0)."""
    return _any(input, dims_of("any", dim, input), keepdim)


def all(input: Any, dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """Whether all elements over `dim` are true (not 0)."""
    return _all(input, dims_of("all", dim, input), keepdim)


def _along(operation: str, input: Any, dim: int, keepdim: bool, arg: Any) -> Extreme:
    # The extreme along a dimension is a gathering at the position where it was found.
    if isinstance(dim, Tensor | np.ndarray):
        raise ArgumentTypeError(f"{operation}: dim must be an integer; the larger of two Tensors is maximum(a, b)")
    index = arg(input, _dim(operation, dim, input), True)
    if not len(input.shape):
        return Extreme(amax(input), index)
    values = take_along_dim(input, index, dim)
    if keepdim:
        return Extreme(values, index)
    shape = tuple(size for i, size in enumerate(values.shape) if i != dim % len(values.shape))
    return Extreme(_reshape(values, shape), _reshape(index, shape))


def _dim(operation: str, dim: int | None, input: Any) -> int | None:
    if dim is not None:
        dims = dims_of(operation, dim, input)
        dim = dims[0] if dims else None  # the one dimension that a 0-d Tensor is taken to have
    if math.prod(input.shape if dim is None else input.shape[dim : dim + 1]) == 0:
        raise ArgumentError(f"{operation}: nothing to choose from in shape {tuple(input.shape)}")
    return dim


def dims_of(
    operation: str, dim: Dims | Sequence[int], input: Any, empty: bool = True, everything: bool = True
) -> tuple[int, ...]:
    """The dimensions counted from the front; None, and () where `everything`, stand for all of them.

    A 0-d Tensor is taken to have one dimension, 0 or -1.

    Raises: ArgumentError where one does not exist or is named twice or, unless `empty`, where there are no elements.
    """
    ndim = len(input.shape)
    given = range(ndim) if dim is None else dim if isinstance(dim, Sequence) else (dim,)
    dims = tuple(dim_of(operation, d, ndim or 1) for d in given)
    if len(set(dims)) < len(dims):
        raise ArgumentError(f"{operation}: dim {tuple(given)} names a dimension twice")
    if not ndim:
        return ()
    dims = dims or (tuple(range(ndim)) if everything else ())
    if not empty and count(input.shape, dims) == 0:
        raise ArgumentError(f"{operation}: nothing to choose from over dim {dims} of shape {input.shape}")
    return dims


register(sum, mean, amax, amin, max, min, argmax, argmin, any, all)
