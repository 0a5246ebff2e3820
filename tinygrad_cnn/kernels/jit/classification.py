"""Cross entropy in one pass: each row of scores becomes its loss and its softmax while it is in the cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.exponentials import exp
from tinygrad_cnn.kernels.jit.lanes import largest, load, select, some, spread, store, total, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS, contiguous
from tinygrad_cnn.kernels.jit.microkernel import pointer
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.memory import empty

GRAIN = 1 << 15  # scores worth a thread of its own

Array = NDArray[Any]
Labels = NDArray[np.integer]


def cross_entropy(x: Array, labels: Labels) -> tuple[Array, Array]:
    """As in `kernels.numpy`."""
    if x.dtype not in FLOATS:
        return reference.cross_entropy(x, labels)
    N, C = x.shape
    grain = max(1, GRAIN // C)
    p = empty((N, C), x.dtype)
    losses = np.empty(parts(N, grain))
    run(_losses, (contiguous(x), contiguous(labels.astype(np.int64, copy=False)), p, losses), N, grain)
    loss = losses[0] if len(losses) == 1 else losses.sum()
    return x.dtype.type(loss / N), p


def cross_entropy_grad(g: Array, p: Array, labels: Labels) -> Array:
    """As in `kernels.numpy`."""
    if p.dtype not in FLOATS:
        return reference.cross_entropy_grad(g, p, labels)
    N, C = p.shape
    gx = empty((N, C), p.dtype)
    arguments = contiguous(p), contiguous(labels.astype(np.int64, copy=False)), float(g) / N, gx
    run(_grads, arguments, N, max(1, 8 * GRAIN // C))
    return gx


@shared
def _losses(x, labels, p, losses, part, start, stop):
    """Rows of p from start to stop, and losses[part], the sum of their losses."""
    C = x.shape[1]
    X, P = pointer(x, 0), pointer(p, 0)
    low = x.dtype.type(-np.inf)
    losses[part] = 0
    for row in range(start, stop):
        first = row * C
        tops = spread(low, some(0, X))
        for c in range(0, C, width(X)):
            here = some(C - c, X)
            score = load(X, first + c, here)
            tops = select(here & (score > tops), score, tops)
        top = largest(tops)
        sums = spread(x.dtype.type(0), some(0, X))
        for c in range(0, C, width(X)):
            here = some(C - c, X)
            e = exp(load(X, first + c, here) - spread(top, here))
            store(e, P, first + c, here)
            sums = sums + select(here, e, spread(x.dtype.type(0), here))
        sum_ = total(sums)
        share = x.dtype.type(1) / sum_
        for c in range(0, C, width(X)):
            here = some(C - c, X)
            store(load(P, first + c, here) * spread(share, here), P, first + c, here)
        losses[part] += math.log(sum_) + (top - x[row, labels[row]])


@shared
def _grads(p, labels, share, gx, part, start, stop):
    """Rows of gx from start to stop."""
    C = p.shape[1]
    P, X = pointer(p, 0), pointer(gx, 0)
    for c in range(start * C, stop * C, width(P)):
        here = some(stop * C - c, P)
        store(load(P, c, here) * spread(p.dtype.type(share), here), X, c, here)
    for row in range(start, stop):
        gx[row, labels[row]] -= p.dtype.type(share)
