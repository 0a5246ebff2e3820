"""Initial values of parameters, written in place: `init.kaiming_normal_(layer.weight)`.

With fan_in inputs to each unit and fan_out units fed by each input, a layer keeps the variance of its signal where
Var[w] = gain^2 / fan_in (forward), and that of the gradient where Var[w] = gain^2 / fan_out (backward). A uniform
distribution on [-b, b] has the variance b^2 / 3.

Every function takes `generator=`, a `np.random.Generator`; without it the one named "init" is used, which
`manual_seed` restarts. The same state of the generator gives the same bits.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.random import generator as named_generator

__all__ = [
    "calculate_gain",
    "constant_",
    "fan_in_and_fan_out",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_T = TypeVar("_T", bound=Tensor)
_GAINS = {"linear": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}

# ---- plain values ----------------------------------------------------------------------------------------------------


def constant_(tensor: _T, val: float) -> _T:
    """Every element `val`."""
    return _written(tensor, np.full(tensor.shape, val))


def zeros_(tensor: _T) -> _T:
    """Every element 0."""
    return constant_(tensor, 0)


def ones_(tensor: _T) -> _T:
    """Every element 1."""
    return constant_(tensor, 1)


def uniform_(tensor: _T, a: float = 0.0, b: float = 1.0, *, generator: np.random.Generator | None = None) -> _T:
    """Drawn evenly from [a, b].

    Raises: ArgumentError where a > b.
    """
    if not (math.isfinite(a) and math.isfinite(b) and a <= b):
        raise ArgumentError(f"uniform_: expects finite a <= b, got a={a}, b={b}")
    return _written(_floating("uniform_", tensor), _drawing_from(generator).uniform(a, b, tensor.shape))


def normal_(tensor: _T, mean: float = 0.0, std: float = 1.0, *, generator: np.random.Generator | None = None) -> _T:
    """Drawn from the normal distribution.

    Raises: ArgumentError where std is negative.
    """
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0):
        raise ArgumentError(f"normal_: expects a finite mean and std >= 0, got mean={mean}, std={std}")
    return _written(_floating("normal_", tensor), _drawing_from(generator).normal(mean, std, tensor.shape))


# ---- variances that suit the layer -----------------------------------------------------------------------------------


def fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each unit of a weight has, and how many units each input feeds.

    Shapes: (O, I) -> (I, O); (O, C / groups, KH, KW) -> (C / groups KH KW, O KH KW).

    With groups fan_in is exact. fan_out counts, as in PyTorch, all O filters, though an input reaches only O / groups.

    Raises: ShapeError for a tensor of fewer than two dimensions.

    Example:
        >>> fan_in_and_fan_out(Tensor(np.zeros((16, 3, 5, 5))))
        (75, 400)
    """
    if tensor.ndim < 2:
        raise ShapeError(f"fan_in_and_fan_out: expects a weight of at least 2 dimensions, got shape {tensor.shape}")
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that makes up for what the activation after a layer takes from the standard deviation.

    1 for 'linear', 'conv2d' and 'sigmoid'; 5/3 for 'tanh'; sqrt(2) for 'relu'; 3/4 for 'selu'; sqrt(2 / (1 + a^2)) for
    'leaky_relu' with the negative slope a = `param` (0.01 by default).

    Raises: ArgumentError for another name.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2, for the rectifiers.
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join(map(repr, [*_GAINS, "leaky_relu"]))
        raise ArgumentError(f"calculate_gain: nonlinearity must be one of {known}, got {nonlinearity!r}")
    return _GAINS[nonlinearity]


def xavier_uniform_(tensor: _T, gain: float = 1.0, *, generator: np.random.Generator | None = None) -> _T:
    """Drawn evenly from [-b, b], b = gain sqrt(6 / (fan_in + fan_out)): between both directions' variances.

    Raises: ShapeError for a tensor of fewer than two dimensions.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 16.
    """
    bound = gain * math.sqrt(6 / _at_least_one(sum(fan_in_and_fan_out(tensor))))
    return uniform_(tensor, -bound, bound, generator=generator)


def xavier_normal_(tensor: _T, gain: float = 1.0, *, generator: np.random.Generator | None = None) -> _T:
    """Drawn from the normal distribution with std = gain sqrt(2 / (fan_in + fan_out)).

    Raises: ShapeError for a tensor of fewer than two dimensions.

    Source: Glorot & Bengio 2010, eq. 12, the variance behind eq. 16.
    """
    std = gain * math.sqrt(2 / _at_least_one(sum(fan_in_and_fan_out(tensor))))
    return normal_(tensor, 0.0, std, generator=generator)


def kaiming_uniform_(
    tensor: _T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: np.random.Generator | None = None,
) -> _T:
    """Drawn evenly from [-b, b], b = gain sqrt(3 / fan), gain = calculate_gain(nonlinearity, a).

    a: the negative slope of 'leaky_relu' (0: the rectifier). mode: 'fan_in' keeps the variance of the signal, 'fan_out'
    that of the gradient.

    Raises: ShapeError for a tensor of fewer than two dimensions; ArgumentError for an unknown mode or nonlinearity.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2, eq. 10 and 14.

    Example:
        >>> weight = kaiming_uniform_(Tensor(np.zeros((4, 6))), generator=np.random.default_rng(0))
        >>> bool(abs(weight.data).max() <= 1.0)  # sqrt(2) sqrt(3 / 6)
        True
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator=generator)


def kaiming_normal_(
    tensor: _T,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    generator: np.random.Generator | None = None,
) -> _T:
    """Drawn from the normal distribution with std = gain / sqrt(fan); the arguments of `kaiming_uniform_`.

    Raises: as `kaiming_uniform_` does.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2, eq. 10 and 14.
    """
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator=generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"kaiming: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan_in, fan_out = fan_in_and_fan_out(tensor)
    fan = _at_least_one(fan_in if mode == "fan_in" else fan_out)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _at_least_one(fan: int) -> int:
    return max(fan, 1)  # a weight without elements has nothing to draw, and no variance to divide by


# ---- drawing and writing ---------------------------------------------------------------------------------------------


def _drawing_from(generator: np.random.Generator | None) -> np.random.Generator:
    if generator is None:
        return named_generator("init")
    if not isinstance(generator, np.random.Generator):
        raise ArgumentTypeError(
            f"init: generator expects a np.random.Generator, got {type(generator).__name__}; "
            "pass np.random.default_rng(seed)"
        )
    return generator


def _floating(operation: str, tensor: _T) -> _T:
    if tensor.dtype.kind != "f":
        raise DTypeError(f"{operation}: expects a floating-point Tensor, got {tensor.dtype}; convert it with .float()")
    return tensor


def _written(tensor: _T, values: ArrayLike) -> _T:
    array: np.ndarray[Any, Any] = np.asarray(values)
    tensor.data = array.astype(tensor.dtype)  # stamps the version: a graph that kept the old values refuses to go on
    return tensor
