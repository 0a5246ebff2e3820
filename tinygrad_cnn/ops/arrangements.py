"""Dimensions added, dropped and copied; elements reversed, rolled and cut off; a Tensor divided into parts.

All are linear. Most are views or rearrangements written in `reshape`, `permute`, `broadcast_to` and slices, which know
their own adjoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.ops.indexing import _getitem
from tinygrad_cnn.ops.shapes import _broadcast_to, _reshape, dim_of


@primitive(views=True)
def _flip(x, dims):
    return np.flip(x, dims)


@primitive
def _roll(x, shifts, dims):
    return np.roll(x, shifts, dims)


@primitive
def _tril(x, diagonal):
    return np.tril(x, diagonal)


@primitive
def _triu(x, diagonal):
    return np.triu(x, diagonal)


_flip.defvjp(x=lambda g, dims: _flip(g, dims))
_roll.defvjp(x=lambda g, shifts, dims: _roll(g, tuple(-shift for shift in shifts), dims))
_tril.defvjp(x=lambda g, diagonal: _tril(g, diagonal))
_triu.defvjp(x=lambda g, diagonal: _triu(g, diagonal))

# ---- dimensions


def squeeze(input: Any, dim: int | Sequence[int] | None = None) -> Tensor:
    """Without those dimensions of size 1 that `dim` names, by default without any. Gradient: g in the old shape.

    Raises: ArgumentError where a dimension does not exist or is named twice.
    """
    ndim = len(input.shape)
    dims = _distinct("squeeze", range(ndim) if dim is None else dim, ndim or 1)
    return _reshape(input, tuple(size for i, size in enumerate(input.shape) if size != 1 or i not in dims))


def unsqueeze(input: Any, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`. Gradient: g in the old shape.

    Raises: ArgumentError where `dim` is out of range.
    """
    place = dim_of("unsqueeze", dim, len(input.shape) + 1)
    return _reshape(input, (*input.shape[:place], 1, *input.shape[place:]))


def expand(input: Any, sizes: Sequence[int]) -> Tensor:
    """Copies along new leading dimensions and those of size 1, as a view; -1 keeps a size. Gradient: the sum of them.

    Raises: ShapeError where the sizes do not fit.
    """
    lead = len(sizes) - len(input.shape)
    shape = tuple(input.shape[i - lead] if size == -1 and i >= lead else size for i, size in enumerate(sizes))
    if (
        lead < 0
        or min(shape, default=0) < 0
        or any(old not in (1, new) for old, new in zip(input.shape, shape[lead:], strict=True))
    ):
        raise ShapeError(
            f"expand: {input.shape} does not expand to {tuple(sizes)}; only new leading dimensions and sizes of 1 do"
        )
    return _broadcast_to(input, shape)


def repeat(input: Any, repeats: Sequence[int]) -> Tensor:
    """The whole Tensor `repeats[i]` times along dimension i, new dimensions in front. Gradient: the sum of the copies.

    Raises: ShapeError where there are fewer numbers than dimensions, or one is negative.
    """
    lead = len(repeats) - len(input.shape)
    if lead < 0 or min(repeats, default=0) < 0:
        raise ShapeError(
            f"repeat: expects a number >= 0 for each of the dimensions of {input.shape}, got {tuple(repeats)}"
        )
    sizes = (*(1,) * lead, *input.shape)
    split = _reshape(input, tuple(part for size in sizes for part in (1, size)))  # (a, b) -> (1, a, 1, b)
    pairs = zip(repeats, sizes, strict=True)
    copies = _broadcast_to(split, tuple(part for pair in pairs for part in pair))  # (r, a, s, b)
    return _reshape(copies, tuple(times * size for times, size in zip(repeats, sizes, strict=True)))


# ---- elements


def flip(input: Any, dims: Sequence[int]) -> Tensor:
    """In reverse order along `dims`. Gradient: g, reversed.

    Raises: ArgumentError where a dimension does not exist or is named twice.
    """
    if not isinstance(dims, Sequence):
        raise ArgumentTypeError(f"flip: dims expects a tuple of ints, got {dims!r}")
    return _flip(input, _distinct("flip", dims, len(input.shape) or 1) if input.shape else ())


def roll(input: Any, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """Moved by `shifts` along `dims`, what leaves at one end entering at the other; without `dims`, as if flattened.

    Gradient: g, moved back.

    Raises: ArgumentError where a dimension does not exist, or where there is not one shift for each.
    """
    shifts = tuple(shifts) if isinstance(shifts, Sequence) else (shifts,)
    if dims is None:
        if len(shifts) != 1:
            raise ArgumentError(f"roll: expects one shift where dims is not given, got {shifts}")
        return _reshape(_roll(_reshape(input, (math.prod(input.shape),)), shifts, (0,)), input.shape)
    along = tuple(dim_of("roll", dim, len(input.shape)) for dim in (dims if isinstance(dims, Sequence) else (dims,)))
    if len(along) != len(shifts):
        raise ArgumentError(f"roll: expects a shift for each dimension, got shifts {shifts} for dims {along}")
    return _roll(input, shifts, along)


def tril(input: Any, diagonal: int = 0) -> Tensor:
    """The lower triangles of matrices (..., M, N), up to and with `diagonal`; zeros above. Gradient: likewise of g.

    Raises: ShapeError where there are fewer than two dimensions.
    """
    return _tril(input, _diagonal("tril", input, diagonal))


def triu(input: Any, diagonal: int = 0) -> Tensor:
    """The upper triangles of matrices (..., M, N), from `diagonal` on; zeros below. Gradient: likewise of g.

    Raises: ShapeError where there are fewer than two dimensions.
    """
    return _triu(input, _diagonal("triu", input, diagonal))


# ---- parts


def split(tensor: Any, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts along `dim`, as views: of one size (the last may be smaller), or of the sizes given.

    Gradient: the parts' cotangents, joined.

    Raises: ArgumentError where a size is negative, or the sizes do not add up.

    Example:
        >>> [part.tolist() for part in split(Tensor([1, 2, 3]), 2)]
        [[1, 2], [3]]
    """
    dim = dim_of("split", dim, len(tensor.shape))
    length, sizes = tensor.shape[dim], split_size_or_sections
    if not isinstance(sizes, Sequence):
        if sizes < 0 or (sizes == 0 and length):
            raise ArgumentError(f"split: expects a positive size of the parts, got {sizes}")
        full, rest = divmod(length, sizes or 1)
        sizes = [sizes] * full + [rest] * (rest > 0 or not full)
    if min(sizes, default=0) < 0 or sum(sizes) != length:
        raise ArgumentError(f"split: expects sizes that add up to {length}, the size of dim {dim}, got {tuple(sizes)}")
    lead = (slice(None),) * dim
    return tuple(
        _getitem(tensor, (*lead, slice(stop - size, stop))) for size, stop in zip(sizes, accumulate(sizes), strict=True)
    )


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal size along `dim` (the last may be smaller), as views. Gradient: as of `split`.

    Raises: ArgumentError where `chunks` is not positive.
    """
    if chunks < 1:
        raise ArgumentError(f"chunk: expects at least one chunk, got {chunks}")
    dim = dim_of("chunk", dim, len(input.shape))
    length = input.shape[dim]
    return split(input, -(-length // chunks) if length else [0] * chunks, dim)


def _distinct(operation: str, dims: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    found = tuple(dim_of(operation, dim, ndim) for dim in (dims if isinstance(dims, Sequence) else (dims,)))
    if len(set(found)) < len(found):
        raise ArgumentError(f"{operation}: {dims} names a dimension twice")
    return found


def _diagonal(operation: str, input: Any, diagonal: int) -> int:
    if len(input.shape) < 2:
        raise ShapeError(f"{operation}: expects matrices (..., M, N), got shape {input.shape}")
    if not isinstance(diagonal, int | np.integer):
        raise ArgumentTypeError(f"{operation}: diagonal expects an int, got {diagonal!r}")
    return int(diagonal)


register(squeeze, unsqueeze, expand, repeat, flip, roll, tril, triu, split, chunk)
