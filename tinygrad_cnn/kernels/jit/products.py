"""Matrix products over the tiles of the micro-kernel."""

from __future__ import annotations

from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.microkernel import VECTORS, moved, strip

_wide, _narrow = strip(VECTORS), strip(1)


@inlined
def product(
    rows,
    columns,
    lanes,
    a,
    a_row,
    a_step,
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
    """C = start + A B, (rows, columns), without its negative numbers where `relu`. B comes in panels of two vectors.

    A[i, (m, k)] lies at a[i a_row + m a_jump + k a_step], for `jumps` values of m and `depth` of k; B[(m, k), j] of
    panel p at b[p b_panel + m b_jump + k b_step + j]; start[i, j] at start[i start_row + j], C[i, j] at c[i c_row + j].
    Whole vectors of B are read, a single one in the last panel where that is enough. lanes: numbers in a vector.
    """
    for panel in range((columns + VECTORS * lanes - 1) // (VECTORS * lanes)):
        first = panel * VECTORS * lanes
        of_b, of_start, of_c = moved(b, panel * b_panel), moved(start, first), moved(c, first)
        if columns - first > lanes:
            _wide(
                rows, a, a_row, a_step, a_jump, of_b, b_step, b_jump, jumps, depth, of_start, start_row, of_c, c_row,
                columns - first, relu,
            )  # fmt: skip
        else:
            _narrow(
                rows, a, a_row, a_step, a_jump, of_b, b_step, b_jump, jumps, depth, of_start, start_row, of_c, c_row,
                columns - first, relu,
            )  # fmt: skip
