"""Depthwise convolution: every channel has one filter of its own, and a vector holds a pixel's neighbouring channels.

    y[p, c]        = b[c] + sum over the taps of x[p + tap, c] w[tap, c]        conv2d
    gx[p + tap, c] = sum over the taps of g[p, c] w[tap, c]                     conv2d_input_grad
    gw[tap, c]     = sum over the pixels of g[p, c] x[p + tap, c]               conv2d_weight_grad

There is nothing to share between channels, so that it is no product of matrices: each number is read for one
multiply-add, which memory, not arithmetic, keeps waiting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.jit.lanes import fma, load, some, store, width
from tinygrad_cnn.kernels.jit.layouts import channels_last, contiguous
from tinygrad_cnn.kernels.jit.microkernel import moved, pointer
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.jit.windows import Frame, frame, inside
from tinygrad_cnn.kernels.memory import empty, empty_images

GRAIN = 1 << 17  # multiply-adds worth a thread of its own

Array = NDArray[Any]


def suits(w: Array, groups: int) -> bool:
    """Whether each group is one channel with one filter."""
    return groups > 1 and len(w) == groups and w.shape[1] == 1


def conv2d(x: Array, w: Array, b: Array | None, window: Window) -> Array:
    """As in `kernels.numpy`, for groups of one channel."""
    y = empty_images(len(x), x.shape[1], window.output_size, x.dtype)
    f = frame(window, x.shape[1], 1, window.output_size)
    bias = np.zeros(f.C, x.dtype) if b is None else contiguous(b)
    rows = len(x) * f.OH
    run(_rows, (channels_last(x), _by_tap(w), bias, f, y.transpose(0, 2, 3, 1)), rows, _grain(f, f.OW))
    return y


def conv2d_input_grad(g: Array, w: Array, window: Window) -> Array:
    """As in `kernels.numpy`, for groups of one channel."""
    x = empty_images(len(g), g.shape[1], window.size, g.dtype)
    f = frame(window, g.shape[1], 1, window.output_size)
    run(_images, (channels_last(g), _by_tap(w), f, x.transpose(0, 2, 3, 1)), len(g), _grain(f, f.OH * f.OW))
    return x


def conv2d_weight_grad(x: Array, g: Array, window: Window) -> Array:
    """As in `kernels.numpy`, for groups of one channel."""
    f = frame(window, x.shape[1], 1, window.output_size)
    rows, grain = len(x) * f.OH, _grain(f, f.OW)
    sums = empty((parts(rows, grain), 2, f.KH * f.KW, f.C), x.dtype)
    run(_sums, (channels_last(x), channels_last(g), f, sums), rows, grain)
    total = sums[:, 0].sum(axis=0)  # (taps, C)
    return np.ascontiguousarray(total.T).reshape(f.C, 1, f.KH, f.KW)


def _by_tap(w: Array) -> Array:
    """w (C, 1, KH, KW) -> (taps, C)."""
    return np.ascontiguousarray(w.reshape(len(w), -1).T)


def _grain(f: Frame, pixels: int) -> int:
    return 1 + GRAIN // (pixels * f.C * f.KH * f.KW)


@shared
def _rows(x, w, bias, frame, y, part, start, stop):
    """Rows of y, counted through the batch, from start to stop."""
    C, W = frame.C, frame.W
    X, B, Y, F = pointer(x, 0), pointer(bias, 0), pointer(y, 0), pointer(w, 0)
    for row in range(start, stop):
        image, p = moved(X, row // frame.OH * frame.H * W * C), row % frame.OH * frame.SH - frame.top
        k0, k1 = inside(p, frame.KH, frame.DH, frame.H)
        for j in range(frame.OW):
            q = j * frame.SW - frame.left
            l0, l1 = inside(q, frame.KW, frame.DW, W)
            for c in range(0, C, width(X)):
                here = some(C - c, X)
                total = load(B, c, here)
                for k in range(k0, k1):
                    for l in range(l0, l1):
                        pixel = (p + k * frame.DH) * W + q + l * frame.DW
                        total = fma(load(image, pixel * C + c, here), load(F, (k * frame.KW + l) * C + c, here), total)
                store(total, Y, (row * frame.OW + j) * C + c, here)


@shared
def _images(g, w, frame, x, part, start, stop):
    """Images of x from start to stop."""
    C, W = frame.C, frame.W
    G, X, F = pointer(g, 0), pointer(x, 0), pointer(w, 0)
    for n in range(start, stop):
        image = moved(X, n * frame.H * W * C)
        for i in range(frame.H * W * C):
            image[i] = 0
        for i in range(frame.OH):
            p = i * frame.SH - frame.top
            k0, k1 = inside(p, frame.KH, frame.DH, frame.H)
            for j in range(frame.OW):
                q = j * frame.SW - frame.left
                l0, l1 = inside(q, frame.KW, frame.DW, W)
                for c in range(0, C, width(X)):
                    here = some(C - c, X)
                    share = load(G, ((n * frame.OH + i) * frame.OW + j) * C + c, here)
                    for k in range(k0, k1):
                        for l in range(l0, l1):
                            at = ((p + k * frame.DH) * W + q + l * frame.DW) * C + c
                            tap = load(F, (k * frame.KW + l) * C + c, here)
                            store(fma(share, tap, load(image, at, here)), image, at, here)


@shared
def _sums(x, g, frame, sums, part, start, stop):
    """sums[part, 0] (taps, C), over the rows of g from start to stop; each row is summed by itself in sums[part, 1]."""
    C, W, taps = frame.C, frame.W, frame.KH * frame.KW
    X, G = pointer(x, 0), pointer(g, 0)
    total, of_row = pointer(sums, 2 * part * taps * C), pointer(sums, (2 * part + 1) * taps * C)
    for i in range(taps * C):
        total[i] = 0
    for row in range(start, stop):
        image, p = moved(X, row // frame.OH * frame.H * W * C), row % frame.OH * frame.SH - frame.top
        k0, k1 = inside(p, frame.KH, frame.DH, frame.H)
        for i in range(taps * C):
            of_row[i] = 0
        for j in range(frame.OW):
            q = j * frame.SW - frame.left
            l0, l1 = inside(q, frame.KW, frame.DW, W)
            for c in range(0, C, width(X)):
                here = some(C - c, X)
                share = load(G, (row * frame.OW + j) * C + c, here)
                for k in range(k0, k1):
                    for l in range(l0, l1):
                        at = (k * frame.KW + l) * C + c
                        pixel = (p + k * frame.DH) * W + q + l * frame.DW
                        store(fma(share, load(image, pixel * C + c, here), load(of_row, at, here)), of_row, at, here)
        for i in range(taps * C):
            total[i] += of_row[i]
