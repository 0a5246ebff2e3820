"""The affine map of a layer, y = x W^T + b, with or without max(y, 0) after it.

Letters: R rows, all leading dimensions of x together; I and O the features that come in and go out. With g = dJ/dy,
which is set to 0 first where the maximum has cut y off:

    gx = g W        (R, O) (O, I) -> (R, I)
    gW = g^T x      (O, R) (R, I) -> (O, I)
    gb = sum of g over the rows
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.memory import empty
from tinygrad_cnn.kernels.numpy.activations import relu_grad

Array = NDArray[np.floating]

MANY = 32768  # numbers of a result, from which on a call of `matmul`, dearer than one of `dot`, pays


def linear(x: Array, w: Array, b: Array | None, relu: bool) -> Array:
    """x w^T + b, and where `relu` the larger of that and 0, NaN included.

    Shapes: x (..., I), w (O, I), b (O) -> (..., O).

    Example:
        >>> linear(np.ones((2, 3)), np.ones((1, 3)), np.array([-5.0]), relu=True).tolist()
        [[0.0], [0.0]]
    """
    y = _product(_rows(x), w.T)
    if b is not None:
        y += b
    if relu:
        np.maximum(y, 0, out=y)
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], len(w))


def linear_grads(
    g: Array, x: Array, w: Array, y: Array | None, needs: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    """The gradients of <linear(x, w, b), g> in x, w and b, those of them that `needs` asks for.

    y: what `linear` returned, where it was asked for `relu`: its derivative is 0 where y is 0.

    Shapes: g and y (..., O), x (..., I), w (O, I) -> (..., I), (O, I), (O).
    """
    if y is not None:
        g = relu_grad(g, y)
    rows, columns = _rows(g), _rows(x)
    return (
        _product(rows, w).reshape(x.shape) if needs[0] else None,
        _product(rows.T, columns) if needs[1] else None,
        np.add.reduce(rows, 0) if needs[2] else None,
    )


def _product(a: Array, b: Array) -> Array:
    """a b, of two matrices.

    `dot` fills its result with zeros first, and everything that reads a large one gains where that starts at a line of
    the cache. But a call of `matmul` costs more, and before NumPy 2.3 it is slow where a matrix has to be copied first.
    """
    if len(a) * b.shape[1] < MANY or not (a.flags.forc and b.flags.forc):
        y: Array = a.dot(b)
        return y
    return np.matmul(a, b, out=empty((len(a), b.shape[1]), a.dtype))


def _rows(x: Array) -> Array:
    """(..., I) -> (R, I)."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
