"""Pooling of channels-last images: one vector of neighbouring channels at a time, each pixel once.

The formulas are those of `kernels.numpy.pooling`. Threads take rows of outputs (of inputs, in the gradient of a mean),
counted through the batch: no two of them write the same number, so that no result depends on how many there are. The
scatter alone takes whole images, in which windows may meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Pair, Window
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.channels import sum_apart
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.lanes import load, select, some, spread, store, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS, channels_last
from tinygrad_cnn.kernels.jit.microkernel import moved, pointer
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import run
from tinygrad_cnn.kernels.jit.windows import inside
from tinygrad_cnn.kernels.memory import empty_images

GRAIN = 1 << 18  # taps worth a thread of its own

Array = NDArray[Any]
Positions = NDArray[np.int32]
Taps = NDArray[np.uint8]
Divisor = int | NDArray[np.intp] | None


def _runs(x: Array) -> bool:
    """Whether the kernels here are compiled for x: floats, and not empty."""
    return x.dtype in FLOATS and x.size > 0


def _grain(rows: int, taps: int) -> int:
    """How many of the rows, which read `taps` numbers in all, are worth a thread of its own."""
    return max(1, rows * GRAIN // taps)


def _numbers(window: Window) -> tuple[int, ...]:
    """Kernel, stride, dilation, and the padding before the first row and column."""
    (top, _), (left, _) = window.padding
    return *window.kernel, *window.stride, *window.dilation, top, left


# ---- maximum ---------------------------------------------------------------------------------------------------------


def max_pool2d(x: Array, window: Window) -> tuple[Array, Positions]:
    """As in `kernels.numpy`."""
    if not _runs(x):
        return reference.max_pool2d(x, window)
    N, C = x.shape[:2]
    y = empty_images(N, C, window.output_size, x.dtype)
    index = empty_images(N, C, window.output_size, np.int32)
    rows = N * window.output_size[0]
    arguments = channels_last(x), y.transpose(0, 2, 3, 1), index.transpose(0, 2, 3, 1), *_numbers(window)
    run(_maxima, arguments, rows, _grain(rows, y.size * window.kernel[0] * window.kernel[1]))
    return y, index


def max_pool2d_gather(x: Array, index: Positions) -> Array:
    """As in `kernels.numpy`."""
    if not _runs(x) or index.dtype != np.int32 or index.size == 0:
        return reference.max_pool2d_gather(x, index)
    N, C, OH, OW = index.shape
    y = empty_images(N, C, (OH, OW), x.dtype)
    run(_gather, (channels_last(x), channels_last(index), y.transpose(0, 2, 3, 1)), N, _grain(N, 3 * y.size))
    return y


def max_pool2d_scatter(g: Array, index: Positions, size: Pair) -> Array:
    """As in `kernels.numpy`."""
    if not _runs(g) or index.dtype != np.int32:
        return reference.max_pool2d_scatter(g, index, size)
    N, C = g.shape[:2]
    gx = empty_images(N, C, size, g.dtype)
    run(
        _scatter, (channels_last(g), channels_last(index), gx.transpose(0, 2, 3, 1)), N, _grain(N, gx.size + 4 * g.size)
    )
    return gx


@shared
def _maxima(x, y, index, KH, KW, SH, SW, DH, DW, top, left, part, start, stop):
    """Rows of y (N, OH, OW, C) and index, from start to stop."""
    _, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    X, Y, I = pointer(x, 0), pointer(y, 0), pointer(index, 0)
    for row in range(start, stop):
        n, i = row // OH, row % OH
        p = i * SH - top
        k0, k1 = inside(p, KH, DH, H)
        image = moved(X, n * H * W * C)
        for j in range(OW):
            q = j * SW - left
            l0, l1 = inside(q, KW, DW, W)
            for c in range(0, C, width(X)):
                here = some(C - c, X)
                if k1 - k0 == 2 and l1 - l0 == 2:  # numbers instead of names: LLVM writes out the loops over the taps
                    best, position = _maximum(moved(image, c), W, C, p + k0 * DH, q + l0 * DW, 2, 2, DH, DW, here)
                else:
                    best, position = _maximum(
                        moved(image, c), W, C, p + k0 * DH, q + l0 * DW, k1 - k0, l1 - l0, DH, DW, here
                    )
                at = (row * OW + j) * C + c
                store(best, Y, at, here)
                store(position, I, at, here)


@inlined
def _maximum(x, W, C, p, q, KH, KW, DH, DW, here):
    """The first maximum, and its position, of the KH x KW taps from pixel (p, q) on."""
    best = load(x, (p * W + q) * C, here)
    position = spread(np.int32(p * W + q), here)
    for k in range(KH):
        for l in range(KW):
            tap = (p + k * DH) * W + q + l * DW
            rival = load(x, tap * C, here)
            wins = (rival > best) | (rival != rival)
            best = select(wins, rival, best)
            position = select(wins, spread(np.int32(tap), here), position)
    return best, position


@shared
def _gather(x, index, y, part, start, stop):
    """Images of y from start to stop."""
    pixels, C = x.shape[1] * x.shape[2], x.shape[3]
    outputs = y.shape[1] * y.shape[2]
    X, Y, I = pointer(x, 0), pointer(y, 0), pointer(index, 0)
    for pixel in range(start * outputs, stop * outputs):
        image = pixel // outputs * pixels
        for c in range(C):
            Y[pixel * C + c] = X[(image + I[pixel * C + c]) * C + c]


@shared
def _scatter(g, index, gx, part, start, stop):
    """Images of gx from start to stop."""
    pixels, C = gx.shape[1] * gx.shape[2], gx.shape[3]
    outputs = g.shape[1] * g.shape[2]
    G, X, I = pointer(g, 0), pointer(gx, 0), pointer(index, 0)
    for n in range(start, stop):
        _clear(X, n * pixels * C, pixels * C)
        for pixel in range(n * outputs, (n + 1) * outputs):
            for c in range(C):
                X[(n * pixels + I[pixel * C + c]) * C + c] += G[pixel * C + c]


# ---- mean ------------------------------------------------------------------------------------------------------------


def avg_pool2d(x: Array, window: Window, divisor: Divisor = None) -> Array:
    """As in `kernels.numpy`."""
    if not _runs(x):
        return reference.avg_pool2d(x, window, divisor)
    y = empty_images(len(x), x.shape[1], window.output_size, x.dtype)
    rows = len(x) * window.output_size[0]
    arguments = channels_last(x), y.transpose(0, 2, 3, 1), _divisors(divisor, window, x.dtype), *_numbers(window)
    run(_means, arguments, rows, _grain(rows, y.size * window.kernel[0] * window.kernel[1]))
    return y


def avg_pool2d_input_grad(g: Array, window: Window, divisor: Divisor = None) -> Array:
    """As in `kernels.numpy`."""
    if not _runs(g):
        return reference.avg_pool2d_input_grad(g, window, divisor)
    gx = empty_images(len(g), g.shape[1], window.size, g.dtype)
    arrays = channels_last(g), gx.transpose(0, 2, 3, 1), _divisors(divisor, window, g.dtype)
    taps = g.size * window.kernel[0] * window.kernel[1]
    if window.stride == window.kernel and window.dilation == (1, 1) and not window.is_padded:
        rows = len(g) * window.output_size[0]
        run(_tiles, (*arrays, *window.kernel), rows, _grain(rows, taps))
    else:
        rows = len(g) * window.size[0]
        run(_means_grad, (*arrays, *_numbers(window)), rows, _grain(rows, taps))
    return gx


def _divisors(divisor: Divisor, window: Window, dtype: np.dtype[Any]) -> Array:
    """One for all windows, or one for each of them, as a vector."""
    if divisor is None:
        divisor = window.kernel[0] * window.kernel[1]
    return np.array(divisor, dtype).reshape(-1)


@shared
def _means(x, y, divisors, KH, KW, SH, SW, DH, DW, top, left, part, start, stop):
    """Rows of y (N, OH, OW, C), from start to stop; each row of a window is summed by itself."""
    _, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    X, Y = pointer(x, 0), pointer(y, 0)
    for row in range(start, stop):
        n, i = row // OH, row % OH
        k0, k1 = inside(i * SH - top, KH, DH, H)
        for j in range(OW):
            l0, l1 = inside(j * SW - left, KW, DW, W)
            divisor = divisors[i * OW + j if len(divisors) > 1 else 0]
            for c in range(0, C, width(X)):
                here = some(C - c, X)
                total = spread(x.dtype.type(0), here)
                for k in range(k0, k1):
                    first = (n * H + i * SH - top + k * DH) * W + j * SW - left + l0 * DW
                    total = total + sum_apart(X, first * C + c, DW * C, l1 - l0, here)
                store(total / spread(divisor, here), Y, (row * OW + j) * C + c, here)


@shared
def _means_grad(g, gx, divisors, KH, KW, SH, SW, DH, DW, top, left, part, start, stop):
    """Rows of gx (N, H, W, C), from start to stop."""
    _, H, W, C = gx.shape
    _, OH, OW, _ = g.shape
    G, X = pointer(g, 0), pointer(gx, 0)
    for row in range(start, stop):
        n, p = row // H, row % H
        _clear(X, row * W * C, W * C)
        for k in range(KH):
            i = (p + top - k * DH) // SH
            if i < 0 or i >= OH or i * SH != p + top - k * DH:
                continue
            for j in range(OW):
                l0, l1 = inside(j * SW - left, KW, DW, W)
                divisor = divisors[i * OW + j if len(divisors) > 1 else 0]
                for c in range(0, C, width(X)):
                    here = some(C - c, X)
                    share = load(G, ((n * OH + i) * OW + j) * C + c, here) / spread(divisor, here)
                    for l in range(l0, l1):
                        at = (row * W + j * SW - left + l * DW) * C + c
                        store(load(X, at, here) + share, X, at, here)


@shared
def _tiles(g, gx, divisors, KH, KW, part, start, stop):
    """The pixels of gx (N, H, W, C) in the windows, side by side, of the rows of g from start to stop."""
    _, H, W, C = gx.shape
    _, OH, OW, _ = g.shape
    G, X = pointer(g, 0), pointer(gx, 0)
    for row in range(start, stop):
        n, i = row // OH, row % OH
        target = moved(X, (n * H + i * KH) * W * C)
        for j in range(OW):
            divisor = divisors[i * OW + j if len(divisors) > 1 else 0]
            for c in range(0, C, width(X)):
                here = some(C - c, X)
                share = load(G, (row * OW + j) * C + c, here) / spread(divisor, here)
                for k in range(KH):
                    for l in range(KW):
                        store(share, target, (k * W + j * KW + l) * C + c, here)
        _clear_unread(target, i == OH - 1, H - i * KH, W, C, KH, OW * KW)


# ---- relu, then the maximum of windows side by side ------------------------------------------------------------------


def relu_max_pool2d(x: Array, pool: Window) -> tuple[Array, Taps]:
    """As in `kernels.numpy`."""
    if not _runs(x):
        return reference.relu_max_pool2d(x, pool)
    N, C = x.shape[:2]
    y = empty_images(N, C, pool.output_size, x.dtype)
    taps = empty_images(N, C, pool.output_size, np.uint8)
    rows = N * pool.output_size[0]
    arguments = channels_last(x), y.transpose(0, 2, 3, 1), taps.transpose(0, 2, 3, 1), *pool.kernel
    run(_relu_maxima, arguments, rows, _grain(rows, x.size))
    return y, taps


def relu_max_pool2d_grad(g: Array, y: Array, taps: Taps, pool: Window) -> Array:
    """As in `kernels.numpy`."""
    if not _runs(g):
        return reference.relu_max_pool2d_grad(g, y, taps, pool)
    gx = empty_images(len(g), g.shape[1], pool.size, g.dtype)
    rows = len(g) * g.shape[2]
    arguments = *(channels_last(a) for a in (g, y, taps)), gx.transpose(0, 2, 3, 1), *pool.kernel
    run(_relu_maxima_grad, arguments, rows, _grain(rows, gx.size))
    return gx


@shared
def _relu_maxima(x, y, taps, KH, KW, part, start, stop):
    """Rows of y (N, OH, OW, C) and taps, from start to stop."""
    _, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    X, Y, T = pointer(x, 0), pointer(y, 0), pointer(taps, 0)
    for row in range(start, stop):
        n, i = row // OH, row % OH
        source, target = moved(X, (n * H + i * KH) * W * C), row * OW * C
        if KH == 2 and KW == 2:  # numbers instead of names: LLVM writes out the loops over the taps
            relu_maxima_row(source, W * C, moved(Y, target), moved(T, target), OW, C, C, 2, 2)
        else:
            relu_maxima_row(source, W * C, moved(Y, target), moved(T, target), OW, C, C, KH, KW)


@inlined
def relu_maxima_row(x, x_row, y, taps, OW, C, y_pixel, KH, KW):
    """A row of y and taps, OW pixels of C channels, y_pixel apart, from KH rows of x (OW KW, C), x_row apart."""
    for j in range(OW):
        for c in range(0, C, width(x)):
            here = some(C - c, x)
            corner = j * KW * C + c
            best = load(x, corner, here)
            tap = spread(np.uint8(0), here)
            for k in range(KH):
                for l in range(KW):
                    rival = load(x, corner + k * x_row + l * C, here)
                    wins = (rival > best) | (rival != rival)
                    best = select(wins, rival, best)
                    tap = select(wins, spread(np.uint8(k * KW + l), here), tap)
            zero = load(x, corner, some(0, x))
            store(select(best <= zero, zero, best), y, j * y_pixel + c, here)
            store(tap, taps, j * y_pixel + c, here)


@shared
def _relu_maxima_grad(g, y, taps, gx, KH, KW, part, start, stop):
    """The pixels of gx (N, H, W, C) in the windows of the rows of g from start to stop, and those left unread."""
    _, H, W, C = gx.shape
    _, OH, OW, _ = g.shape
    G, Y, T, X = pointer(g, 0), pointer(y, 0), pointer(taps, 0), pointer(gx, 0)
    for row in range(start, stop):
        n, i = row // OH, row % OH
        source, target = row * OW * C, moved(X, (n * H + i * KH) * W * C)
        if KH == 2 and KW == 2:
            _spread_row(moved(G, source), moved(Y, source), moved(T, source), target, W * C, OW, C, 2, 2)
        else:
            _spread_row(moved(G, source), moved(Y, source), moved(T, source), target, W * C, OW, C, KH, KW)
        _clear_unread(target, i == OH - 1, H - i * KH, W, C, KH, OW * KW)


@inlined
def _spread_row(g, y, taps, gx, gx_row, OW, C, KH, KW):
    for j in range(OW):
        for c in range(0, C, width(g)):
            here = some(C - c, g)
            zero = load(g, 0, some(0, g))
            at = j * C + c
            passed = select(load(y, at, here) <= zero, zero, load(g, at, here))
            tap = load(taps, at, here)
            for k in range(KH):
                for l in range(KW):
                    own = tap == spread(np.uint8(k * KW + l), here)
                    store(select(own, passed, zero), gx, k * gx_row + (j * KW + l) * C + c, here)


@inlined
def _clear_unread(x, is_last, H, W, C, KH, read):
    """Zeros right of the `read` columns of the first KH rows and, below the last windows, in the rest of the H rows."""
    for k in range(KH):
        _clear(x, (k * W + read) * C, (W - read) * C)
    if is_last:
        _clear(x, KH * W * C, (H - KH) * W * C)


@inlined
def _clear(x, start, count):
    """Zeros in x[start] and on."""
    for at in range(0, count, width(x)):
        store(load(x, start, some(0, x)), x, start + at, some(count - at, x))
