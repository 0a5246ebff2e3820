"""Pooling: every window becomes its maximum, or its mean.

Letters: N batch, C channels, H x W input, KH x KW kernel, OH x OW output; S stride, D dilation. With (i, j) over the
outputs, (k, l) over the kernel, p = i S + k D and q = j S + l D, and X the input with its padding, which is -inf for a
maximum and 0 for a mean of KH KW (or any given number of) pixels:

    maximum  y[n,c,i,j]  = max of X[n,c,p,q] over k, l = x[n, c, index[n,c,i,j]]           max_pool2d, max_pool2d_gather
    adjoint  gx[n,c,m]   = sum of g[n,c,i,j] over the i, j with index[n,c,i,j] = m         max_pool2d_scatter
    mean     y[n,c,i,j]  = sum of X[n,c,p,q] / (KH KW) over k, l                           avg_pool2d
    adjoint  gX[n,c,p,q] = sum of g[n,c,i,j] / (KH KW) over the i, j, k, l that read (p,q) avg_pool2d_input_grad

A maximum selects: with its index held fixed it is a linear gather, and the adjoint of a gather is a scatter that adds,
<x[index], g> = sum over m of x[m] (sum of g where index = m). A mean adds KH KW shifted slices of X; its adjoint adds g
to the same slices. Both separate, a window being KH rows of KW taps: KH + KW steps on whole arrays, not KH KW.

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.memory import empty
from tinygrad_cnn.kernels.numpy.activations import relu_grad
from tinygrad_cnn.kernels.numpy.padding import crop, pad

# ---- maximum ---------------------------------------------------------------------------------------------------------


def max_pool2d(x: NDArray[Any], window: Window) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """The maximum of every window and the position h W + w, in its input plane, of the first one in row-major order.

    NaN counts as larger than all before it, so that the last one wins, as in PyTorch. The padding is never chosen, even
    by a window of nothing but -inf: every window must read a pixel, which the caller checks.

    Shapes: x (N, C, H, W) -> y and index (N, C, OH, OW). Dtype: that of x; index is int32.

    Example:
        >>> from tinygrad_cnn.geometry import window
        >>> x = np.array([[[[1.0, 5.0, 0.0, 0.0], [5.0, 2.0, 0.0, 3.0]]]])
        >>> y, index = max_pool2d(x, window("max_pool2d", (2, 4), 2, stride=2, padding=0))
        >>> y.tolist(), index.tolist()
        ([[[[5.0, 3.0]]]], [[[[1, 7]]]])
    """
    y, taps = _maxima(x, window)
    starts, first_pixels, offsets = _positions(window)
    index = offsets.take(taps)
    index += starts
    if window.is_padded:
        np.copyto(index, first_pixels, where=y == -np.inf)  # nothing has beaten the padding
    return y, index


def max_pool2d_gather(x: NDArray[Any], index: NDArray[Any]) -> NDArray[Any]:
    """The elements of each plane at the positions in `index`.

    Shapes: x (N, C, H, W), index (N, C, OH, OW) -> (N, C, OH, OW). Dtype: that of x.
    """
    return x.reshape(-1).take(_flat(index, x.shape[2] * x.shape[3])).reshape(index.shape)


def max_pool2d_scatter(g: NDArray[Any], index: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Planes of zeros to which g is added at the positions in `index`, as often as they occur.

    Shapes: g and index (N, C, OH, OW), size (H, W) -> (N, C, H, W). Dtype: that of g.
    """
    x = empty((*g.shape[:2], *size), g.dtype)
    x.fill(0)
    np.add.at(x.reshape(-1), _flat(index, size[0] * size[1]), g.reshape(-1))
    return x


def _maxima(x: NDArray[Any], window: Window) -> tuple[NDArray[Any], NDArray[Any]]:
    """The maximum of every window, NaN as in `max_pool2d`, and which of its taps, counted row by row, it is."""
    y, taps = _first_maximum(x, window, np.greater)
    if np.isnan(y).any():  # rare: heeding it in every comparison would cost a third more
        y, taps = _first_maximum(x, window, greater_or_nan)
    return y, taps


def _first_maximum(
    x: NDArray[Any], window: Window, beats: Callable[[Any, Any], Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """y and taps as in `_maxima`, `beats` being the strict comparison that decides.

    The number of a tap, kh KW + kw, grows in row-major order. A tap that beats all before it therefore has the largest
    number so far, and the larger number is all that need be kept: in one byte, where that is enough.
    """
    padded = pad(x, window, -np.inf)
    KH, KW = window.kernel
    rows, columns = window.taps
    number = np.min_scalar_type(KH * KW - 1).type

    # (N, C, H, W) -> (N, C, H, OW)
    best = padded[..., columns[0]]
    taps = np.zeros(best.shape, number)
    for kw in range(1, KW):
        rival = padded[..., columns[kw]]
        np.maximum(taps, _where(beats(rival, best), number(kw)), out=taps)
        best = np.maximum(best, rival)

    # (N, C, H, OW) -> (N, C, OH, OW)
    y, tap = best[..., rows[0], :], taps[..., rows[0], :]
    for kh in range(1, KH):
        rival = best[..., rows[kh], :]
        tap = np.maximum(tap, _where(beats(rival, y), taps[..., rows[kh], :] + number(kh * KW)))
        y = np.maximum(y, rival)
    return y.copy() if window.kernel == (1, 1) else y, tap


def _where(wins: NDArray[np.bool_], tap: Any) -> NDArray[Any]:
    """`tap` where a rival wins, else 0: a product of bytes, as NumPy would convert booleans one by one."""
    product: NDArray[Any] = wins.view(np.uint8) * tap
    return product


def greater_or_nan(rival: NDArray[Any], best: NDArray[Any]) -> NDArray[np.bool_]:
    """Where the rival takes the place of the best so far."""
    result: NDArray[np.bool_] = (rival > best) | np.isnan(rival)
    return result


@lru_cache(1024)
def _positions(window: Window) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """For each window (OH, OW), the position of its first tap and of the first that is not padding.

    And for each tap, counted row by row, how far behind its window's first it lies.
    """
    axes = zip(window.output_size, window.stride, window.padding, strict=True)
    i, j = (np.arange(count, dtype=np.int32) * step - before for count, step, (before, _) in axes)
    p, q = (np.where(start < 0, start % d, start) for start, d in zip((i, j), window.dilation, strict=True))
    k, l = (np.arange(count, dtype=np.int32) * d for count, d in zip(window.kernel, window.dilation, strict=True))
    W = window.size[1]
    return i[:, None] * W + j, p[:, None] * W + q, (k[:, None] * W + l).reshape(-1)


def _flat(index: NDArray[Any], plane: int) -> NDArray[np.intp]:
    """Positions in a plane -> positions in the whole array (N, C, plane), as one vector."""
    N, C, OH, OW = index.shape
    starts = np.arange(0, N * C * plane, plane)
    flat: NDArray[np.intp] = (index.reshape(N * C, OH * OW) + starts[:, None]).reshape(-1)
    return flat


# ---- mean ------------------------------------------------------------------------------------------------------------


def avg_pool2d(x: NDArray[Any], window: Window, divisor: int | NDArray[np.intp] | None = None) -> NDArray[Any]:
    """The sum of every window over its divisor, by default KH KW: then zeros of the padding count.

    Shapes: x (N, C, H, W), divisor a number or (OH, OW) -> (N, C, OH, OW). Dtype: that of x.
    """
    padded = pad(x, window)
    rows, columns = window.taps
    sums = reduce(np.add, [padded[..., tap, :] for tap in rows])  # (N, C, OH, W)
    sums = reduce(np.add, [sums[..., tap] for tap in columns])  # (N, C, OH, OW)
    y: NDArray[Any] = sums / _divisor(divisor, window, x.dtype)
    return y


def avg_pool2d_input_grad(
    g: NDArray[Any], window: Window, divisor: int | NDArray[np.intp] | None = None
) -> NDArray[Any]:
    """The gradient of <avg_pool2d(x), g> in x.

    Shapes: g (N, C, OH, OW), divisor a number or (OH, OW) -> (N, C, H, W). Dtype: that of g.
    """
    rows, columns = window.taps
    KH, KW = window.kernel
    share = g / _divisor(divisor, window, g.dtype)
    padded = np.zeros((*g.shape[:2], *window.padded_size), g.dtype)
    if window.stride == window.kernel and window.dilation == (1, 1):  # disjoint windows: every pixel is written once
        tiled = share.repeat(KW, axis=3).repeat(KH, axis=2)
        padded[..., : tiled.shape[2], : tiled.shape[3]] = tiled
        return crop(padded, window)
    spread = np.zeros((*g.shape[:3], window.padded_size[1]), g.dtype)  # (N, C, OH, W)
    for tap in columns:
        spread[..., tap] += share
    for tap in rows:
        padded[..., tap, :] += spread
    return crop(padded, window)


def _divisor(divisor: int | NDArray[np.intp] | None, window: Window, dtype: np.dtype[Any]) -> Any:
    """In the dtype of what it divides: float32 over int64 would be float64."""
    return dtype.type(window.kernel[0] * window.kernel[1]) if divisor is None else np.asarray(divisor, dtype)


# ---- relu, then the maximum of windows side by side ------------------------------------------------------------------


def relu_max_pool2d(x: NDArray[Any], pool: Window) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """relu(x) pooled by its maxima, and which of its window's taps, counted row by row, each maximum of x is.

    pool: at most 256 taps, no padding, and windows that do not overlap: the stride is the kernel's size.

    Shapes: x (N, C, H, W) -> y and taps (N, C, OH, OW). Ties and NaN as in `max_pool2d`.

    Example:
        >>> from tinygrad_cnn.geometry import window
        >>> x = np.array([[[[1.0, 5.0, -1.0, -2.0], [5.0, 2.0, -1.0, -3.0]]]])
        >>> y, taps = relu_max_pool2d(x, window("max_pool2d", (2, 4), 2, stride=2, padding=0))
        >>> y.tolist(), taps.tolist()
        ([[[[5.0, 0.0]]]], [[[[1, 0]]]])
    """
    best, taps = _maxima(x, pool)
    return np.maximum(best, 0, out=best), taps


def relu_max_pool2d_grad(g: NDArray[Any], y: NDArray[Any], taps: NDArray[np.uint8], pool: Window) -> NDArray[Any]:
    """The gradient of <relu_max_pool2d(x), g> in x: g at the maxima above 0 (or NaN), 0 at all other pixels.

    Shapes: g, y and taps (N, C, OH, OW) -> (N, C, H, W). Dtype: that of g.
    """
    starts, _, offsets = _positions(pool)
    index = offsets.take(taps)
    index += starts
    return max_pool2d_scatter(relu_grad(g, y), index, pool.size)
