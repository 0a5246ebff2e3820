"""Convolution as matrix products, and its two adjoints.

Letters: N batch, C input channels, O output channels, H x W input, KH x KW kernel, OH x OW output, P = OH OW;
S stride, D dilation; X is the input with its padding, and `groups` splits C and O into parts that do not mix.

In index form, with (i, j) over the outputs, (k, l) over the kernel, p = i S + k D and q = j S + l D:

    y[n,o,i,j]  = sum of w[o,c,k,l] X[n,c,p,q] over c, k, l  (+ b[o])                      conv2d
    gX[n,c,p,q] = sum of w[o,c,k,l] g[n,o,i,j] over o and the i, j, k, l that read (p,q)   conv2d_input_grad
    gw[o,c,k,l] = sum of g[n,o,i,j] X[n,c,p,q] over n, i, j                                conv2d_weight_grad

In array form, let A (im2col, `_columns`) copy the windows of X into a matrix V = A(X) of C KH KW rows and P columns per
image. A only selects, so its adjoint A' (`_add_columns`) adds each element of such a matrix to the pixel it comes from:

    y  = w V            (O, C KH KW) (C KH KW, P)
    gX = A'(w' g)       because <w A(X), g> = <A(X), w' g> = <X, A'(w' g)>
    gw = g V'           because <w V, g> = <w, g V'>; summed over the images

A pixel that no window reads is in no row of V: its gradient is 0. Where S = 1, output (i, j) reads pixel (p, q) at the
tap with i = p - k D, j = q - l D: gX is itself a convolution, of g with the kernel turned half round, C and O swapped.

Sources: Chellapilla, Puri, Simard 2006, "High performance convolutional neural networks for document processing" (the
product); Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 4 (the adjoint).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window, mirrored
from tinygrad_cnn.kernels.memory import empty
from tinygrad_cnn.kernels.numpy.padding import crop, pad

CHUNK = 1 << 20  # bytes of V made at once: it is read back while it is still in the second-level cache


def conv2d(x: NDArray[Any], w: NDArray[Any], b: NDArray[Any] | None, window: Window, groups: int = 1) -> NDArray[Any]:
    """y = w * x + b, a cross-correlation.

    Shapes: x (N, C, H, W), w (O, C/groups, KH, KW), b (O,) or None -> (N, O, OH, OW). Dtype: that of x, w and b.

    Example:
        >>> from tinygrad_cnn.geometry import window
        >>> x, w = np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[1.0, 0.0], [0.0, -1.0]]]])
        >>> conv2d(x, w, None, window("conv2d", (3, 3), 2, stride=1, padding=0)).tolist()
        [[[[-4.0, -4.0], [-4.0, -4.0]]]]
    """
    filters = _by_group(w, groups)
    y = empty((len(x), len(w), *window.output_size), x.dtype)
    rows = _rows(y, groups)
    for images in chunks(x, window):
        np.matmul(filters, _columns(x[images], window, groups), out=rows[images])
        if b is not None:
            y[images] += b[:, None, None]
    return y


def conv2d_input_grad(g: NDArray[Any], w: NDArray[Any], window: Window, groups: int = 1) -> NDArray[Any]:
    """The gradient of <conv2d(x, w), g> in x.

    Shapes: g (N, O, OH, OW), w (O, C/groups, KH, KW) -> (N, C, H, W). Dtype: that of g and w.
    """
    C = w.shape[1] * groups
    mirror = mirrored(window) if len(w) <= C else None  # where O > C, the V of g is larger than that of x
    if mirror is not None:
        return conv2d(g, _turned(w, groups), None, mirror, groups)
    x = empty((len(g), C, *window.size), g.dtype)
    filters = _by_group(w, groups).swapaxes(1, 2)
    for images in chunks(x, window):
        x[images] = _add_columns(filters @ _rows(g[images], groups), window)
    return x


def conv2d_weight_grad(x: NDArray[Any], g: NDArray[Any], window: Window, groups: int = 1) -> NDArray[Any]:
    """The gradient of <conv2d(x, w), g> in w.

    Shapes: x (N, C, H, W), g (N, O, OH, OW) -> (O, C/groups, KH, KW). Dtype: that of x and g.
    """
    outputs, inputs = g.shape[1], x.shape[1] // groups
    KH, KW = window.kernel
    w = np.zeros((groups, inputs * KH * KW, outputs // groups), x.dtype)  # V g' is a faster product than g V'
    for images in chunks(x, window):
        products = _columns(x[images], window, groups) @ _rows(g[images], groups).swapaxes(2, 3)
        w += products.sum(axis=0)
    return np.ascontiguousarray(w.swapaxes(1, 2)).reshape(outputs, inputs, KH, KW)


def unfold(x: NDArray[Any], window: Window) -> NDArray[Any]:
    """V itself, the windows side by side: x (N, C, H, W) -> (N, C KH KW, P)."""
    v = _columns(x, window, 1)[:, 0]
    return v.copy() if np.may_share_memory(v, x) else v


def fold(v: NDArray[Any], window: Window) -> NDArray[Any]:
    """The adjoint of `unfold`, sums where windows overlap: v (N, C KH KW, P) -> (N, C, H, W)."""
    return _add_columns(v, window)


# ---- arrays as matrices ----------------------------------------------------------------------------------------------


def _by_group(w: NDArray[Any], groups: int) -> NDArray[Any]:
    """w (O, C/groups, KH, KW) -> (groups, O/groups, C/groups KH KW)."""
    return w.reshape(groups, len(w) // groups, -1)


def _turned(w: NDArray[Any], groups: int) -> NDArray[Any]:
    """The kernels turned half round, inputs and outputs swapped: w (O, C/groups, KH, KW) -> (C, O/groups, KH, KW)."""
    outputs, inputs, *kernel = w.shape
    grouped = w.reshape(groups, outputs // groups, inputs, *kernel)[..., ::-1, ::-1]
    return grouped.swapaxes(1, 2).reshape(groups * inputs, outputs // groups, *kernel)


def _rows(g: NDArray[Any], groups: int) -> NDArray[Any]:
    """g (n, O, OH, OW) -> (n, groups, O/groups, P)."""
    n, outputs, OH, OW = g.shape
    return g.reshape(n, groups, outputs // groups, OH * OW)


# ---- the windows as a matrix -----------------------------------------------------------------------------------------


def _columns(x: NDArray[Any], window: Window, groups: int) -> NDArray[Any]:
    """V: x (n, C, H, W) -> (n, groups, C/groups KH KW, P)."""
    x = np.ascontiguousarray(pad(x, window))
    n, C = x.shape[:2]
    image, channel, row, column = x.strides
    (SH, SW), (DH, DW) = window.stride, window.dilation
    windows = np.ndarray(  # a view, as of `as_strided`, but checked against the bounds of x, and four times as fast
        (n, C, *window.kernel, *window.output_size),
        x.dtype,
        x,
        strides=(image, channel, row * DH, column * DW, row * SH, column * SW),
    )
    rows = C // groups * window.kernel[0] * window.kernel[1]
    return windows.reshape(n, groups, rows, window.output_size[0] * window.output_size[1])


def _add_columns(v: NDArray[Any], window: Window) -> NDArray[Any]:
    """The adjoint of `_columns`: v (n, groups, C/groups KH KW, P) -> (n, C, H, W).

    First along H, where at stride 1 whole planes are added, then along W, KW of them instead of KH KW row by row.
    """
    (KH, KW), (OH, OW) = window.kernel, window.output_size
    v = v.reshape(len(v), math.prod(v.shape[1:-1]) // (KH * KW), KH, KW, OH, OW)
    columns = np.zeros((*v.shape[:2], KW, window.padded_size[0], OW), v.dtype)
    for kh, tap in enumerate(window.taps[0]):
        columns[..., tap, :] += v[:, :, kh]
    padded = np.zeros((*v.shape[:2], *window.padded_size), v.dtype)
    for kw, tap in enumerate(window.taps[1]):
        padded[..., tap] += columns[:, :, kw]
    return crop(padded, window)


def chunks(x: NDArray[Any], window: Window) -> Iterator[slice]:
    """Slices of the batch, each of one image or more, whose V takes up to CHUNK bytes."""
    OH, OW = window.output_size
    KH, KW = window.kernel
    step = max(1, CHUNK // (x.shape[1] * KH * KW * OH * OW * x.itemsize))
    for start in range(0, len(x), step):
        yield slice(start, start + step)
