"""Batch norm on channels-last memory, where a pixel is a row of neighbouring channels: two passes each way.

Forward, the first pass finds mean and variance of each channel, the second writes y. A variance from sums of x^2 loses
its digits where the mean is large. Each block of rows that fits the first-level cache is therefore read twice, for its
mean and for the squares of what is left, M = sum (x - mean)^2, and blocks are put together as in

    n = n1 + n2      d = mean2 - mean1      mean = mean1 + d n2 / n      M = M1 + M2 + d^2 n1 n2 / n

Backward, the first pass finds sum g and sum g (x - mean), the second writes gx. A relu after the norm costs no pass of
its own: y > 0 is known from x.

Other norms are NumPy's. Source: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.channels import sum_apart
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.lanes import fma, load, select, some, spread, store, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS, channels_last, contiguous
from tinygrad_cnn.kernels.jit.microkernel import moved, pointer
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.memory import empty
from tinygrad_cnn.kernels.numpy.normalisation import Layout

GRAIN = 1 << 16  # elements worth a thread of its own, of x or of x and g
BLOCK = 1 << 12  # elements of x in a block

Array = NDArray[Any]


def normalise(x: Array, w: Array | None, b: Array | None, layout: Layout, eps: float) -> tuple[Array, Array, Array]:
    """As in `kernels.numpy`."""
    if not _is_batch_norm(x, layout):
        return reference.normalise(x, w, b, layout, eps)
    return _normalise(x, w, b, layout, eps, False)


def normalise_relu(
    x: Array, w: Array | None, b: Array | None, layout: Layout, eps: float
) -> tuple[Array, Array, Array]:
    """As in `kernels.numpy`."""
    if not _is_batch_norm(x, layout):
        return reference.normalise_relu(x, w, b, layout, eps)
    return _normalise(x, w, b, layout, eps, True)


def normalise_grads(
    g: Array, x: Array, w: Array | None, layout: Layout, eps: float, mean: Array, var: Array
) -> tuple[Array, Array, Array]:
    """As in `kernels.numpy`."""
    if not _is_batch_norm(x, layout):
        return reference.normalise_grads(g, x, w, layout, eps, mean, var)
    return _grads(g, x, w, None, layout, eps, mean, var, False)


def normalise_relu_grads(
    g: Array, x: Array, w: Array | None, b: Array | None, layout: Layout, eps: float, mean: Array, var: Array
) -> tuple[Array, Array, Array]:
    """As in `kernels.numpy`."""
    if not _is_batch_norm(x, layout):
        return reference.normalise_relu_grads(g, x, w, b, layout, eps, mean, var)
    return _grads(g, x, w, b, layout, eps, mean, var, True)


def scale_channels(x: Array, scale: Array, shift: Array) -> Array:
    """As in `kernels.numpy`."""
    if x.dtype not in FLOATS or x.ndim not in (2, 4) or x.size == 0:
        return reference.scale_channels(x, scale, shift)
    return _like(_affine(_rows(x), np.zeros_like(scale), scale, shift, False), x)


def _normalise(
    x: Array, w: Array | None, b: Array | None, layout: Layout, eps: float, relu: bool
) -> tuple[Array, Array, Array]:
    rows = _rows(x)
    mean, var = _moments(rows)
    _, scale = _scales(var, eps, w)
    y = _affine(rows, mean, scale, _vector(b, scale), relu)
    return _like(y, x), mean.reshape(layout.scale), var.reshape(layout.scale)


def _grads(
    g: Array,
    x: Array,
    w: Array | None,
    b: Array | None,
    layout: Layout,
    eps: float,
    mean: Array,
    var: Array,
    relu: bool,
) -> tuple[Array, Array, Array]:
    rows = _rows(x)
    n, C = rows.shape
    grain = max(1, GRAIN // (2 * C))
    mean = contiguous(mean).reshape(-1)
    s, scale = _scales(var.reshape(-1), eps, w)
    arrays = _rows(g), rows, mean, scale, _vector(b, scale)
    sums = empty((parts(n, grain), 2, C), x.dtype)
    run(_sums, (*arrays, relu, sums), n, grain)
    gb, gw = sums.sum(axis=0)
    gw *= s
    gx = empty(rows.shape, x.dtype)
    run(_input_grad, (*arrays, relu, gb / n, gw * s / n, gx), n, grain)
    return _like(gx, x), gw.reshape(layout.scale), gb.reshape(layout.scale)


def _scales(var: Array, eps: float, w: Array | None) -> tuple[Array, Array]:
    """1 / sqrt(var + eps), and that times w."""
    s = 1 / np.sqrt(var + eps)
    return s, s if w is None else s * w.reshape(-1)


def _vector(parameter: Array | None, like: Array) -> Array:
    """The numbers of a parameter, 0 where there is none."""
    return np.zeros_like(like) if parameter is None else contiguous(parameter).reshape(-1)


# ---- arrays as rows of channels --------------------------------------------------------------------------------------


def _is_batch_norm(x: Array, layout: Layout) -> bool:
    """Whether x is (N, C) or (N, C, H, W), of floats, not empty, and normalised over everything but the channels."""
    return (
        layout.axes in ((0,), (0, 2))
        and x.ndim in (2, 4)
        and x.shape[:2] == layout.view[:2]
        and layout.scale[:2] == (1, x.shape[1])
        and x.dtype in FLOATS
        and x.size > 0
    )


def _rows(x: Array) -> Array:
    """x (N, C) or (N, C, H, W) -> (N H W, C)."""
    return (channels_last(x) if x.ndim == 4 else contiguous(x)).reshape(-1, x.shape[1])


def _like(rows: Array, x: Array) -> Array:
    """The inverse of `_rows`, for an x of that shape."""
    if x.ndim == 2:
        return rows
    N, C, H, W = x.shape
    return rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)


# ---- passes ----------------------------------------------------------------------------------------------------------


def _moments(rows: Array) -> tuple[Array, Array]:
    """Mean and variance of each column."""
    n, C = rows.shape
    grain = max(1, GRAIN // C)
    found = empty((parts(n, grain), 3, C), rows.dtype)
    run(_moments_of_parts, (rows, found), n, grain)
    mean, squares, _ = found[0]
    count = n // len(found)
    for part, (other, more, _) in enumerate(found[1:], 1):
        added = n * (part + 1) // len(found) - n * part // len(found)  # as `run` cuts its range
        apart = other - mean
        mean += apart * (added / (count + added))
        squares += more + apart * apart * (count * added / (count + added))
        count += added
    return mean, squares / n


def _affine(rows: Array, mean: Array, scale: Array, shift: Array, relu: bool) -> Array:
    """(rows - mean) scale + shift."""
    y = empty(rows.shape, rows.dtype)
    run(_scale_rows, (rows, mean, scale, shift, relu, y), len(rows), max(1, GRAIN // rows.shape[1]))
    return y


@shared
def _moments_of_parts(rows, found, part, start, stop):
    """found[part] = mean and M of the rows from start to stop.

    Means are kept as their differences to that of the first block, which are small, and so are their rounding errors.
    """
    C = rows.shape[1]
    x = pointer(rows, 0)
    anchors = pointer(found, 3 * part * C)
    squares, means = moved(anchors, C), moved(anchors, 2 * C)
    block = 8 + BLOCK // C
    for first in range(start, stop, block):
        n1, n2 = first - start, min(block, stop - first)
        share = rows.dtype.type(n2 / (n1 + n2))
        weight = rows.dtype.type(n1 * (n2 / (n1 + n2)))
        for c in range(0, C, width(x)):
            here = some(C - c, x)
            mean2, M2 = _block_moments(x, first * C + c, C, n2, rows.dtype.type(1 / n2), here)
            if n1 == 0:
                store(mean2, anchors, c, here)
                store(mean2 - mean2, means, c, here)
            else:
                mean1 = load(means, c, here)
                d = mean2 - load(anchors, c, here) - mean1
                store(fma(d, spread(share, here), mean1), means, c, here)
                M2 = M2 + fma(d * d, spread(weight, here), load(squares, c, here))
            store(M2, squares, c, here)
    for c in range(0, C, width(x)):
        here = some(C - c, x)
        store(load(anchors, c, here) + load(means, c, here), anchors, c, here)


@inlined
def _block_moments(x, at, step, count, share, here):
    """Mean and M of `count` vectors, `step` apart from x[at] on; share = 1 / count.

    Of a mean that is off by e, the sum of x - mean tells e, and the sum of squares is too large by count e^2.
    """
    mean = sum_apart(x, at, step, count, here) * spread(share, here)
    u = a = b = load(x, at, some(0, x))
    for _ in range(count // 2):
        v, w = load(x, at, here) - mean, load(x, at + step, here) - mean
        a, b = fma(v, v, a), fma(w, w, b)
        u = u + (v + w)
        at += 2 * step
    if count % 2:
        v = load(x, at, here) - mean
        a, u = fma(v, v, a), u + v
    e = u * spread(share, here)
    return mean + e, a + b - u * e


@shared
def _scale_rows(rows, mean, scale, shift, relu, y, part, start, stop):
    """y = (rows - mean) scale + shift, or relu of that."""
    C = rows.shape[1]
    x, m, s, b, out = pointer(rows, 0), pointer(mean, 0), pointer(scale, 0), pointer(shift, 0), pointer(y, 0)
    for row in range(start, stop):
        for c in range(0, C, width(x)):
            here = some(C - c, x)
            centred = load(x, row * C + c, here) - load(m, c, here)
            value = fma(centred, load(s, c, here), load(b, c, here))
            if relu:
                zero = spread(rows.dtype.type(0), here)
                value = select(value <= zero, zero, value)
            store(value, out, row * C + c, here)


@shared
def _sums(g, rows, mean, scale, shift, relu, sums, part, start, stop):
    """sums[part] = sum g and sum g (x - mean) over the rows from start to stop; g counts where relu lets it through."""
    C = rows.shape[1]
    x, gy, m, s, shifts = pointer(rows, 0), pointer(g, 0), pointer(mean, 0), pointer(scale, 0), pointer(shift, 0)
    totals, products = pointer(sums, 2 * part * C), pointer(sums, (2 * part + 1) * C)
    block = 8 + BLOCK // C
    for first in range(start, stop, block):
        last = min(first + block, stop)
        for c in range(0, C, width(x)):
            here = some(C - c, x)
            mean_c, scale_c, shift_c = load(m, c, here), load(s, c, here), load(shifts, c, here)
            zero = spread(rows.dtype.type(0), here)
            a = b = zero
            for row in range(first, last):
                h = load(gy, row * C + c, here)
                centred = load(x, row * C + c, here) - mean_c
                if relu:
                    h = select(fma(centred, scale_c, shift_c) <= zero, zero, h)
                a = a + h
                b = fma(h, centred, b)
            if first > start:
                a = a + load(totals, c, here)
                b = b + load(products, c, here)
            store(a, totals, c, here)
            store(b, products, c, here)


@shared
def _input_grad(g, rows, mean, scale, shift, relu, of_all, of_centred, gx, part, start, stop):
    """gx = (g - of_all - (x - mean) of_centred) scale; g counts where relu lets it through."""
    C = rows.shape[1]
    x, gy, m, s, b = pointer(rows, 0), pointer(g, 0), pointer(mean, 0), pointer(scale, 0), pointer(shift, 0)
    u, v, out = pointer(of_all, 0), pointer(of_centred, 0), pointer(gx, 0)
    for row in range(start, stop):
        for c in range(0, C, width(x)):
            here = some(C - c, x)
            zero = spread(rows.dtype.type(0), here)
            h = load(gy, row * C + c, here)
            centred, factor = load(x, row * C + c, here) - load(m, c, here), load(s, c, here)
            if relu:
                h = select(fma(centred, factor, load(b, c, here)) <= zero, zero, h)
            store((h - load(u, c, here) - centred * load(v, c, here)) * factor, out, row * C + c, here)
