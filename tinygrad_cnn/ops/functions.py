"""Functions of one variable, applied to each element: a table of functions, the table of their rules, the public names.

Each rule is g f'(x), written with whichever of x and y = f(x) makes it cheapest.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import DTypeError


def in_one_pass(kernel: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule, which a kernel computes in one pass over memory where no derivative of it will be asked for."""

    @wraps(rule)
    def either(g, *kept):
        return rule(g, *kept) if isinstance(g, Tensor) else getattr(kernels, kernel)(g, *kept)

    return either


# ---- exponentials and roots


@primitive(elementwise=True)
def _exp(x):
    return np.exp(x)


@primitive(elementwise=True)
def _expm1(x):
    return np.expm1(x)


@primitive(elementwise=True)
def _log(x):
    return np.log(x)


@primitive(elementwise=True)
def _log1p(x):
    return np.log1p(x)


@primitive(elementwise=True)
def _sqrt(x):
    return np.sqrt(x)


@primitive(elementwise=True)
def _rsqrt(x):
    return 1.0 / np.sqrt(x)


@primitive(elementwise=True)
def _tanh(x):
    return kernels.tanh(x)


@primitive(elementwise=True)
def _sigmoid(x):
    return kernels.sigmoid(x)


_exp.defvjp(x=lambda g, y: g * y)
_expm1.defvjp(x=lambda g, y: g * (y + 1))
_log.defvjp(x=lambda g, x: g / x)
_log1p.defvjp(x=lambda g, x: g / (x + 1))
_sqrt.defvjp(x=lambda g, y: g / (2 * y))
_rsqrt.defvjp(x=lambda g, y: g * (y * y * y * -0.5))
_tanh.defvjp(x=in_one_pass("tanh_grad", lambda g, y: g * (1 - y * y)))
_sigmoid.defvjp(x=in_one_pass("sigmoid_grad", lambda g, y: g * (y * (1 - y))))

# ---- trigonometry, in radians


@primitive(elementwise=True)
def _sin(x):
    return np.sin(x)


@primitive(elementwise=True)
def _cos(x):
    return np.cos(x)


@primitive(elementwise=True)
def _tan(x):
    return np.tan(x)


@primitive(elementwise=True)
def _asin(x):
    return np.arcsin(x)


@primitive(elementwise=True)
def _acos(x):
    return np.arccos(x)


@primitive(elementwise=True)
def _atan(x):
    return np.arctan(x)


_sin.defvjp(x=lambda g, x: g * _cos(x))
_cos.defvjp(x=lambda g, x: -g * _sin(x))
_tan.defvjp(x=lambda g, y: g * (y * y + 1))
_asin.defvjp(x=lambda g, x: g / _sqrt(1 - x * x))
_acos.defvjp(x=lambda g, x: -g / _sqrt(1 - x * x))
_atan.defvjp(x=lambda g, x: g / (x * x + 1))

# ---- pieces of straight lines


@primitive
def _abs(x):
    return np.absolute(x)


@primitive
def _relu(x):
    return kernels.relu(x)


@primitive
def _relu_grad(g, output):
    return kernels.relu_grad(g, output)


@primitive
def _sign(x):
    return np.sign(x)


@primitive
def _floor(x):
    return np.floor(x)


@primitive
def _round(x, decimals):
    return np.round(x, decimals)


_abs.defvjp(x=lambda g, x: g * _sign(x))
_relu.defvjp(x=lambda g, y: _relu_grad(g, _steps(y)) if isinstance(g, Tensor) else kernels.relu_grad(g, y))
_relu_grad.defvjp(g=lambda u, output: _relu_grad(u, output))


def _steps(y):
    """As a constant: where y is above 0 changes in steps, whose derivative is 0 wherever it exists."""
    return y.data if isinstance(y, Tensor) else y


def exp(input: Any) -> Tensor:
    """e^x. Gradient: g e^x, read from the output."""
    return _exp(input)


def expm1(input: Any) -> Tensor:
    """e^x - 1, exact near 0. Gradient: g e^x."""
    return _expm1(input)


def log(input: Any) -> Tensor:
    """The natural logarithm. Gradient: g / x."""
    return _log(input)


def log1p(input: Any) -> Tensor:
    """log(1 + x), exact near 0. Gradient: g / (1 + x)."""
    return _log1p(input)


def sqrt(input: Any) -> Tensor:
    """The square root. Gradient: g / (2 sqrt x), infinite at 0."""
    return _sqrt(input)


def rsqrt(input: Any) -> Tensor:
    """1 / sqrt x. Gradient: -g x^(-3/2) / 2."""
    return _rsqrt(input)


def sin(input: Any) -> Tensor:
    """The sine. Gradient: g cos x."""
    return _sin(input)


def cos(input: Any) -> Tensor:
    """The cosine. Gradient: -g sin x."""
    return _cos(input)


def tan(input: Any) -> Tensor:
    """The tangent. Gradient: g (1 + y^2)."""
    return _tan(input)


def asin(input: Any) -> Tensor:
    """The angle in [-pi/2, pi/2] of which x is the sine. Gradient: g / sqrt(1 - x^2)."""
    return _asin(input)


def acos(input: Any) -> Tensor:
    """The angle in [0, pi] of which x is the cosine. Gradient: -g / sqrt(1 - x^2)."""
    return _acos(input)


def atan(input: Any) -> Tensor:
    """The angle in (-pi/2, pi/2) of which x is the tangent. Gradient: g / (1 + x^2)."""
    return _atan(input)


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
    """max(x, 0). Gradient: g where x > 0 (or NaN), else 0; relu'(0) = 0 (a subgradient).

    Source: Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".

    Example:
        >>> relu(Tensor([-1.0, 0.0, 2.0])).tolist()
        [0.0, 0.0, 2.0]
    """
    return _relu(input)


def sign(input: Any) -> Tensor:
    """-1, 0 or 1, and NaN for NaN. Piecewise constant: no gradient flows through it."""
    return _sign(input)


def floor(input: Any) -> Tensor:
    """The largest integer that is not above x. Piecewise constant: no gradient flows through it."""
    return _floor(input)


def round(input: Any, *, decimals: int = 0) -> Tensor:
    """The nearest number of `decimals` decimal places, halves to the even one. No gradient flows through it.

    Raises: DTypeError where decimals of integers are asked for.

    Example:
        >>> round(Tensor([0.5, 1.5, -2.7])).tolist()
        [0.0, 2.0, -3.0]
    """
    if decimals and input.dtype.kind != "f":
        raise DTypeError(f"round: decimals={decimals} expects floating-point input, got {input.dtype}; use .float()")
    return _round(input, decimals)


register(exp=_exp, expm1=_expm1, log=_log, log1p=_log1p, sqrt=_sqrt, rsqrt=_rsqrt, tanh=_tanh, sigmoid=_sigmoid)
register(sin=_sin, cos=_cos, tan=_tan, asin=_asin, acos=_acos, atan=_atan)
register(abs=_abs, relu=_relu, sign=_sign, floor=_floor)
register(round)
