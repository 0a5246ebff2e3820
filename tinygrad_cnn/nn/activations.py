"""Activations as layers."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.ops.activations import elu, gelu, hardswish, leaky_relu, logsigmoid, prelu, silu, softplus
from tinygrad_cnn.ops.classification import log_softmax, softmax
from tinygrad_cnn.ops.functions import relu, sigmoid, tanh


class ReLU(Module):
    """max(x, 0), with the derivative 0 at 0.

    Example:
        >>> import tinygrad_cnn as tg
        >>> ReLU()(tg.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return relu(input)


class Sigmoid(Module):
    """1 / (1 + e^-x)."""

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Softmax(Module):
    """e^x normalised to sum 1 along `dim`. `CrossEntropyLoss` takes the logits, before any Softmax.

    Example:
        >>> import tinygrad_cnn as tg
        >>> Softmax(dim=1)(tg.tensor([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of Softmax, without overflow: what `NLLLoss` takes."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LeakyReLU(Module):
    """x where x > 0, else negative_slope x.

    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models".

    Example:
        >>> import tinygrad_cnn as tg
        >>> LeakyReLU(0.5)(tg.tensor([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x where x > 0, else weight x, with one learned weight, or `num_parameters` of them, one for each channel.

    Shapes: (N, num_parameters, ...), or any for one weight. init: the weight's initial value.

    Raises: ArgumentError where `num_parameters` is below 1.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.1.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        if num_parameters < 1:
            raise ArgumentError(f"PReLU: num_parameters must be at least 1, got {num_parameters}")
        self.num_parameters = num_parameters
        self.weight = Parameter(np.full(num_parameters, init, np.float32))

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class ELU(Module):
    """x where x > 0, else alpha (e^x - 1).

    Source: Clevert et al. 2016, "Fast and accurate deep network learning by exponential linear units".
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class GELU(Module):
    """x times the probability that a standard normal variable is below x.

    approximate: 'none', or 'tanh' for a formula that is faster and right to three digits.

    Raises: ArgumentError for another `approximate`.

    Source: Hendrycks & Gimpel 2016, "Gaussian error linear units".
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ArgumentError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x sigmoid(x), also called swish."""

    def forward(self, input: Tensor) -> Tensor:
        return silu(input)


class Softplus(Module):
    """log(1 + e^(beta x)) / beta, and x itself where beta x > threshold.

    Raises: ArgumentError where `beta` is 0.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        if beta == 0:
            raise ArgumentError("Softplus: beta must not be 0")
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardswish(Module):
    """x min(max(x + 3, 0), 6) / 6: SiLU in straight lines.

    Source: Howard et al. 2019, "Searching for MobileNetV3", section 5.2.
    """

    def forward(self, input: Tensor) -> Tensor:
        return hardswish(input)


class LogSigmoid(Module):
    """log(1 / (1 + e^-x)), without overflow."""

    def forward(self, input: Tensor) -> Tensor:
        return logsigmoid(input)
