"""The weight gradient of a convolution with few channels: vectors run along the pixels of a row.

Where vectors are filled with channels, 6 of them leave 10 of 16 lanes idle. Here a padded image and its gradient lie in
lines, neighbouring pixels of one row and one channel,

    X[p, c, q]    row p, channel c, column q          G[i, o, j]    row i, output o, column j

and with r = (kh, c), the line (i SH + kh) C + c of X, every weight has a vector of sums of its own,

    gw[o, kw, r] = sum over i and j of  G[i, o, j] X[r, j + kw]

whose lanes are added up in the end. Nothing is copied for kh and kw, which only move where a line is read. Images come
channels-last: 16 pixels of 16 channels change places in registers. Columns must be read next to each other.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.lanes import load, some, total
from tinygrad_cnn.kernels.jit.layouts import channels_last
from tinygrad_cnn.kernels.jit.microkernel import DOTS, copy_run, dots, moved, pointer, transpose_part
from tinygrad_cnn.kernels.jit.packing import lanes, whole
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.jit.windows import frame
from tinygrad_cnn.kernels.memory import empty

SHORT = 10  # numbers in a row of a window, from which on they fill a tile of `direct_gradient`
GAIN = 1.25  # how many more lanes must be busy for the images to be brought into lines
MOST_SUMS = 1 << 18  # bytes of sums
GRAIN = 1 << 19  # multiply-adds, of idle lanes too, worth a thread of its own
ROWS = 16  # of outputs, over which one sum runs before it is stored

Array = NDArray[Any]


def suits(window: Window, groups: int, x: Array, outputs: int) -> bool:
    """Whether the gradient can be computed so, and has more lanes busy."""
    (KH, KW), OW, C, L = window.kernel, window.output_size[1], x.shape[1], lanes(x)
    apart = (*window.dilation, window.stride[1], groups)
    busy, busy_with_outputs = OW / whole(OW, L), outputs / whole(outputs, L)
    few = KW * C < SHORT and outputs * KH * KW * C * L * x.itemsize <= MOST_SUMS
    return few and apart == (1, 1, 1, 1) and busy > GAIN * busy_with_outputs


def weight_grad(x: Array, g: Array, window: Window) -> Array:
    """As `conv2d_weight_grad` of `kernels.numpy`."""
    N, C, O, L = len(x), x.shape[1], g.shape[1], lanes(x)
    f = frame(window, C, 1, window.output_size)
    row, blocks = whole(f.OW, L), N * -(-f.OH // ROWS)
    grain = 1 + GRAIN * blocks // (N * f.OH * row * f.depth * O)
    n = parts(blocks, grain)
    lines, cotangents = empty((n, f.PH * C * f.PW), x.dtype), empty((n, ROWS * O * row), x.dtype)
    sums = empty((n, O, f.depth * L), x.dtype)
    run(_sum_blocks, (channels_last(x), channels_last(g), lines, cotangents, sums, f, L), blocks, grain)
    w = empty((O, C, f.KH, f.KW), x.dtype)
    run(_sum_lanes, (sums, w, L), O, 1 + GRAIN // (n * f.depth * L))
    return w


@shared
def _sum_blocks(x, g, lines, cotangents, sums, frame, lanes, part, start, stop):
    """sums[part, o, (kw, kh, c)], a vector each, over blocks of rows of outputs."""
    C, O = frame.C, g.shape[3]
    depth, of_output, row = frame.KH * C, sums.shape[2], cotangents.shape[1] // (ROWS * O)
    X, G = pointer(lines, part * lines.shape[1]), pointer(cotangents, part * cotangents.shape[1])
    S = pointer(sums, part * O * of_output)
    for i in range(O * of_output):
        S[i] = 0
    per_image = -(-frame.OH // ROWS)
    filled = 0
    for number in range(start, stop):
        n, first = number // per_image, number % per_image * ROWS
        count = min(ROWS, frame.OH - first)
        if first == 0 or number == start:
            filled = first * frame.SH
        last = (first + count - 1) * frame.SH + frame.KH
        _fill_lines(pointer(x, n * frame.H * frame.W * C), X, frame, lanes, filled, last)
        filled = last
        for i in range(count):
            of_g = pointer(g, (n * frame.OH + first + i) * frame.OW * O)
            _to_lines(of_g, moved(G, i * O * row), row, O, frame.OW, lanes)
        for kw in range(frame.KW):
            for r in range(0, depth, DOTS[1]):
                b = moved(X, (first * frame.SH * C + r) * frame.PW + kw)
                for o in range(0, O, DOTS[0]):
                    dots(
                        min(DOTS[0], O - o), min(DOTS[1], depth - r), moved(G, o * row), row, O * row, b, frame.PW,
                        frame.SH * C * frame.PW, count, frame.OW,
                        moved(S, o * of_output + (kw * depth + r) * lanes), of_output,
                    )  # fmt: skip


@shared
def _sum_lanes(sums, w, lanes, part, start, stop):
    """w (O, C, KH, KW) from sums (parts, O, K vectors), over the parts."""
    O, C, KH, KW = w.shape
    S, of_part = pointer(sums, 0), O * sums.shape[2]
    here = some(lanes, S)
    for o in range(start, stop):
        for c in range(C):
            for kh in range(KH):
                for kw in range(KW):
                    at = o * sums.shape[2] + ((kw * KH + kh) * C + c) * lanes
                    vector = load(S, at, here)
                    for other in range(1, len(sums)):
                        vector = vector + load(S, at + other * of_part, here)
                    w[o, c, kh, kw] = total(vector)


@inlined
def _fill_lines(image, lines, frame, lanes, first, last):
    """The rows first <= p < last of a padded image (H, W, C), in lines."""
    C = frame.C
    for p in range(first, last):
        target = moved(lines, p * C * frame.PW)
        inside = 0 <= p - frame.top < frame.H
        start, end = (frame.left, frame.left + frame.W) if inside else (frame.PW, frame.PW)
        for c in range(C):
            for q in range(start):
                target[c * frame.PW + q] = 0
            for q in range(end, frame.PW):
                target[c * frame.PW + q] = 0
        if inside:
            _to_lines(moved(image, (p - frame.top) * frame.W * C), moved(target, start), frame.PW, C, frame.W, lanes)


@inlined
def _to_lines(pixels, lines, apart, channels, count, lanes):
    """lines[c apart + q] = pixels[q channels + c], of `count` pixels."""
    if channels == 1:
        copy_run(lines, pixels, count)
        return
    for c in range(0, channels, lanes):
        for q in range(0, count, lanes):
            transpose_part(
                moved(lines, c * apart + q), apart, moved(pixels, q * channels + c), channels,
                min(lanes, count - q), min(lanes, channels - c),
            )  # fmt: skip
