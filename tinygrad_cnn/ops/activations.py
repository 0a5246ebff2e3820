"""Activations: the functions between the layers of a network, applied to each element.

Most are a choice between two branches. At a kink the derivative is the one that PyTorch takes, and a rule chooses with
`where`, so that what is infinite or NaN in one branch stays out of the other.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.ops.arithmetic import _neg, _where
from tinygrad_cnn.ops.functions import _exp, _sigmoid, _tanh, in_one_pass
from tinygrad_cnn.ops.shapes import _reshape, refuse_integers

# ---- two lines that meet at 0


@primitive(elementwise=True)
def _prelu(x, w):
    return kernels.leaky_relu(x, w) if type(w) is float else kernels.select(x > 0, x, x * w)


def _prelu_rule(g, x, w):
    if type(w) is float and not isinstance(g, Tensor):
        return kernels.leaky_relu_grad(g, x, w)
    return _where(g, g * w, x > 0)


_prelu.defvjp(x=_prelu_rule, w=lambda g, x: _where(0.0, g * x, x > 0))


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Tensor:
    """x where x > 0, else negative_slope x. Gradient: g, or negative_slope g, also at 0 (a subgradient).

    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models".

    Example:
        >>> leaky_relu(Tensor([-1.0, 2.0]), 0.5).tolist()
        [-0.5, 2.0]
    """
    refuse_integers("leaky_relu", input)
    return _prelu(input, float(negative_slope))


def prelu(input: Any, weight: Any) -> Tensor:
    """x where x > 0, else weight x, with one learned weight for all channels or one for each.

    Shapes: input (N, C, ...); weight (), (1) or (C).

    Gradient: g, or weight g, also at 0 (a subgradient), to the input; the sum of g x over x <= 0 to the weight.

    Raises: ShapeError where the number of weights is neither 1 nor that of the channels.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.1.
    """
    refuse_integers("prelu", input)
    channels = 1 if len(input.shape) < 2 else input.shape[1]
    if len(weight.shape) > 1 or math.prod(weight.shape) not in (1, channels):
        raise ShapeError(f"prelu: expects a weight of shape (1,) or ({channels},), got {tuple(weight.shape)}")
    if not input.shape:
        return _prelu(input, _reshape(weight, ()))
    ones = (1,) * max(0, len(input.shape) - 2)
    return _prelu(input, _reshape(weight, (math.prod(weight.shape), *ones)))


# ---- smooth below 0


@primitive
def _elu(x, alpha):
    return kernels.elu(x, alpha)


def _elu_rule(g, x, alpha):
    return _where(g * (alpha * _exp(_where(x, 0.0, x < 0))), g, x <= 0)


@primitive
def _softplus(x, beta, threshold):
    z = x * beta
    smooth = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))  # log(1 + e^z), without overflow
    return kernels.select(z > threshold, x, smooth / beta)


def _softplus_rule(g, x, beta, threshold):
    z = x * beta
    return _where(g, g * _sigmoid(z), z > threshold)


_elu.defvjp(x=in_one_pass("elu_grad", _elu_rule))
_softplus.defvjp(x=_softplus_rule)


def elu(input: Any, alpha: float = 1.0) -> Tensor:
    """x where x > 0, else alpha (e^x - 1). Gradient: g, or alpha e^x g, also at 0 (a subgradient where alpha is not 1).

    Source: Clevert et al. 2016, "Fast and accurate deep network learning by exponential linear units".
    """
    refuse_integers("elu", input)
    return _elu(input, float(alpha))


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta x)) / beta, and x itself where beta x > threshold. Gradient: g sigmoid(beta x), or g.

    Raises: ArgumentError where `beta` is 0.

    Source: Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing".

    Example:
        >>> softplus(Tensor([0.0, 100.0])).tolist()
        [0.6931471824645996, 100.0]
    """
    refuse_integers("softplus", input)
    if beta == 0:
        raise ArgumentError("softplus: beta must not be 0")
    return _softplus(input, float(beta), float(threshold))


def logsigmoid(input: Any) -> Tensor:
    """log(1 / (1 + e^-x)), without overflow. Gradient: g sigmoid(-x)."""
    refuse_integers("logsigmoid", input)
    return _neg(_softplus(_neg(input), 1.0, math.inf))


# ---- x times a probability that grows with x


@primitive
def _normal_cdf(x):
    return kernels.normal_cdf(x)


@primitive
def _gelu(x):
    return kernels.gelu(x)


@primitive
def _gelu_tanh(x):
    return kernels.gelu_tanh(x)


@primitive
def _silu(x):
    return kernels.silu(x)


@primitive
def _hardswish(x):
    return kernels.hardswish(x)


_SLOPE, _CUBE = math.sqrt(2 / math.pi), 0.044715


def _gelu_tanh_rule(g, x):
    # y = x p with p = (1 + t) / 2, t = tanh u, so y' = p + x (1 - t^2) u' / 2
    t = _tanh(x * (x * x * (_SLOPE * _CUBE) + _SLOPE))
    slope = x * x * (3 * _SLOPE * _CUBE) + _SLOPE
    return g * ((t + 1) * 0.5 + x * (1 - t * t) * slope * 0.5)


def _silu_rule(g, x):
    s = _sigmoid(x)
    return g * (s * (x * (1 - s) + 1))


def _hardswish_rule(g, x):
    return _where(0.0, _where(g * (x / 3 + 0.5), g, x < 3), x <= -3)


def _normal_density(x):
    return _exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi))


_normal_cdf.defvjp(x=lambda g, x: g * _normal_density(x))
_gelu.defvjp(x=in_one_pass("gelu_grad", lambda g, x: g * (_normal_cdf(x) + x * _normal_density(x))))
_gelu_tanh.defvjp(x=in_one_pass("gelu_tanh_grad", _gelu_tanh_rule))
_silu.defvjp(x=in_one_pass("silu_grad", _silu_rule))
_hardswish.defvjp(x=in_one_pass("hardswish_grad", _hardswish_rule))


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """x P(x), with P the distribution function of the standard normal distribution.

    approximate: 'tanh' takes (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 for P(x), which is faster.

    Gradient: g (P(x) + x P'(x)).

    Raises: ArgumentError where `approximate` is neither 'none' nor 'tanh'.

    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units".
    """
    refuse_integers("gelu", input)
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return _gelu_tanh(input) if approximate == "tanh" else _gelu(input)


def silu(input: Any) -> Tensor:
    """x sigmoid(x), also called swish. Gradient: g s (1 + x (1 - s)) with s = sigmoid(x).

    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units"; Ramachandran et al. 2017, "Searching for activation
    functions".
    """
    refuse_integers("silu", input)
    return _silu(input)


def hardswish(input: Any) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6: silu in straight lines. Gradient: 0 up to -3, g from 3, g (x / 3 + 1/2) between.

    Source: Howard et al. 2019, "Searching for MobileNetV3", section 5.2.

    Example:
        >>> hardswish(Tensor([-4.0, 0.0, 4.0])).tolist()
        [-0.0, 0.0, 4.0]
    """
    refuse_integers("hardswish", input)
    return _hardswish(input)
