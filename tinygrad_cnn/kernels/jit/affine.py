"""The affine map of a layer and its gradients: three products, each with one of its factors repacked panel by panel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.layouts import FLOATS, contiguous
from tinygrad_cnn.kernels.jit.microkernel import VECTORS, copy_run, moved, pointer, transpose_square
from tinygrad_cnn.kernels.jit.packing import lanes
from tinygrad_cnn.kernels.jit.products import product, product_by_rows
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.small_products import small_linear, small_linear_grads
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.memory import empty

FEW = 1 << 18  # multiply-adds up to which small_products.py takes no longer
GRAIN = 1 << 19  # multiply-adds worth a thread of its own
BLOCK = 256  # rows

Array = NDArray[Any]


def linear(x: Array, w: Array, b: Array | None, relu: bool) -> Array:
    """As in `kernels.numpy`."""
    O, features = w.shape
    if x.size * O < FEW or x.dtype not in FLOATS:
        return small_linear(x, w, b, relu)
    rows, L = contiguous(_rows(x)), lanes(x)
    y = empty((len(rows), O), x.dtype)
    bias = np.zeros(O, x.dtype) if b is None else contiguous(b)
    panels = -(-O // (VECTORS * L))
    grain = 1 + GRAIN * panels // (x.size * O)
    packed = empty((parts(panels, grain), features, VECTORS * L), x.dtype)
    run(_multiply_panels, (rows, contiguous(w), bias, y, relu, L, packed), panels, grain)
    return y.reshape(*x.shape[:-1], O)


def linear_grads(
    g: Array, x: Array, w: Array, y: Array | None, needs: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    """As in `kernels.numpy`."""
    O, features = w.shape
    if x.size * O < FEW or x.dtype not in FLOATS:
        return small_linear_grads(g, x, w, y, needs)
    g, rows, L = contiguous(_rows(g)), contiguous(_rows(x)), lanes(x)
    R = len(g)
    gx = empty((R if needs[0] else 0, features), x.dtype)
    gw = empty((O if needs[1] else 0, features), x.dtype)
    gb = empty((O if needs[2] else 0,), x.dtype)
    panels = -(-features // (VECTORS * L))
    grain = 1 + GRAIN * panels // (R * O * features * max(1, needs[0] + needs[1]))
    n = parts(panels, grain)
    passed = empty((n, R * (O + L)), x.dtype)
    packed = empty((n, max(R, O), VECTORS * L), x.dtype)
    seen = g if y is None else contiguous(_rows(y))
    zeros = np.zeros(VECTORS * L, x.dtype)
    work = (g, seen, y is not None, rows, contiguous(w), gx, gw, gb, zeros, L, passed, packed)
    run(_grad_panels, work, panels, grain)
    return gx.reshape(x.shape) if needs[0] else None, gw if needs[1] else None, gb if needs[2] else None


@shared
def _grad_panels(g, y, relu, x, w, gx, gw, gb, zeros, lanes, passed, packed, part, first, last):
    (R, O), I = g.shape, w.shape[1]
    wide, row = packed.shape[2], O + lanes  # rows of a power of 2 would share the same few lines of the cache
    own, panel = pointer(passed, part * R * row), pointer(packed, part * packed.shape[1] * wide)
    zero = pointer(zeros, 0)
    for r in range(R):
        copy_run(moved(own, r * row), pointer(g, r * O), O)
        if relu:
            for o in range(O):
                own[r * row + o] = own[r * row + o] if y[r, o] != 0 else 0
    if part == 0 and len(gb):
        _sum_rows(own, row, R, gb)
    for number in range(first, last):
        j = number * wide
        width = min(wide, I - j)
        if len(gw):  # (O, R) (R, I)
            _pack_rows(x, j, width, panel, wide)
            product_by_rows(O, width, lanes, own, row, 0, panel, wide, 0, 0, 1, R, zero, 0, pointer(gw, j), I, 0)
        if len(gx):  # (R, O) (O, I)
            _pack_rows(w, j, width, panel, wide)
            product(R, width, lanes, own, row, 0, panel, wide, 0, 0, 1, O, zero, 0, pointer(gx, j), I, 0)


@inlined
def _sum_rows(g, row, rows, sums):
    """The sums over the rows of g, which lie `row` apart; blocks are summed alone, so that no sum has many terms."""
    total = np.zeros_like(sums)
    sums[:] = 0
    for block in range(0, rows, BLOCK):
        total[:] = 0
        for r in range(block, min(block + BLOCK, rows)):
            for o in range(len(sums)):
                total[o] += g[r * row + o]
        for o in range(len(sums)):
            sums[o] += total[o]


def _rows(x: Array) -> Array:
    """(..., I) -> (R, I)."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


@shared
def _multiply_panels(x, w, bias, y, relu, lanes, packed, part, first, last):
    """y = bias + x w^T (R, I) (I, O), a panel of outputs at a time."""
    R, I = x.shape
    O, wide = y.shape[1], packed.shape[2]
    panel = pointer(packed, part * I * wide)
    for number in range(first, last):
        o = number * wide
        width = min(wide, O - o)
        _pack_transposed(w, o, width, panel, wide, lanes)
        start, of_y = pointer(bias, o), pointer(y, o)
        product(R, width, lanes, pointer(x, 0), I, 0, panel, wide, 0, 0, 1, I, start, 0, of_y, O, relu)


@inlined
def _pack_rows(b, first, width, panel, wide):
    """panel (len(b), wide): columns of b from `first` on, zeros beyond `width` of them."""
    for k in range(len(b)):
        copy_run(moved(panel, k * wide), pointer(b, k * b.shape[1] + first), width)
        for j in range(width, wide):
            panel[k * wide + j] = 0


@inlined
def _pack_transposed(b, first, width, panel, wide, lanes):
    """panel (b.shape[1], wide): rows of b from `first` on, as columns, zeros beyond `width` of them."""
    depth = b.shape[1]
    squares = depth // lanes * lanes if width == wide else 0
    for k in range(0, squares, lanes):
        for j in range(0, wide, lanes):
            transpose_square(moved(panel, k * wide + j), wide, pointer(b, (first + j) * depth + k), depth)
    for k in range(squares, depth):
        for j in range(width):
            panel[k * wide + j] = b[first + j, k]
        for j in range(width, wide):
            panel[k * wide + j] = 0
