"""Activations: functions of one number, applied to each, and their gradients g f'(x), from x or from y = f(x).

Which branch a kink belongs to, and what the gradient of each function is, the public functions say. Those of two
branches choose by bits, so that what is infinite or NaN in one stays out of the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.numpy.normal_distribution import normal_cdf
from tinygrad_cnn.kernels.numpy.selection import FEW, cleared, select

Array = NDArray[Any]

SLOPE, CUBE = math.sqrt(2 / math.pi), 0.044715  # of gelu_tanh

# ---- straight lines --------------------------------------------------------------------------------------------------


def relu(x: Array) -> Array:
    """max(x, 0); NaN stays NaN.

    Example:
        >>> relu(np.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    y: Array = np.maximum(x, 0)
    return y


def relu_grad(g: Array, y: Array) -> Array:
    """The gradient of <relu(x), g> in x, from y = relu(x): g where y > 0 (or NaN), 0 elsewhere, whatever g is there.

    Shapes: g and y alike.

    Example:
        >>> relu_grad(np.array([3.0, np.inf]), np.array([2.0, 0.0])).tolist()
        [3.0, 0.0]
    """
    zero = np.zeros((), g.dtype)  # NumPy compares with an array in half the time that a number takes
    return cleared(y <= zero, g) if g.size > FEW else np.where(y <= zero, zero, g)


def leaky_relu(x: Array, slope: float) -> Array:
    """x where x > 0, else slope x."""
    return select(x > 0, x, x * slope)


def leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    """g where x > 0, else slope g."""
    return select(x > 0, g, g * slope)


def hardswish(x: Array) -> Array:
    """x min(max(x + 3, 0), 6) / 6."""
    y: Array = x * np.clip(x / 6 + 0.5, 0, 1)
    return y


def hardswish_grad(g: Array, x: Array) -> Array:
    """0 where x <= -3, g where x >= 3, g (x / 3 + 1 / 2) between."""
    return select(x <= -3, 0.0, select(x < 3, g * (x / 3 + 0.5), g))


# ---- exponentials ----------------------------------------------------------------------------------------------------


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is 0, and right
        e = np.exp(x * -1.0)  # -1.0, because uint8 has no minus
    e += 1
    y: Array = 1 / e
    return y


def sigmoid_grad(g: Array, y: Array) -> Array:
    """g y (1 - y)."""
    gx: Array = g * (y * (1 - y))
    return gx


def tanh(x: Array) -> Array:
    """(e^x - e^-x) / (e^x + e^-x)."""
    y: Array = np.tanh(x)
    return y


def tanh_grad(g: Array, y: Array) -> Array:
    """g (1 - y^2)."""
    gx: Array = g * (1 - y * y)
    return gx


def silu(x: Array) -> Array:
    """x sigmoid(x)."""
    y: Array = x * sigmoid(x)
    return y


def silu_grad(g: Array, x: Array) -> Array:
    """g s (1 + x (1 - s)) with s = sigmoid(x)."""
    s = sigmoid(x)
    gx: Array = g * (s * (x * (1 - s) + 1))
    return gx


def elu(x: Array, alpha: float) -> Array:
    """x where x > 0, else alpha (e^x - 1)."""
    return select(x <= 0, alpha * np.expm1(np.minimum(x, 0)), x)


def elu_grad(g: Array, x: Array, alpha: float) -> Array:
    """g where x > 0, else alpha e^x g."""
    return select(x <= 0, g * (alpha * np.exp(np.minimum(x, 0))), g)


def gelu(x: Array) -> Array:
    """x P(x), with P = normal_cdf."""
    y: Array = x * normal_cdf(x)
    return y


def gelu_grad(g: Array, x: Array) -> Array:
    """g (P(x) + x P'(x)), where P'(x) = e^(-x^2 / 2) / sqrt(2 pi)."""
    gx: Array = g * (normal_cdf(x) + x * (np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))))
    return gx


def gelu_tanh(x: Array) -> Array:
    """x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3)."""
    y: Array = x * (0.5 * np.tanh(x * (x * x * (SLOPE * CUBE) + SLOPE)) + 0.5)
    return y


def gelu_tanh_grad(g: Array, x: Array) -> Array:
    """g ((1 + t) / 2 + x (1 - t^2) u' / 2) with t = tanh u."""
    squares = x * x
    t = np.tanh(x * (squares * (SLOPE * CUBE) + SLOPE))
    gx: Array = g * ((t + 1) * 0.5 + x * (1 - t * t) * (squares * (3 * SLOPE * CUBE) + SLOPE) * 0.5)
    return gx
