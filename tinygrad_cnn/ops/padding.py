"""Borders: of a constant, or of the array's own elements.

A border of one's own copies elements, so its adjoint adds the border to the elements that it was made of:

    reflect    X[-k] = X[k],   X[n - 1 + k] = X[n - 1 - k]        dJ/dx_p = g_p + the g of all the copies of x_p
    replicate  X[-k] = X[0],   X[n - 1 + k] = X[n - 1]
    circular   X[-k] = X[n - k],   X[n - 1 + k] = X[k - 1]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.ops.shapes import _crop, _pad, clone


@primitive
def _pad_around(x, widths, mode):
    return kernels.pad_around(x, widths, mode)


@primitive
def _fold_border(g, widths, mode):
    return kernels.fold_border(g, widths, mode)


_pad_around.defvjp(x=lambda g, widths, mode: _fold_border(g, widths, mode))
_fold_border.defvjp(g=lambda u, widths, mode: _pad_around(u, widths, mode))

# How much wider than the border an input must be; None: it need not be.
_SPARE = {"reflect": 1, "circular": 0, "replicate": None}


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """A border around the last dimensions.

    pad: widths in pixels, before and after, last dimension first: (left, right, top, bottom) for images. Negative ones
    crop (mode 'constant' only).
    mode: 'constant' (`value`, 0 by default), 'reflect' (mirrored in the outermost pixels), 'replicate' (the outermost
    pixels repeated) or 'circular' (what lies at the other side). All but 'constant' leave the batch and the channels
    alone: an input (N, C, L) takes two widths, (N, C, H, W) four, and either may lack N.

    Gradient: g without the border; in the other modes the border's g is added to the pixels that it was made of.

    Raises: ArgumentError where widths do not suit the input or the mode, ShapeError where they exceed it.

    Example:
        >>> pad(Tensor([[1.0]]), (1, 1, 0, 0), value=9.0).tolist()
        [[9.0, 1.0, 9.0]]
        >>> pad(Tensor([[1.0, 2.0, 3.0]]), (2, 0), mode="reflect").tolist()
        [[3.0, 2.0, 1.0, 2.0, 3.0]]
    """
    ndim = len(input.shape)
    pairs = _pairs(pad, ndim)
    if mode == "constant":
        return _constant(input, pairs, 0.0 if value is None else value)
    if mode not in _SPARE:
        raise ArgumentError(f"pad: mode must be 'constant', 'reflect', 'replicate' or 'circular', got {mode!r}")
    if value is not None:
        raise ArgumentError(f"pad: value goes with mode 'constant' only, got {value!r} with {mode!r}")
    if len(pairs) not in (1, 2, 3) or ndim - len(pairs) not in (1, 2):
        raise ArgumentError(
            f"pad: mode {mode!r} expects two widths for (N, C, L) or (C, L), four for (N, C, H, W) or (C, H, W), "
            f"got {tuple(pad)} for an input {input.shape}"
        )
    _check_border(input.shape[-len(pairs) :], pairs, mode)
    return _pad_around(input, ((0, 0),) * (ndim - len(pairs)) + pairs, mode)


def _pairs(pad: Sequence[int], ndim: int) -> tuple[tuple[int, int], ...]:
    """The widths (before, after) of the last dimensions, in the dimensions' order."""
    for width in pad:
        if isinstance(width, bool) or not isinstance(width, int | np.integer):
            raise ArgumentTypeError(f"pad: expects widths that are ints, got {tuple(pad)}")
    if len(pad) % 2 or len(pad) > 2 * ndim:
        raise ArgumentError(f"pad: expects a pair of widths for each of at most {ndim} dimensions, got {tuple(pad)}")
    return tuple((int(pad[i]), int(pad[i + 1])) for i in range(len(pad) - 2, -1, -2))


def _constant(input: Any, pairs: tuple[tuple[int, int], ...], value: float) -> Tensor:
    if input.dtype.kind != "f" and value != int(value if math.isfinite(value) else 0):
        raise DTypeError(f"pad: a border of {value} does not fit {input.dtype}; convert the input with .float()")
    if not pairs:
        return clone(input)
    widths = ((0, 0),) * (len(input.shape) - len(pairs)) + pairs
    crops = tuple((max(0, -before), max(0, -after)) for before, after in widths)
    if any(sum(crop) > size for size, crop in zip(input.shape, crops, strict=True)):
        raise ShapeError(f"pad: negative widths crop more than there is, got {pairs} for the end of {input.shape}")
    if any(map(any, crops)):
        input = _crop(input, crops)
    return _pad(input, tuple((max(0, before), max(0, after)) for before, after in widths), value)


def _check_border(sizes: tuple[int, ...], pairs: tuple[tuple[int, int], ...], mode: str) -> None:
    spare = _SPARE[mode]
    for size, pair in zip(sizes, pairs, strict=True):
        if min(pair) < 0:
            raise ArgumentError(f"pad: widths must not be negative with mode {mode!r}, got {pair}; crop by indexing")
        if size == 0 or (spare is not None and max(pair) + spare > size):
            limit = "at least 1 pixel" if spare is None else f"widths of at most {max(0, size - spare)}"
            raise ShapeError(f"pad: mode {mode!r} over a dimension of {size} expects {limit}, got {pair}")
