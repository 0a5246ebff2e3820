"""`Linear`, and `Flatten`, which leads to it."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.ops.products import linear
from tinygrad_cnn.ops.shapes import flatten


class Linear(Module):
    """y = x W^T + b.

    Shapes: (..., in_features) -> (..., out_features); weight (out_features, in_features). Parameters are float32.

    generator: where the initial values come from; by default the generator named "init".

    Initial values: weight and bias evenly from [-b, b], b = 1 / sqrt(in_features), as in PyTorch.

    Raises: ArgumentError or ArgumentTypeError where a number of features is no positive integer.

    Example:
        >>> Linear(256, 10)
        Linear(in_features=256, out_features=10, bias=True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_features = _count("Linear: in_features", in_features)
        self.out_features = _count("Linear: out_features", out_features)
        self.weight = Parameter(np.empty((out_features, in_features), np.float32))
        self.bias = Parameter(np.empty(out_features, np.float32)) if bias else None
        _initialise(self.weight, self.bias, generator)

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class Flatten(Module):
    """The dimensions from `start_dim` to `end_dim`, both included, as one: by default all but the batch.

    Shapes: (N, C, H, W) -> (N, C H W).

    Example:
        >>> import tinygrad_cnn as tg
        >>> Flatten()(tg.tensor(np.ones((2, 16, 4, 4)))).shape
        (2, 256)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        return flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


def _count(what: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ArgumentTypeError(f"{what} expects an int, got {value!r}")
    if value < 1:
        raise ArgumentError(f"{what} must be at least 1, got {value}")
    return int(value)


def _initialise(weight: Parameter, bias: Parameter | None, generator: np.random.Generator | None) -> None:
    init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)  # gain^2 = 2 / (1 + 5), so b = 1 / sqrt(fan_in)
    if bias is not None:
        fan_in, _ = init.fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in)
        init.uniform_(bias, -bound, bound, generator=generator)
