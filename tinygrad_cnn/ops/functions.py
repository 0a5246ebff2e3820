"""Functions of one variable, applied to each element."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor


@primitive(elementwise=True)
def _exp(x):
    return np.exp(x)


@primitive(elementwise=True)
def _log(x):
    return np.log(x)


@primitive(elementwise=True)
def _sqrt(x):
    return np.sqrt(x)


@primitive(elementwise=True)
def _tanh(x):
    return np.tanh(x)


@primitive(elementwise=True)
def _sigmoid(x):
    e = np.exp(np.abs(x) * -1.0)  # at most 1, so nothing overflows; -1.0, because uint8 has no minus
    return np.where(x >= 0, 1, e) / (1 + e)


@primitive
def _abs(x):
    return np.absolute(x)


@primitive
def _sign(x):
    return np.sign(x)


@primitive
def _relu(x):
    return np.maximum(x, 0)


_exp.defvjp(x=lambda g, y: g * y)
_log.defvjp(x=lambda g, x: g / x)
_sqrt.defvjp(x=lambda g, y: g / (2 * y))
_tanh.defvjp(x=lambda g, y: g * (1 - y * y))
_sigmoid.defvjp(x=lambda g, y: g * (y * (1 - y)))
_abs.defvjp(x=lambda g, x: g * _sign(x))
_relu.defvjp(x=lambda g, y: g * (y > 0))


def exp(input: Any) -> Tensor:
    """e^x. Gradient: g e^x, read from the output."""
    return _exp(input)


def log(input: Any) -> Tensor:
    """The natural logarithm. Gradient: g / x."""
    return _log(input)


def sqrt(input: Any) -> Tensor:
    """The square root. Gradient: g / (2 sqrt x), infinite at 0."""
    return _sqrt(input)


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent. Gradient: g (1 - y^2)."""
    return _tanh(input)


def sigmoid(input: Any) -> Tensor:
    """1 / (1 + e^-x), without overflow. Gradient: g y (1 - y)."""
    return _sigmoid(input)


def abs(input: Any) -> Tensor:
    """|x|. Gradient: g sign(x), with sign(0) = 0 (a subgradient)."""
    return _abs(input)


def relu(input: Any) -> Tensor:
    """max(x, 0). Gradient: g where x > 0, else 0; relu'(0) = 0 (a subgradient).

    Source: Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".

    Example:
        >>> relu(Tensor([-1.0, 0.0, 2.0])).tolist()
        [0.0, 0.0, 2.0]
    """
    return _relu(input)


register(exp=_exp, log=_log, sqrt=_sqrt, tanh=_tanh, sigmoid=_sigmoid, abs=_abs, relu=_relu)
