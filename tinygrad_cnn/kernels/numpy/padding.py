"""A border around every image of a batch, and its removal."""

from __future__ import annotations

from typing import Any

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
