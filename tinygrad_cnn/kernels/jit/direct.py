"""Convolution of any stride, dilation, padding and groups: windows copied into the cache, times the weights.

It is the formula of `kernels.numpy.convolution`, with V, the matrix of the windows, made for a few pixels at a time,
one row for each: channels-last a copy of a window is a copy of KH runs of neighbouring numbers, a twentieth to an
eighth of the time of the product that follows. Where rows of outputs are whole tiles, it is spared, and the runs are
read where they lie, in the image or a padded copy of it. Per block of P pixels and per group:

    conv2d               y  = V w            (P, K) (K, O)           and a bias, relu, max pooling while y is at hand
    conv2d_input_grad    gV = g w', and gx = A'(gV)   (P, O) (O, K)  the windows' numbers back to their pixels

where K = KH KW C. Threads take blocks of their own, whole images in the input gradient, where windows overlap. The
weight gradient is in `direct_gradient`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Pair, Window, mirrored
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.layouts import channels_last, contiguous
from tinygrad_cnn.kernels.jit.microkernel import ROWS, copy_run, moved, pointer
from tinygrad_cnn.kernels.jit.packing import lanes, panels, whole
from tinygrad_cnn.kernels.jit.pooling import relu_maxima_row
from tinygrad_cnn.kernels.jit.products import product
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.jit.windows import Frame, fill_rows, frame, gather, is_padded, scatter
from tinygrad_cnn.kernels.memory import empty, empty_images

CACHE = 1 << 19  # bytes of V in a block: a quarter of a second-level cache, which also holds a panel of weights
FEWEST, MOST = 8 * ROWS[0], 32 * ROWS[0]  # pixels in a block
IN_PLACE = 32  # outputs up to which windows are multiplied where they lie: a copy would take as long
WEIGHTS = 1 << 20  # bytes of weights that are read again for every row of outputs: half of a second-level cache
GRAIN = 1 << 19  # multiply-adds, of idle lanes too, worth a thread of its own

Array = NDArray[Any]

_NO_TAPS = np.empty((1, 1, 1, 1), np.uint8)


def conv2d(x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, relu: bool = False) -> Array:
    """As in `kernels.numpy`; relu: of the result, in the same go."""
    y = empty_images(len(x), len(w), window.output_size, x.dtype)
    f = frame(window, x.shape[1], groups, window.output_size)
    _forward(x, _panels(w, groups), b, f, relu, _pixels(f, x), y, _NO_TAPS, (0, 0))
    return y


def conv2d_pooled(
    x: Array, w: Array, b: Array | None, window: Window, groups: int, pool: Window
) -> tuple[Array, NDArray[np.uint8]]:
    """Convolution, relu, and max pooling by windows that neither overlap nor are padded; and each maximum's tap."""
    (KH, KW), (OH, OW) = pool.kernel, pool.output_size
    y = empty_images(len(x), len(w), pool.output_size, x.dtype)
    taps = empty_images(len(x), len(w), pool.output_size, np.uint8)
    f = frame(window, x.shape[1], groups, (OH * KH, OW * KW))  # what pooling leaves unread is not computed
    line = KH * f.OW
    _forward(x, _panels(w, groups), b, f, True, max(1, _pixels(f, x) // line) * line, y, taps, pool.kernel)
    return y, taps


def _panels(w: Array, groups: int) -> Array:
    """w (O, C/groups, KH, KW) as (K, O/groups) of each group, K counting through KH, KW and C."""
    O, C, KH, KW = w.shape
    outputs, taps = O // groups, KH * KW
    return panels(contiguous(w), groups, (KH, KW, C), outputs, outputs * C * taps, (KW, 1, taps, C * taps))


def _forward(
    x: Array, packed: Array, b: Array | None, f: Frame, relu: bool, block: int, y: Array, taps: Array, pool: Pair
) -> None:
    O = y.shape[1]
    in_place = _in_place(f, O, packed)
    if in_place and pool == (0, 0):
        block = max(1, block // f.OW) * f.OW
    pixels = len(x) * f.OH * f.OW
    blocks = -(-pixels // block)
    grain = 1 + GRAIN // (block * f.depth * f.groups * whole(O // f.groups, lanes(x)))
    n = parts(blocks, grain)
    padded = empty((n, f.padded_image + 1), x.dtype)
    columns = empty((n, 1 if in_place else block * f.depth), x.dtype)
    sums = empty((n, block * (O // f.groups) if pool[0] else 1), x.dtype)
    bias = np.zeros(O, x.dtype) if b is None else contiguous(b)
    y, taps = y.transpose(0, 2, 3, 1), taps.transpose(0, 2, 3, 1)
    work = (channels_last(x), packed, bias, f, relu, in_place, pixels, block, lanes(x), y, taps, *pool)
    run(_forward_blocks, (*work, padded, columns, sums), blocks, grain)


def _in_place(f: Frame, outputs: int, packed: Array) -> bool:
    """Whether windows are not copied: their rows are neighbours, and rows of outputs are whole tiles, or few lanes."""
    whole_tiles = ROWS[0] <= f.OW and f.OW % ROWS[1] == 0 and packed.nbytes <= WEIGHTS
    return f.DW == 1 and f.groups == 1 and (outputs <= IN_PLACE or whole_tiles)


def _pixels(f: Frame, x: Array) -> int:
    """Pixels in a block: as many as the cache takes, in whole tiles."""
    return min(MOST, max(FEWEST, CACHE // (f.depth * x.itemsize) // ROWS[0] * ROWS[0]))


@shared
def _forward_blocks(
    x,
    packed,
    bias,
    frame,
    relu,
    in_place,
    pixels,
    block,
    lanes,
    y,
    taps,
    KH,
    KW,
    padded,
    columns,
    sums,
    part,
    start,
    stop,
):
    groups, panel_count, K, wide = packed.shape
    O, panel = y.shape[3] // groups, K * packed.shape[3]
    v, image, source = pointer(columns, part * columns.shape[1]), pointer(padded, part * padded.shape[1]), pointer(x, 0)
    for number in range(start, stop):
        first = number * block
        count = min(block, pixels - first)
        for group in range(groups):
            at = first * y.shape[3] + group * O
            b, bias_of = pointer(packed, group * panel_count * panel), pointer(bias, group * O)
            c, c_row = (pointer(sums, part * sums.shape[1]), O) if KH else (pointer(y, at), y.shape[3])
            if in_place:
                _rows(source, image, frame, first // frame.OW, count // frame.OW, O, lanes, b, wide, bias_of, c, relu)
            else:
                gather(source, image, frame, group, first, count, v, K)
                product(count, O, lanes, v, K, 0, b, wide, 0, panel, 1, K, bias_of, 0, c, c_row, relu)
            if KH:
                _pool(c, O, frame.OW, KH, KW, first, count, group, y, taps)


@inlined
def _rows(x, padded, frame, first, count, O, lanes, b, wide, bias, c, relu):
    """c (count OW, O): `count` rows of outputs, the windows read where they lie, as rows of KW C neighbours."""
    K, row, extent = frame.KW * frame.C, frame.PW * frame.C, (frame.KH - 1) * frame.DH + 1
    padding = is_padded(frame)
    filled = 0
    for number in range(first, first + count):
        n, top = number // frame.OH, number % frame.OH * frame.SH
        image = moved(x, n * frame.H * frame.W * frame.C)
        if padding:
            if number == first or top == 0:
                filled = top
            fill_rows(image, padded, frame, filled, top + extent)
            filled = top + extent
            image = padded
        a, of_c = moved(image, top * row), moved(c, (number - first) * frame.OW * O)
        product(
            frame.OW, O, lanes, a, frame.SW * frame.C, frame.DH * row, b, wide, K * wide, frame.KH * K * wide,
            frame.KH, K, bias, 0, of_c, O, relu,
        )  # fmt: skip


@inlined
def _pool(rows, O, OW, KH, KW, first, count, group, y, taps):
    """Rows of y and taps from `count` pixels of convolution, lines of OW of them, the first one of them `first`."""
    line, across, channels = KH * OW, OW // KW, y.shape[3]
    for number in range(count // line):
        source, at = moved(rows, number * line * O), (first // line + number) * across * channels + group * O
        of_y, of_taps = pointer(y, at), pointer(taps, at)
        if KH == 2 and KW == 2:  # numbers instead of names: LLVM writes out the loops over the taps
            relu_maxima_row(source, OW * O, of_y, of_taps, across, O, channels, 2, 2)
        else:
            relu_maxima_row(source, OW * O, of_y, of_taps, across, O, channels, KH, KW)


# ---- input gradient --------------------------------------------------------------------------------------------------


def conv2d_input_grad(g: Array, w: Array, window: Window, groups: int = 1) -> Array:
    """As in `kernels.numpy`."""
    O, C, KH, KW = w.shape
    C, L = C * groups, lanes(g)
    x = empty_images(len(g), C, window.size, g.dtype)
    mirror = mirrored(window) if groups == 1 else None
    if mirror is not None and whole(C, L) < 2 * C:  # else most lanes would be idle
        turned = panels(contiguous(w), 1, (KH, KW, O), C, 0, (-KW, -1, C * KH * KW, KH * KW), start=KH * KW - 1)
        f = frame(mirror, O, 1, window.size)
        _forward(g, turned, None, f, False, _pixels(f, g), x, _NO_TAPS, (0, 0))
        return x
    f = frame(window, C, groups, window.output_size)
    K, outputs = f.depth, O // groups
    packed = panels(channels_last(w), groups, (1, 1, outputs), K, outputs * K, (0, 0, K, 1))
    block = min(f.OH * f.OW, _pixels(f, g))
    grain = 1 + GRAIN // (f.OH * f.OW * K * O)
    n = parts(len(g), grain)
    padded = empty((n, f.padded_image + 1), g.dtype)
    columns = empty((n, block * K), g.dtype)
    work = (channels_last(g), packed, f, block, L, np.zeros(K, g.dtype), x.transpose(0, 2, 3, 1))
    run(_input_grad_images, (*work, padded, columns), len(g), grain)
    return x


@shared
def _input_grad_images(g, packed, frame, block, lanes, zeros, x, padded, columns, part, start, stop):
    groups, panel_count, outputs, wide = packed.shape
    Cg, pixels = frame.C // groups, frame.OH * frame.OW
    K = frame.KH * frame.KW * Cg
    zero = pointer(zeros, 0)
    gv, image = pointer(columns, part * columns.shape[1]), pointer(padded, part * padded.shape[1])
    size = frame.H * frame.W * frame.C
    for n in range(start, stop):
        result = pointer(x, n * size)
        sums = image if is_padded(frame) else result
        for i in range(frame.PH * frame.PW * frame.C):
            sums[i] = 0
        for group in range(groups):
            b = pointer(packed, group * panel_count * outputs * wide)
            for first in range(0, pixels, block):
                count = min(block, pixels - first)
                a = pointer(g, (n * pixels + first) * g.shape[3] + group * outputs)
                product(count, K, lanes, a, g.shape[3], 0, b, wide, 0, outputs * wide, 1, outputs, zero, 0, gv, K, 0)
                scatter(gv, K, frame, group, first, count, sums)
        if is_padded(frame):
            for p in range(frame.H):
                source = ((p + frame.top) * frame.PW + frame.left) * frame.C
                copy_run(moved(result, p * frame.W * frame.C), moved(image, source), frame.W * frame.C)
