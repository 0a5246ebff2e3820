"""Matrix products over the tiles of the micro-kernel."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.microkernel import VECTORS, moved, strip

DEPTH = 384  # products in a row: sums of more lose digits, and their rows of B the first-level cache


def _product(along: str) -> Any:
    """A function for compiled code; along: where the neighbours of a number of A lie, as `strip` takes it.

    product(rows, columns, lanes, a, apart, a_jump, b, b_step, b_jump, b_panel, jumps, depth, start, start_row, c,
    c_row, relu): C = start + A B, (rows, columns), without its negative numbers where `relu`. B comes in panels of two
    vectors.

    k counts `depth` steps, m `jumps` of them. A[i, (m, k)] lies at a[i apart + m a_jump + k], or, where neighbours lie
    along the rows, at a[i + m a_jump + k apart]; B[(m, k), j] of panel p at b[p b_panel + m b_jump + k b_step + j];
    start[i, j] at start[i start_row + j], C[i, j] at c[i c_row + j]. Whole vectors of B are read, a single one in the
    last panel where that is enough. lanes: numbers in a vector.
    """
    wide, narrow = strip(VECTORS, along), strip(1, along)
    by_depth = along == "depth"

    @inlined
    def product(
        rows,
        columns,
        lanes,
        a,
        apart,
        a_jump,
        b,
        b_step,
        b_jump,
        b_panel,
        jumps,
        depth,
        start,
        start_row,
        c,
        c_row,
        relu,
    ):
        a_step = 1 if by_depth else apart
        jumps_at_once = max(1, DEPTH // max(1, depth))
        for panel in range((columns + VECTORS * lanes - 1) // (VECTORS * lanes)):
            first = panel * VECTORS * lanes
            of_c, so_far, so_far_row = moved(c, first), moved(start, first), start_row
            for m in range(0, max(1, jumps), jumps_at_once):
                for k in range(0, max(1, depth), DEPTH):
                    at_a, at_b = moved(a, m * a_jump + k * a_step), moved(b, panel * b_panel + m * b_jump + k * b_step)
                    ms, ks = min(jumps_at_once, jumps - m), min(DEPTH, depth - k)
                    floor = relu and m + ms == jumps and k + ks == depth
                    if columns - first > lanes:
                        wide(
                            rows, at_a, apart, a_jump, at_b, b_step, b_jump, ms, ks, so_far, so_far_row, of_c, c_row,
                            columns - first, floor,
                        )  # fmt: skip
                    else:
                        narrow(
                            rows, at_a, apart, a_jump, at_b, b_step, b_jump, ms, ks, so_far, so_far_row, of_c, c_row,
                            columns - first, floor,
                        )  # fmt: skip
                    so_far, so_far_row = of_c, c_row

    return product


product = _product(along="depth")
product_by_rows = _product(along="rows")
