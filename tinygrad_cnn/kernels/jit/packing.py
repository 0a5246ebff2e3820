"""Weights in the order in which the micro-kernel reads them: panels of two vectors of columns, row after row.

A panel holds B[k, j] for VECTORS lanes of neighbouring columns j at [k, j], so that a product reads it from end to end.
What a panel has beyond the last column is 0.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinygrad_cnn.kernels.jit.microkernel import VECTORS
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import run
from tinygrad_cnn.kernels.jit.vectors import HOST
from tinygrad_cnn.kernels.memory import empty

GRAIN = 1 << 14  # elements worth a thread of its own

Strides = tuple[int, int, int, int]


def lanes(array: NDArray[Any]) -> int:
    """Numbers of the array's dtype in a vector."""
    return HOST.lanes(array.itemsize)


def whole(columns: int, lanes: int) -> int:
    """Columns, rounded up to a whole vector."""
    return -(-columns // lanes) * lanes


def panels(
    w: NDArray[Any],
    groups: int,
    depth: tuple[int, int, int],
    columns: int,
    group: int,
    strides: Strides,
    start: int = 0,
) -> NDArray[Any]:
    """The matrices B of all groups as panels, (groups, panels, K, VECTORS lanes), from the numbers of w.

    Row k = (r, s, t) counts through `depth`, K numbers; B[(r, s, t), j] is the number of w at
    start + group g + r strides[0] + s strides[1] + t strides[2] + j strides[3].
    """
    wide = VECTORS * lanes(w)
    count = -(-columns // wide)
    rows = depth[0] * depth[1] * depth[2]
    packed = empty((groups, count, rows, wide), w.dtype)
    work = (w.reshape(-1), packed.reshape(groups * count, rows, wide), count, depth, columns, group, strides, start)
    run(_pack, work, groups * count, 1 + GRAIN // (rows * wide))
    return packed


@shared
def _pack(w, packed, count, depth, columns, group, strides, start, part, first, last):
    R, S, T = depth
    wide = packed.shape[2]
    for panel in range(first, last):
        j0 = panel % count * wide
        base = start + panel // count * group + j0 * strides[3]
        filled = min(wide, columns - j0)
        for t in range(T):  # last in B, first here: neighbours in w are read one after the other
            for r in range(R):
                for s in range(S):
                    k = (r * S + s) * T + t
                    at = base + r * strides[0] + s * strides[1] + t * strides[2]
                    for j in range(filled):
                        packed[panel, k, j] = w[at + j * strides[3]]
                    for j in range(filled, wide):
                        packed[panel, k, j] = 0
