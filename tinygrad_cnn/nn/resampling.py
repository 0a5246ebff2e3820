"""Layers that change an image's size, or lay its windows side by side."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.geometry import Sizes
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.convolution import fold, unfold
from tinygrad_cnn.ops.resampling import interpolate


class Upsample(Module):
    """Larger images: every pixel repeated ('nearest'), or interpolated between neighbours ('bilinear').

    Arguments and shapes as in `tinygrad_cnn.interpolate`.

    Example:
        >>> Upsample(scale_factor=2)
        Upsample(scale_factor=2, mode='nearest')
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, input: Tensor) -> Tensor:
        return interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        size = f"size={self.size}" if self.scale_factor is None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class Unfold(Module):
    """The windows of an image as the columns of a matrix; arguments and shapes as in `tinygrad_cnn.unfold`."""

    def __init__(self, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Fold(Unfold):
    """Images from the windows that `Unfold` gives; arguments and shapes as in `tinygrad_cnn.fold`."""

    def __init__(
        self, output_size: Sizes, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
