"""Layers with weights, and `Flatten`, which joins the two kinds."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.geometry import Sizes, pair, window
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.ops.convolution import conv2d
from tinygrad_cnn.ops.products import linear
from tinygrad_cnn.ops.shapes import flatten


class Conv2d(Module):
    """Learned filters that slide over images: y[n, o] = sum over c of x[n, c] * weight[o, c] + bias[o].

    Shapes: (N, in_channels, H, W) -> (N, out_channels, OH, OW), where
    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1;
    weight (out_channels, in_channels / groups, KH, KW), bias (out_channels).

    Units: kernel_size, stride, padding and dilation in pixels, an int or a pair (along H, along W); padding also 'same'
    or 'valid'. Parameters are float32.

    groups: channels and filters fall into that many groups, and each filter reads only the channels of its group.
    generator: where the initial values come from; by default the generator named "init".

    Initial values: weight and bias evenly from [-b, b], b = 1 / sqrt(in_channels / groups KH KW), as in PyTorch.

    Raises: ArgumentError or ArgumentTypeError for arguments outside their range.

    Example:
        >>> Conv2d(3, 16, kernel_size=5, padding=2)
        Conv2d(3, 16, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = _count("Conv2d: in_channels", in_channels)
        self.out_channels = _count("Conv2d: out_channels", out_channels)
        self.groups = _count("Conv2d: groups", groups)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ArgumentError(f"Conv2d: {name} must be a multiple of groups, got {channels} for {groups} groups")
        self.kernel_size = pair(kernel_size, "Conv2d: kernel_size", 1)
        self.stride = pair(stride, "Conv2d: stride", 1)
        self.dilation = pair(dilation, "Conv2d: dilation", 1)
        extent = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))
        window("Conv2d", extent, self.kernel_size, self.stride, padding, self.dilation)  # refuses a wrong padding now
        self.padding = padding if isinstance(padding, str) else pair(padding, "Conv2d: padding", 0)
        self.weight = Parameter(np.empty((out_channels, in_channels // groups, *self.kernel_size), np.float32))
        self.bias = Parameter(np.empty(out_channels, np.float32)) if bias else None
        _initialise(self.weight, self.bias, generator)

    def forward(self, input: Tensor) -> Tensor:
        return conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        facts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0, 0):
            facts.append(f"padding={self.padding!r}")
        if self.dilation != (1, 1):
            facts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            facts.append(f"groups={self.groups}")
        if self.bias is None:
            facts.append("bias=False")
        return ", ".join(facts)


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
