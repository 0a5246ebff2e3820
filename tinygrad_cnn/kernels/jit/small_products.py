"""The affine map of a layer for small batches and layers, where calling a library takes longer than the arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.compilation import compiled, inlined
from tinygrad_cnn.kernels.jit.lanes import fma, load, some, spread, store, total, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS
from tinygrad_cnn.kernels.jit.microkernel import pointer

Array = NDArray[Any]

FEW = 1 << 18  # multiply-adds, up to which these loops are faster than the library's


def small_linear(x: Array, w: Array, b: Array | None, relu: bool) -> Array:
    """As `linear` in `kernels.numpy`."""
    if not _is_small(x, w) or not (b is None or b.flags.carray):
        return reference.linear(x, w, b, relu)
    y = np.empty((len(x), len(w)), x.dtype)
    _linear(x, w, np.empty(0, x.dtype) if b is None else b, y, relu)
    return y


def small_linear_grads(
    g: Array, x: Array, w: Array, y: Array | None, needs: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    """As `linear_grads` in `kernels.numpy`."""
    if not _is_small(x, w) or not g.flags.carray or not (y is None or y.flags.carray):
        return reference.linear_grads(g, x, w, y, needs)
    needs_x, needs_w, needs_b = needs
    gx = np.empty(x.shape, x.dtype) if needs_x else x  # what is not asked for is not touched
    gw = np.empty(w.shape, x.dtype) if needs_w else w
    gb = np.empty(len(w), x.dtype)
    _linear_grads(g, x, w, g if y is None else y, gx, gw, gb, y is not None, needs_x, needs_w)
    return gx if needs_x else None, gw if needs_w else None, gb if needs_b else None


def _is_small(x: Array, w: Array) -> bool:
    """Whether these are matrices of few enough numbers, and in the form that compiled code takes."""
    if x.ndim != 2 or x.size * len(w) > FEW or x.dtype not in FLOATS:
        return False
    return x.flags.carray and w.flags.carray


@compiled
def _linear(x, w, b, y, relu):
    (R, I), O = x.shape, len(w)
    X, W = pointer(x, 0), pointer(w, 0)
    whole = I - I % width(X)
    every, rest = some(width(X), X), some(I - whole, X)
    nothing = spread(x.dtype.type(0), every)
    for o in range(0, O, 4):  # two rows of x and four of w, the last of either again where there are fewer
        w0, w1, w2, w3 = o * I, min(o + 1, O - 1) * I, min(o + 2, O - 1) * I, min(o + 3, O - 1) * I
        for r in range(0, R, 2):
            x0, x1 = r * I, min(r + 1, R - 1) * I
            sums = (nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing)
            for i in range(0, whole, width(X)):
                sums = _added(sums, X, x0 + i, x1 + i, W, w0 + i, w1 + i, w2 + i, w3 + i, every)
            i = whole
            sums = _added(sums, X, x0 + i, x1 + i, W, w0 + i, w1 + i, w2 + i, w3 + i, rest)
            for k in range(min(4, O - o)):
                y[r, o + k] = total(sums[k])
                if r + 1 < R:
                    y[r + 1, o + k] = total(sums[4 + k])
    for r in range(R):
        for o in range(O):
            value = y[r, o] + b[o] if b.size else y[r, o]
            y[r, o] = 0 if relu and value <= 0 else value


@inlined
def _added(sums, X, x0, x1, W, w0, w1, w2, w3, here):
    """The eight sums of products of two rows of x with four of w, and one vector of each added."""
    s0, s1, s2, s3, t0, t1, t2, t3 = sums
    a, b = load(X, x0, here), load(X, x1, here)
    v0, v1, v2, v3 = load(W, w0, here), load(W, w1, here), load(W, w2, here), load(W, w3, here)
    return (
        fma(a, v0, s0), fma(a, v1, s1), fma(a, v2, s2), fma(a, v3, s3),
        fma(b, v0, t0), fma(b, v1, t1), fma(b, v2, t2), fma(b, v3, t3),
    )  # fmt: skip


@compiled
def _linear_grads(g, x, w, y, gx, gw, gb, relu, needs_x, needs_w):
    (R, I), O = x.shape, len(w)
    zero = g.dtype.type(0)
    slopes = np.empty((R, O), g.dtype)
    gb[:] = zero
    for r in range(R):
        for o in range(O):
            slope = zero if relu and y[r, o] <= 0 else g[r, o]
            gb[o] += slope
            slopes[r, o] = slope
    if needs_x:
        _multiply(slopes, R, O, O, 1, w, gx, I)
    if needs_w:
        _multiply(slopes, O, 1, R, O, x, gw, I)


@inlined
def _multiply(a, rows, a_row, depth, a_step, b, c, columns):
    """c[m, i] = sum over k of a[m a_row + k a_step] b[k, i]."""
    A, B, C = pointer(a, 0), pointer(b, 0), pointer(c, 0)
    for m in range(0, rows, 4):
        m1, m2, m3 = min(m + 1, rows - 1), min(m + 2, rows - 1), min(m + 3, rows - 1)
        for i in range(0, columns, width(B)):
            here = some(columns - i, B)
            t0 = t1 = t2 = t3 = spread(a.dtype.type(0), here)
            for k in range(depth):
                v = load(B, k * columns + i, here)
                t0 = fma(v, spread(A[m * a_row + k * a_step], here), t0)
                t1 = fma(v, spread(A[m1 * a_row + k * a_step], here), t1)
                t2 = fma(v, spread(A[m2 * a_row + k * a_step], here), t2)
                t3 = fma(v, spread(A[m3 * a_row + k * a_step], here), t3)
            store(t0, C, m * columns + i, here)
            store(t1, C, m1 * columns + i, here)
            store(t2, C, m2 * columns + i, here)
            store(t3, C, m3 * columns + i, here)
