"""Activations in one pass over memory, in whatever order the numbers lie; those with exponentials in float32 only.

One compiled function computes all of them, and one all of their gradients: which it is to be is one of their arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.elementwise import in_one_pass
from tinygrad_cnn.kernels.jit.exponentials import exp, expm1
from tinygrad_cnn.kernels.jit.lanes import fma, load, select, some, spread, store, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS
from tinygrad_cnn.kernels.jit.microkernel import pointer
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.numpy.activations import CUBE, SLOPE
from tinygrad_cnn.kernels.numpy.normal_distribution import MIDDLE

FEW = 2048  # elements, up to which NumPy takes less time than the call of a compiled function

Array = NDArray[Any]

ROOT = np.float32(math.sqrt(0.5))
DENSITY = np.float32(1 / math.sqrt(2 * math.pi))  # of the normal distribution at 0
TOP, BOTTOM = MIDDLE  # of the ratio that is right for every z in float32

SIGMOID, TANH, SILU, GELU, GELU_TANH, ELU, LEAKY_RELU, HARDSWISH = range(8)


def relu(x: Array) -> Array:
    """As in `kernels.numpy`."""
    if x.size <= 8 * FEW or x.dtype not in FLOATS:  # NumPy's is one pass too
        return reference.relu(x)
    return in_one_pass(_relu, (x,))


def relu_grad(g: Array, y: Array) -> Array:
    """As in `kernels.numpy`."""
    if g.size <= FEW or g.dtype not in FLOATS:
        return reference.relu_grad(g, y)
    return in_one_pass(_relu_grad, (y, g))


def _function(name: str, number: int) -> Callable[..., Array]:
    def function(x: Array, *option: float) -> Array:
        if x.size <= FEW or x.dtype != np.float32:
            return getattr(reference, name)(x, *option)
        return in_one_pass(_map, (x,), number, *map(float, option or (0.0,)))

    function.__doc__ = "As in `kernels.numpy`."
    return function


def _gradient(name: str, number: int) -> Callable[..., Array]:
    def gradient(g: Array, known: Array, *option: float) -> Array:
        if g.size <= FEW or g.dtype != np.float32:
            return getattr(reference, name)(g, known, *option)
        return in_one_pass(_map_grad, (known, g), number, *map(float, option or (0.0,)))

    gradient.__doc__ = "As in `kernels.numpy`."
    return gradient


sigmoid, sigmoid_grad = _function("sigmoid", SIGMOID), _gradient("sigmoid_grad", SIGMOID)
tanh, tanh_grad = _function("tanh", TANH), _gradient("tanh_grad", TANH)
silu, silu_grad = _function("silu", SILU), _gradient("silu_grad", SILU)
gelu, gelu_grad = _function("gelu", GELU), _gradient("gelu_grad", GELU)
gelu_tanh, gelu_tanh_grad = _function("gelu_tanh", GELU_TANH), _gradient("gelu_tanh_grad", GELU_TANH)
elu, elu_grad = _function("elu", ELU), _gradient("elu_grad", ELU)
leaky_relu, leaky_relu_grad = _function("leaky_relu", LEAKY_RELU), _gradient("leaky_relu_grad", LEAKY_RELU)
hardswish, hardswish_grad = _function("hardswish", HARDSWISH), _gradient("hardswish_grad", HARDSWISH)


@shared
def _relu(x, y, part, start, stop):
    X, Y = pointer(x, 0), pointer(y, 0)
    for i in range(start, stop, width(X)):
        here = some(stop - i, X)
        value = load(X, i, here)
        zero = spread(x.dtype.type(0), here)
        store(select(value <= zero, zero, value), Y, i, here)


@shared
def _relu_grad(y, g, gx, part, start, stop):
    Y, G, X = pointer(y, 0), pointer(g, 0), pointer(gx, 0)
    for i in range(start, stop, width(G)):
        here = some(stop - i, G)
        zero = spread(g.dtype.type(0), here)
        store(select(load(Y, i, here) <= zero, zero, load(G, i, here)), X, i, here)


@shared
def _map(x, y, which, option, part, start, stop):
    X, Y = pointer(x, 0), pointer(y, 0)
    for i in range(start, stop, width(X)):
        here = some(stop - i, X)
        value, a = load(X, i, here), spread(np.float32(option), here)
        zero, one = spread(np.float32(0), here), spread(np.float32(1), here)
        if which == SIGMOID:
            value = _sigmoid(value, zero, one)
        elif which == TANH:
            value = _tanh(value, zero, one)
        elif which == SILU:
            value = value * _sigmoid(value, zero, one)
        elif which == GELU:
            value = value * _normal_cdf(value, zero, one, here)
        elif which == GELU_TANH:
            value = value * _half(one + _tanh(value * _gelu_slope(value, 1, here), zero, one), here)
        elif which == ELU:
            value = select(value <= zero, a * expm1(value), value)
        elif which == LEAKY_RELU:
            value = select(value > zero, value, a * value)
        else:
            value = value * _hard_sigmoid(value, zero, one, here)
        store(value, Y, i, here)


@shared
def _map_grad(known, g, gx, which, option, part, start, stop):
    """known: y of sigmoid and tanh, x of the others."""
    K, G, X = pointer(known, 0), pointer(g, 0), pointer(gx, 0)
    for i in range(start, stop, width(G)):
        here = some(stop - i, G)
        v, h, a = load(K, i, here), load(G, i, here), spread(np.float32(option), here)
        zero, one = spread(np.float32(0), here), spread(np.float32(1), here)
        if which == SIGMOID:
            h = h * (v * (one - v))
        elif which == TANH:
            h = h * (one - v * v)
        elif which == SILU:
            s = _sigmoid(v, zero, one)
            h = h * (s * (v * (one - s) + one))
        elif which == GELU:
            density = exp(v * v * spread(np.float32(-0.5), here)) * spread(DENSITY, here)
            h = h * (_normal_cdf(v, zero, one, here) + v * density)
        elif which == GELU_TANH:
            t = _tanh(v * _gelu_slope(v, 1, here), zero, one)
            h = h * _half((t + one) + v * (one - t * t) * _gelu_slope(v, 3, here), here)
        elif which == ELU:
            h = select(v <= zero, h * (a * exp(v)), h)
        elif which == LEAKY_RELU:
            h = select(v > zero, h, h * a)
        else:
            three = spread(np.float32(3), here)
            slope = h * (v / three + spread(np.float32(0.5), here))
            h = select(v <= zero - three, zero, select(three > v, slope, h))
        store(h, X, i, here)


# ---- of one vector


@inlined
def _sigmoid(x, zero, one):
    return one / (one + exp(zero - x))


@inlined
def _tanh(x, zero, one):
    """t / (t + 2) with t = e^(2 |x|) - 1, and the sign of x; from 10 on, it is 1."""
    size = select(x > zero, x, zero - x)
    ten = spread(np.float32(10), size > zero)
    size = select(size > ten, ten, size)
    t = expm1(size + size)
    y = t / (t + (one + one))
    return select(zero > x, zero - y, y)


@inlined
def _gelu_slope(x, power, here):
    """u / x for power 1, du / dx for power 3, where u = SLOPE (x + CUBE x^3)."""
    return fma(x * x, spread(np.float32(power * SLOPE * CUBE), here), spread(np.float32(SLOPE), here))


@inlined
def _half(x, here):
    return x * spread(np.float32(0.5), here)


@inlined
def _hard_sigmoid(x, zero, one, here):
    """x / 6 + 1 / 2, between 0 and 1."""
    y = x / spread(np.float32(6), here) + spread(np.float32(0.5), here)
    return select(y <= zero, zero, select(y > one, one, y))


@inlined
def _normal_cdf(x, zero, one, here):
    """erfc(-x / sqrt 2) / 2, as in `kernels.numpy.normal_distribution`."""
    z = select(x > zero, x, zero - x) * spread(ROOT, here)
    most = spread(np.float32(30), here)
    z = select(z > most, most, z)
    top, bottom = zero, zero
    for i in range(len(TOP)):
        top = fma(top, z, spread(np.float32(TOP[i]), here))
        bottom = fma(bottom, z, spread(np.float32(BOTTOM[i]), here))
    tail = spread(np.float32(0.5), here) * exp(zero - z * z) * (top / bottom)
    return select(zero > x, tail, one - tail)
