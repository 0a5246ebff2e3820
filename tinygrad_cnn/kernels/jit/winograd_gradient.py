"""The weight gradient of Winograd's convolution, gW = G' [sum over tiles of (B' D B) . (A g A')] G: see `winograd`.

Each thread sums over tiles of its own, a block at a time and a few hundred tiles in a row: such sums are then added to
their total, as a number loses digits with every small one that is added to it. The totals of all threads are added up
in one order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.jit import winograd_transforms as transforms
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.layouts import channels_last
from tinygrad_cnn.kernels.jit.microkernel import ROWS, VECTORS, add_run, moved, pointer
from tinygrad_cnn.kernels.jit.products import product_by_rows
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.jit.winograd_tiles import (
    OUT,
    PLANES,
    TILE,
    UNIT,
    find_planes,
    plane,
    planes,
    tiles_at_once,
    tiling,
    to_planes,
)
from tinygrad_cnn.kernels.jit.winograd_transforms import LANES, address, transform
from tinygrad_cnn.kernels.memory import empty

WIDE = VECTORS * LANES  # columns of a panel
FEWEST = 4 * ROWS[0]  # tiles worth a thread and sums of its own
SUMS = 1 << 28  # bytes that the sums of all threads may take
AT_ONCE = 8  # inputs of which the gradient is finished at once: it is written in runs of 9 of them
IN_A_ROW = 256  # tiles
GRAIN_NUMBERS = 1 << 14  # numbers worth a thread of its own where they are only moved

Array = NDArray[Any]

_data_to_planes = to_planes(transforms.data, TILE, overlaps=True)
_grads_to_planes = to_planes(transforms.outputs_grad, OUT, overlaps=False)
_to_kernel_grad = transform(transforms.kernel_grad, TILE)


def weight_grad(x: Array, g: Array, window: Window) -> Array:
    """x (N, C, H, W), g (N, O, OH, OW) -> (O, C, 3, 3)."""
    C, O = x.shape[1], g.shape[1]
    (top, _), (left, _) = window.padding
    grid = tiling(len(x), window.output_size, (top, left))
    units = -(-grid.tiles // UNIT)
    grain = max(FEWEST // UNIT, units * 2 * PLANES * C * O * 4 // SUMS)
    n, block = parts(units, grain), tiles_at_once(C, O)
    v, m, sums = planes(n, block, C), planes(n, block, O), planes(2 * n, C, O)
    zeros = np.zeros(max(C, O), np.float32)
    run(_sum_tiles, (channels_last(x), channels_last(g), v, m, sums, zeros, grid), units, grain)
    w = empty((O, C, 3, 3), np.float32)
    run(_finish, (sums, w.reshape(O, C, 9)), -(-C // AT_ONCE), 1 + GRAIN_NUMBERS // (PLANES * AT_ONCE * O))
    return w


@shared
def _sum_tiles(x, g, v, m, sums, zeros, tiling, part, start, stop):
    """A part is some units of the tiles of all images. Its sums: the total is 2 part, those in a row are the next."""
    C, O = x.shape[3], g.shape[3]
    block, v_row, m_row = v.shape[2] - 1, v.shape[3], m.shape[3]
    nothing = pointer(zeros, 0)
    of_m = plane(m, part, 0)
    for line in range(PLANES * (block + 1)):  # whole vectors are read: numbers of no channel must not be denormal ones
        for o in range(O, m_row):
            of_m[line * m_row + o] = 0
    last = min(stop * UNIT, tiling.tiles)
    target, in_a_row = 2 * part, 0  # the first ones in a row are the total, too
    for first in range(start * UNIT, last, block):
        count = min(block, last - first)
        _data_to_planes(x, tiling, first, count, nothing, v, part)
        _grads_to_planes(g, tiling, first, count, nothing, m, part)
        if in_a_row >= IN_A_ROW:
            if target > 2 * part:
                _add(sums, 2 * part, target)
            target, in_a_row = 2 * part + 1, 0
        for e in range(PLANES):
            total = plane(sums, target, e)
            so_far, so_far_row = (total, m_row) if in_a_row else (nothing, 0)
            product_by_rows(
                C, O, LANES, plane(v, part, e), v_row, 0, plane(m, part, e), m_row, 0, WIDE, 1, count,
                so_far, so_far_row, total, m_row, 0,
            )  # fmt: skip
        in_a_row += count
    if target > 2 * part:
        _add(sums, 2 * part, target)


@inlined
def _add(sums, total, summand):
    add_run(plane(sums, total, 0), plane(sums, summand, 0), PLANES * sums.shape[2] * sums.shape[3])


@shared
def _finish(sums, w, part, start, stop):
    """Totals (2 parts, 36, C, O) -> w (O, C, 9); a part is some of the inputs, AT_ONCE at a time."""
    n, _, _, row = sums.shape
    O, C, _ = w.shape
    totals, taps = find_planes(sums, 0), np.empty(9, np.intp)
    grads = np.empty((9, AT_ONCE, row), np.float32)
    for k in range(9):
        taps[k] = address(pointer(grads, k * AT_ONCE * row))
    for c in range(start * AT_ONCE, min(stop * AT_ONCE, C), AT_ONCE):
        count = min(AT_ONCE, C - c)
        for e in range(PLANES):
            for other in range(2, n, 2):
                add_run(moved(plane(sums, 0, e), c * row), moved(plane(sums, other, e), c * row), count * row)
        _to_kernel_grad(pointer(totals, 0), c * row * 4, pointer(taps, 0), 0, count * row)
        for o in range(O):
            for r in range(count):
                for k in range(9):
                    w[o, c + r, k] = grads[k, r, o]
