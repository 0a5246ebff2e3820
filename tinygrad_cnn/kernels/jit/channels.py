"""Sums over everything but the channels, and over pixels alone."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.lanes import load, some, store, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS, channels_last, contiguous
from tinygrad_cnn.kernels.jit.microkernel import pointer
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.memory import empty

FEW = 2048  # elements, up to which NumPy takes less time than the call of a compiled function
GRAIN = 1 << 16  # elements worth a thread of its own
BLOCK = 1 << 12  # elements summed before the sum is added to the others: they stay in the first-level cache


def channel_sums(g: NDArray[Any]) -> NDArray[Any]:
    """As in `kernels.numpy`."""
    if g.dtype not in FLOATS or g.size == 0 or g.ndim not in (2, 4):
        return reference.channel_sums(g)
    C = g.shape[1]
    rows = (channels_last(g) if g.ndim == 4 else contiguous(g)).reshape(-1, C)
    grain = max(1, GRAIN // C)
    sums = empty((parts(len(rows), grain), C), g.dtype)
    run(_sum_rows, (rows, sums), len(rows), grain)
    total: NDArray[Any] = sums[0] if len(sums) == 1 else sums.sum(axis=0)
    return total


def pixel_sums(x: NDArray[Any]) -> NDArray[Any]:
    """As in `kernels.numpy`."""
    if x.dtype not in FLOATS or x.size <= FEW or x.flags.c_contiguous:  # NumPy's way where pixels are neighbours
        return reference.pixel_sums(x)
    N, C, H, W = x.shape
    sums = empty((N, C), x.dtype)
    run(_sum_images, (channels_last(x).reshape(N, H * W, C), sums), N, 1 + GRAIN // (C * H * W))
    return sums


@shared
def _sum_rows(rows, sums, part, start, stop):
    """sums[part] = the sum of the rows from `start` to `stop`."""
    C = rows.shape[1]
    _sum_lines(pointer(rows, 0), start, stop, C, pointer(sums, part * C))


@shared
def _sum_images(images, sums, part, start, stop):
    """images (N, P, C) -> sums (N, C)."""
    _, P, C = images.shape
    for n in range(start, stop):
        _sum_lines(pointer(images, n * P * C), 0, P, C, pointer(sums, n * C))


@inlined
def _sum_lines(x, start, stop, C, total):
    """total (C,) = the sum of the lines of C numbers from `start` to `stop`."""
    block = 8 + BLOCK // C
    for first in range(start, stop, block):
        last = min(first + block, stop)
        for c in range(0, C, width(x)):
            here = some(C - c, x)
            sum_ = sum_apart(x, first * C + c, C, last - first, here)
            if first != start:
                sum_ = sum_ + load(total, c, here)
            store(sum_, total, c, here)


@inlined
def sum_apart(x, at, step, count, here):
    """The sum of `count` vectors, `step` apart from x[at] on: by eights, which are added up in pairs of pairs."""
    total = load(x, at, some(0, x))
    while count >= 8:
        a = load(x, at, here) + load(x, at + step, here)
        b = load(x, at + 2 * step, here) + load(x, at + 3 * step, here)
        c = load(x, at + 4 * step, here) + load(x, at + 5 * step, here)
        d = load(x, at + 6 * step, here) + load(x, at + 7 * step, here)
        total = total + ((a + b) + (c + d))
        at += 8 * step
        count -= 8
    for _ in range(count):
        total = total + load(x, at, here)
        at += step
    return total
