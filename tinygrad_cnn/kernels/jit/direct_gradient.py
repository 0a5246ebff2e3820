"""The weight gradient of a convolution of any stride, dilation, padding and groups: gw = V' g.

V has a row for each pixel of the result, the K numbers of its window, and g one of O numbers. A tile of the product
takes 12 neighbours of a row of V, each spread over a vector, times two vectors of g: so g, where it is read often,
comes in panels, O numbers to copy for each pixel, and V need not be copied at all. Where KW C neighbours, one row of a
window, are numbers enough for a tile, they are read where they lie: the rows of the padded images that a block of rows
of outputs reads are lines,

    lines[kh, l, q, c]     pixel q of the row that tap kh of row l of outputs reads       (KH, rows, PW, C)

in which the window of the next output begins SW C numbers further on. Otherwise the windows are copied side by side.
Few inputs with few outputs are left to `line_gradient`, where vectors run along pixels.

Threads take rows of outputs, each for sums of its own, or, where those would be too large, some of the columns of gw.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.layouts import channels_last
from tinygrad_cnn.kernels.jit.microkernel import VECTORS, copy_run, moved, pointer
from tinygrad_cnn.kernels.jit.packing import lanes, whole
from tinygrad_cnn.kernels.jit.products import product_by_rows
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.jit.windows import Frame, frame, gather, gather_lines, runs
from tinygrad_cnn.kernels.memory import empty

FEW = 128  # numbers in a window, up to which g is read too seldom to be copied into panels
FEWEST = 8  # neighbours in a row of a window, from which on it is read where it lies
PIXELS = 192  # in a block: their panel of g fills half of the first-level cache
GRAIN = 1 << 19  # multiply-adds, of idle lanes too, worth a thread of its own
OWN_SUMS = 1 << 20  # bytes of gradient up to which each thread sums its own over part of the pixels
AT_ONCE = 8  # inputs of which the gradient is finished at once: it is written in runs of taps of them
GRAIN_NUMBERS = 1 << 14  # numbers worth a thread of its own where they are only moved

Array = NDArray[Any]


def weight_grad(x: Array, g: Array, window: Window, groups: int) -> Array:
    """As `conv2d_weight_grad` of `kernels.numpy`."""
    (N, C), O, L = x.shape[:2], g.shape[1], lanes(x)
    f = frame(window, C, groups, window.output_size)
    K, outputs, wide = f.depth, O // groups, VECTORS * L
    taps, inputs = f.KH * f.KW, C // groups
    in_place = _run(f) >= FEWEST
    rows = min(N * f.OH, max(1, PIXELS // f.OW))
    blocks, panels = -(-N * f.OH // rows), -(-outputs // wide)
    by_output = panels > 1 and outputs * K * x.itemsize > OWN_SUMS
    count = panels if by_output else blocks
    grain = 1 + GRAIN * count // (N * f.OH * f.OW * K * whole(O, L))
    n = parts(count, grain)
    lines = empty((n, f.KH * rows * f.PW * C if in_place else f.padded_image + 1), x.dtype)
    windows = empty((n, 1 if in_place else rows * f.OW * K), x.dtype)
    copies = K > FEW or outputs % L > 0
    columns = empty((n, rows * f.OW * panels * wide if copies else 1), x.dtype)
    sums = empty((1 if by_output else n, groups, K, outputs), x.dtype)
    arrays = channels_last(x), channels_last(g), np.zeros(outputs, x.dtype), lines, windows, columns, sums
    run(_sum_rows, (*arrays, f, rows, L, by_output, in_place, copies), count, grain)
    w = empty((O, inputs, *window.kernel), x.dtype)
    shaped = sums.reshape(len(sums), groups, taps, inputs, outputs), w.reshape(groups, outputs, inputs, taps)
    run(_in_order, shaped, -(-inputs // AT_ONCE), 1 + GRAIN_NUMBERS // (AT_ONCE * O * taps))
    return w


def _run(f: Frame) -> int:
    """Neighbours in a row of a window."""
    inputs = f.C // f.groups
    return f.KW * inputs if f.DW == 1 and f.groups == 1 else inputs


@shared
def _sum_rows(
    x, g, zeros, lines, windows, columns, sums, frame, rows, lanes, by_output, in_place, copies, part, start, stop
):
    """Rows of outputs, counted through the batch, `rows` at a time; or all of them, for some panels of outputs."""
    _, groups, K, outputs = sums.shape
    wide, padded_row = VECTORS * lanes, frame.PW * frame.C
    down, across, run = runs(frame)
    X, G, nothing = pointer(x, 0), pointer(g, 0), pointer(zeros, 0)
    lines_of_part, v = pointer(lines, part * lines.shape[1]), pointer(windows, part * windows.shape[1])
    b = pointer(columns, part * columns.shape[1])
    if outputs % wide:  # whole vectors are read: what lies beyond must not be a number that slows the processor down
        for i in range(columns.shape[1]):
            b[i] = 0
    total = len(x) * frame.OH
    first_block, last_block = (0, -(-total // rows)) if by_output else (start, stop)
    first_output, last_output = (start * wide, min(stop * wide, outputs)) if by_output else (0, outputs)
    for number in range(first_block, last_block):
        first = number * rows
        count = min(rows, total - first)
        pixels = count * frame.OW
        if in_place:
            gather_lines(X, frame, first, count, lines_of_part)
        for group in range(groups):
            of_g = moved(G, first * frame.OW * g.shape[3] + group * outputs)
            of_b, b_step, b_panel = moved(of_g, first_output), g.shape[3], wide
            if copies:
                _to_panels(of_g, g.shape[3], pixels, first_output, last_output, wide, b)
                of_b, b_step, b_panel = b, wide, pixels * wide
            c = pointer(sums, ((0 if by_output else part) * groups + group) * K * outputs + first_output)
            begun, begun_row = (c, outputs) if number > first_block else (nothing, 0)
            if in_place:
                for tap in range(down * across):
                    kh, kw = tap // across, tap % across
                    a = moved(lines_of_part, kh * count * padded_row + kw * frame.DW * frame.C + group * run)
                    product_by_rows(
                        run, last_output - first_output, lanes, a, frame.SW * frame.C, padded_row, of_b, b_step,
                        frame.OW * b_step, b_panel, count, frame.OW, moved(begun, tap * run * begun_row), begun_row,
                        moved(c, tap * run * outputs), outputs, 0,
                    )  # fmt: skip
            else:
                gather(X, lines_of_part, frame, group, first * frame.OW, pixels, v, K)
                product_by_rows(
                    K, last_output - first_output, lanes, v, K, 0, of_b, b_step, 0, b_panel, 1, pixels, begun,
                    begun_row, c, outputs, 0,
                )  # fmt: skip


@inlined
def _to_panels(g, row, pixels, first, last, wide, panels):
    """The columns first <= o < last of g, in panels of `wide` of them."""
    for o in range(first, last, wide):
        panel = moved(panels, (o - first) * pixels)
        for pixel in range(pixels):
            copy_run(moved(panel, pixel * wide), moved(g, pixel * row + o), min(wide, last - o))


@shared
def _in_order(sums, w, part, start, stop):
    """w (groups, O, C, taps) from sums (parts, groups, taps, C, O), over the parts; AT_ONCE inputs at a time."""
    groups, O, C, taps = w.shape
    for group in range(groups):
        for first in range(start * AT_ONCE, min(stop * AT_ONCE, C), AT_ONCE):
            for o in range(O):
                for c in range(first, min(first + AT_ONCE, C)):
                    for tap in range(taps):
                        total = sums[0, group, tap, c, o]
                        for other in range(1, len(sums)):
                            total += sums[other, group, tap, c, o]
                        w[group, o, c, tap] = total
