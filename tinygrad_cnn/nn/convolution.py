"""Layers of learned filters."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import Sizes, pair, single, window
from tinygrad_cnn.nn.layers import _count, _initialise
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.ops.convolution import conv1d, conv2d, conv_transpose2d
from tinygrad_cnn.ops.padding import pad

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What the layers share: their arguments, checked when they are made, and their parameters."""

    _axes: ClassVar[int] = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        dilation: Sizes,
        groups: int,
        bias: bool,
        generator: np.random.Generator | None,
        transposed: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = _count(f"{self._name}: in_channels", in_channels)
        self.out_channels = _count(f"{self._name}: out_channels", out_channels)
        self.groups = _count(f"{self._name}: groups", groups)
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ArgumentError(
                    f"{self._name}: {name} must be a multiple of groups, got {channels} for {groups} groups"
                )
        self.kernel_size = self._sizes("kernel_size", kernel_size, 1)
        self.stride = self._sizes("stride", stride, 1)
        self.dilation = self._sizes("dilation", dilation, 1)
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = Parameter(np.empty((first, second // groups, *self.kernel_size), np.float32))
        self.bias = Parameter(np.empty(out_channels, np.float32)) if bias else None
        _initialise(self.weight, self.bias, generator)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _sizes(self, name: str, value: Sizes, minimum: int) -> tuple[int, ...]:
        """One number per axis."""
        what = f"{self._name}: {name}"
        return pair(value, what, minimum) if self._axes == 2 else (single(value, what, minimum),)

    def _show(self, **others: object) -> str:
        facts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        facts += [f"{name}={value!r}" for name, value in others.items() if value != (0,) * self._axes]
        if self.dilation != (1,) * self._axes:
            facts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            facts.append(f"groups={self.groups}")
        if self.bias is None:
            facts.append("bias=False")
        return ", ".join(facts)


class Conv2d(_Convolution):
    """Learned filters that slide over images: y[n, o] = sum over c of x[n, c] * weight[o, c] + bias[o].

    Shapes: (N, in_channels, H, W) -> (N, out_channels, OH, OW), where
    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1;
    weight (out_channels, in_channels / groups, KH, KW), bias (out_channels).

    Units: kernel_size, stride, padding and dilation in pixels, an int or a pair (along H, along W); padding also 'same'
    or 'valid'. Parameters are float32.

    groups: channels and filters fall into that many groups, and each filter reads only the channels of its group.
    padding_mode: what the border holds: 'zeros', or as in `tinygrad_cnn.pad` 'reflect', 'replicate' or 'circular'.
    generator: where the initial values come from; by default the generator named "init".

    Initial values: weight and bias evenly from [-b, b], b = 1 / sqrt(in_channels / groups KH KW), as in PyTorch.

    Raises: ArgumentError or ArgumentTypeError for arguments outside their range.

    Example:
        >>> Conv2d(3, 16, kernel_size=5, padding=2)
        Conv2d(3, 16, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    """

    padding: tuple[int, ...] | str

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
        padding_mode: str = "zeros",
        *,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, generator)
        if padding_mode not in PADDING_MODES:
            raise ArgumentError(
                f"{self._name}: padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}"
            )
        self.padding_mode = padding_mode
        self.padding = padding if isinstance(padding, str) else self._sizes("padding", padding, 0)
        self._borders([d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True)])

    def _borders(self, size: list[int]) -> list[int]:
        """The widths that `pad` takes, for an input of that size; refuses a wrong padding."""
        lead = (1,) * (2 - self._axes)  # a signal is a plane of one row
        sizes, kernel, stride, dilation = (
            (*lead, *numbers) for numbers in (size, self.kernel_size, self.stride, self.dilation)
        )
        padding = self.padding if isinstance(self.padding, str) else (*(0 for _ in lead), *self.padding)
        rows, columns = window(self._name, sizes, kernel, stride, padding, dilation).padding
        return [*columns, *rows][: 2 * self._axes]

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input = pad(input, self._borders(list(input.shape[-self._axes :])), self.padding_mode)
            padding = (0,) * self._axes
        convolve = conv2d if self._axes == 2 else conv1d
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        mode = {} if self.padding_mode == "zeros" else {"padding_mode": self.padding_mode}
        return self._show(padding=self.padding, **mode)


class Conv1d(Conv2d):
    """`Conv2d` along one axis.

    Shapes: (N, in_channels, L) -> (N, out_channels, OL); weight (out_channels, in_channels / groups, K).

    Example:
        >>> Conv1d(3, 16, kernel_size=5)
        Conv1d(3, 16, kernel_size=(5,), stride=(1,))
    """

    _axes = 1


class ConvTranspose2d(_Convolution):
    """Learned filters that every pixel of the input spreads: the input gradient of a `Conv2d`, as a layer of its own.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, OH, OW), where
    OH = (H - 1) stride - 2 padding + dilation (KH - 1) + 1 + output_padding;
    weight (in_channels, out_channels / groups, KH, KW), bias (out_channels).

    Units: pixels, an int or a pair (along H, along W); output_padding is smaller than the stride or the dilation.
    Parameters are float32.

    generator: where the initial values come from; by default the generator named "init".

    Initial values: weight and bias evenly from [-b, b], b = 1 / sqrt(out_channels / groups KH KW), as in PyTorch.

    Raises: ArgumentError or ArgumentTypeError for arguments outside their range.

    Example:
        >>> ConvTranspose2d(16, 3, kernel_size=2, stride=2)
        ConvTranspose2d(16, 3, kernel_size=(2, 2), stride=(2, 2))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        *,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias, generator, True)
        self.padding = self._sizes("padding", padding, 0)
        self.output_padding = self._sizes("output_padding", output_padding, 0)

    def forward(self, input: Tensor) -> Tensor:
        options = self.stride, self.padding, self.output_padding, self.groups, self.dilation
        return conv_transpose2d(input, self.weight, self.bias, *options)

    def extra_repr(self) -> str:
        return self._show(padding=self.padding, output_padding=self.output_padding)
