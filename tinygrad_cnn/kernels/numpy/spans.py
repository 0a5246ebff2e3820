"""Spans: windows along one axis that may differ in size, as of adaptive pooling and of up-sampling.

Span o holds the places p with starts[o] <= p < ends[o]; neither starts nor ends ever decrease.

    sum      y[o] = sum of x[p] over the span o                                            sum_spans
    adjoint  gx[p] = sum of g[o] over the o with starts[o] <= p < ends[o]                  sum_spans over `dual` spans

As neither bound decreases, the spans that hold p are neighbours, from the first that ends after p to the last that
starts at p or before: the adjoint is a sum over spans again, and the spans of the adjoint's adjoint are the first ones.
A place picked, y[o] = x[starts[o]], is a span of 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.numpy.pooling import greater_or_nan

Spans = tuple[NDArray[np.intp], NDArray[np.intp]]  # the starts, and the ends, which do not belong


def sum_spans(x: NDArray[Any], spans: Spans, dim: int) -> NDArray[Any]:
    """The sum of every span along `dim`, counted from the front; that of an empty span is 0.

    Shapes: x (..., size, ...), spans (count), (count) -> (..., count, ...). Dtype: that of x.

    Example:
        >>> spans = np.array([0, 1]), np.array([2, 3])
        >>> sum_spans(np.array([1.0, 2.0, 4.0]), spans, 0).tolist()
        [3.0, 6.0]
    """
    starts, ends = spans
    steps = np.arange(max(1, int((ends - starts).max(initial=0))))
    taps = starts + steps[:, None]  # (longest, count)
    beyond = taps >= ends
    if beyond.any():  # a shorter span reads a 0 instead
        taps[beyond] = x.shape[dim]
        x = np.concatenate([x, np.zeros((*x.shape[:dim], 1, *x.shape[dim + 1 :]), x.dtype)], dim)
    y: NDArray[Any] = x.take(taps[0], dim)
    for tap in taps[1:]:
        y += x.take(tap, dim)
    return y


def dual(spans: Spans, size: int) -> Spans:
    """For each of `size` places, the span of the spans that hold it.

    Example:
        >>> dual((np.array([0, 1]), np.array([2, 3])), 3)
        (array([0, 0, 1]), array([1, 2, 2]))
    """
    starts, ends = spans
    places = np.arange(size)
    return np.searchsorted(ends, places, "right"), np.searchsorted(starts, places, "right")


def max_of_spans(x: NDArray[Any], rows: Spans, columns: Spans) -> NDArray[np.intp]:
    """The position h W + w of the maximum of x over the rows of one span and the columns of another.

    Shapes: x (N, C, H, W), rows (OH), (OH), columns (OW), (OW) -> (N, C, OH, OW). Ties and NaN as in `max_pool2d`.
    """
    best, column = _best_of_spans(x, columns)  # (N, C, H, OW)
    _, row = _best_of_spans(best.swapaxes(2, 3), rows)  # (N, C, OW, OH)
    row = row.swapaxes(2, 3)
    position: NDArray[np.intp] = row * x.shape[3] + np.take_along_axis(column, row, axis=2)
    return position


def _best_of_spans(x: NDArray[Any], spans: Spans) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The maximum of every span of the last axis, none of them empty, and its place."""
    starts, ends = spans
    best = x[..., starts]
    place = np.broadcast_to(starts, best.shape)
    for k in range(1, int((ends - starts).max(initial=1))):
        tap = np.minimum(starts + k, ends - 1)  # a shorter span's last place again, which changes nothing
        rival = x[..., tap]
        wins = greater_or_nan(rival, best)
        best, place = np.where(wins, rival, best), np.where(wins, tap, place)
    return best, place
