"""A border around every image of a batch, and its removal; and borders made of the image itself."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window


def pad(x: NDArray[Any], window: Window, value: float = 0.0) -> NDArray[Any]:
    """x itself where nothing is padded, else a copy of it with a border of `value`.

    Shapes: x (N, C, H, W) -> (N, C, *window.padded_size).
    """
    if not window.is_padded:
        return x
    shape = (*x.shape[:2], *window.padded_size)
    padded = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
    crop(padded, window)[...] = x
    return padded


def crop(padded: NDArray[Any], window: Window) -> NDArray[Any]:
    """The view of `padded` without its border: the adjoint of `pad` with zeros.

    Shapes: padded (N, C, *window.padded_size) -> (N, C, H, W).
    """
    (top, _), (left, _) = window.padding
    H, W = window.size
    return padded[..., top : top + H, left : left + W]


# ---- borders made of the array itself --------------------------------------------------------------------------------

Widths = tuple[tuple[int, int], ...]  # for each dimension, (before, after)

BORDERS: dict[str, Literal["reflect", "edge", "wrap"]] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad_around(x: NDArray[Any], widths: Widths, mode: str) -> NDArray[Any]:
    """x in a border of its own pixels: mirrored in the outermost, the outermost repeated, or from the other side.

    mode: 'reflect' (widths below the size), 'replicate' or 'circular' (widths up to the size).

    Example:
        >>> [pad_around(np.arange(4), ((2, 1),), mode).tolist() for mode in ("reflect", "replicate", "circular")]
        [[2, 1, 0, 1, 2, 3, 2], [0, 0, 0, 1, 2, 3, 3], [2, 3, 0, 1, 2, 3, 0]]
    """
    return np.pad(x, widths, mode=BORDERS[mode])


def fold_border(g: NDArray[Any], widths: Widths, mode: str) -> NDArray[Any]:
    """The adjoint of `pad_around`: g without its border, and the border added to the pixels that it was made of."""
    g = np.array(g)
    for axis, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        along = np.moveaxis(g, axis, 0)  # (before + size + after, ...)
        size = len(along) - before - after
        first, image, last = along[:before], along[before : before + size], along[before + size :]
        if mode == "reflect":
            image[1 : before + 1] += first[::-1]
            image[size - 1 - after : size - 1] += last[::-1]
        elif mode == "replicate":
            image[0] += first.sum(axis=0)
            image[-1] += last.sum(axis=0)
        else:
            image[size - before :] += first
            image[:after] += last
        g = np.moveaxis(image, 0, axis)
    return np.ascontiguousarray(g)
