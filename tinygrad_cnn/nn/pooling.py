"""Layers that sum up windows."""

from __future__ import annotations

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import Sizes, pair
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.pooling import avg_pool2d, max_pool2d


class _Pool2d(Module):
    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = pair(kernel_size, f"{name}: kernel_size", 1)
        self.stride = self.kernel_size if stride is None else pair(stride, f"{name}: stride", 1)
        self.padding = pair(padding, f"{name}: padding", 0)
        if any(2 * border > kernel for border, kernel in zip(self.padding, self.kernel_size, strict=True)):
            raise ArgumentError(
                f"{name}: padding must be at most half the kernel, got {self.padding} for kernel {self.kernel_size}"
            )

    def extra_repr(self) -> str:
        padding = f", padding={self.padding}" if self.padding != (0, 0) else ""
        return f"kernel_size={self.kernel_size}, stride={self.stride}{padding}"


class MaxPool2d(_Pool2d):
    """The maximum of each window. The stride defaults to the kernel's size; a padded border never wins.

    Shapes: (N, C, H, W) -> (N, C, OH, OW), where OH = floor((H + 2 padding - KH) / stride) + 1.

    Units: pixels, an int or a pair (along H, along W).

    Raises: ArgumentError where the padding exceeds half the kernel, and for other arguments outside their range.

    Example:
        >>> MaxPool2d(3, stride=2, padding=1)
        MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    """

    def forward(self, input: Tensor) -> Tensor:
        return max_pool2d(input, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of each window. The stride defaults to the kernel's size; the zeros of the border count as elements.

    Shapes: (N, C, H, W) -> (N, C, OH, OW), where OH = floor((H + 2 padding - KH) / stride) + 1.

    Units: pixels, an int or a pair (along H, along W).

    Raises: ArgumentError where the padding exceeds half the kernel, and for other arguments outside their range.

    Example:
        >>> AvgPool2d(2)
        AvgPool2d(kernel_size=(2, 2), stride=(2, 2))
    """

    def forward(self, input: Tensor) -> Tensor:
        return avg_pool2d(input, self.kernel_size, self.stride, self.padding)
