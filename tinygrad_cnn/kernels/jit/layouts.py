"""The one form of arrays that compiled kernels take: contiguous, writeable, images channels-last.

Numba compiles anew for each memory layout, which takes seconds; copies into one form take microseconds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import run
from tinygrad_cnn.kernels.memory import empty

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))  # the dtypes that kernels are compiled for
GRAIN = 1 << 14  # elements worth a thread of its own
SQUARE = 16  # the side of the blocks in which a matrix is transposed: one line of the cache


def channels_last(x: NDArray[Any]) -> NDArray[Any]:
    """x (N, C, H, W) of any layout as (N, H, W, C), contiguous; x itself where its memory lies so."""
    N, C, H, W = x.shape
    images = x.transpose(0, 2, 3, 1)
    if images.flags.c_contiguous and images.flags.writeable:
        return images
    copy = empty(images.shape, x.dtype)
    if x.strides[2:] == (0, 0):  # one number for each channel, as in the gradient of a mean over pixels
        np.copyto(copy, images)
        return copy
    planes = contiguous(x)
    run(_transpose, (planes.reshape(N, C, H * W), copy.reshape(N, H * W, C)), N, 1 + GRAIN // (C * H * W))
    return copy


def contiguous(x: NDArray[Any]) -> NDArray[Any]:
    """x, or a copy of it where it is not contiguous or not writeable."""
    flags = x.flags
    return x if flags.c_contiguous and flags.writeable else np.array(x, order="C")


@shared
def _transpose(planes, copy, part, start, stop):
    """planes (N, C, P) -> copy (N, P, C)."""
    _, C, P = planes.shape
    for n in range(start, stop):
        for c0 in range(0, C, SQUARE):
            for p0 in range(0, P, SQUARE):
                for p in range(p0, min(p0 + SQUARE, P)):
                    for c in range(c0, min(c0 + SQUARE, C)):
                        copy[n, p, c] = planes[n, c, p]
