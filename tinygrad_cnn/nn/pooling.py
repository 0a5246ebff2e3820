"""Layers that sum up windows."""

from __future__ import annotations

from typing import Any, ClassVar

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import Sizes, pair, single
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.pooling import avg_pool1d, avg_pool2d, max_pool1d, max_pool2d
from tinygrad_cnn.ops.resampling import (
    OutputSize,
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
)


class _Pool(Module):
    _axes: ClassVar[int] = 2

    def __init__(self, kernel_size: Sizes, stride: Sizes | None, padding: Sizes, ceil_mode: bool) -> None:
        super().__init__()
        self.kernel_size = self._sizes("kernel_size", kernel_size, 1)
        self.stride = self.kernel_size if stride is None else self._sizes("stride", stride, 1)
        self.padding = self._sizes("padding", padding, 0)
        self.ceil_mode = ceil_mode
        if any(2 * border > kernel for border, kernel in zip(self.padding, self.kernel_size, strict=True)):
            raise ArgumentError(
                f"{type(self).__name__}: padding must be at most half the kernel, "
                f"got {self.padding} for kernel {self.kernel_size}"
            )

    def _sizes(self, name: str, value: Sizes, minimum: int) -> tuple[int, ...]:
        """One number per axis."""
        what = f"{type(self).__name__}: {name}"
        return pair(value, what, minimum) if self._axes == 2 else (single(value, what, minimum),)

    def _show(self, **others: tuple[object, object]) -> str:
        """The arguments that are not at their defaults; `others` as (value, default)."""
        settings = {"padding": (self.padding, (0,) * self._axes), **others, "ceil_mode": (self.ceil_mode, False)}
        facts = [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        facts += [f"{name}={value}" for name, (value, default) in settings.items() if value != default]
        return ", ".join(facts)


class MaxPool2d(_Pool):
    """The maximum of each window. The stride defaults to the kernel's size; a padded border never wins.

    return_indices: return (values, indices), where an index is the position h W + w of a window's maximum.
    ceil_mode: also read the windows that overhang the far end, where they start before the padding there.

    Shapes: (N, C, H, W) -> (N, C, OH, OW), where OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, or
    rounded up in ceil mode.

    Units: pixels, an int or a pair (along H, along W).

    Raises: ArgumentError where the padding exceeds half the kernel, and for other arguments outside their range.

    Example:
        >>> MaxPool2d(3, stride=2, padding=1)
        MaxPool2d(kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = self._sizes("dilation", dilation, 1)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        pool = max_pool2d if self._axes == 2 else max_pool1d
        options = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        return pool(input, *options)

    def extra_repr(self) -> str:
        return self._show(dilation=(self.dilation, (1,) * self._axes), return_indices=(self.return_indices, False))


class MaxPool1d(MaxPool2d):
    """`MaxPool2d` along one axis.

    Shapes: (N, C, L) -> (N, C, OL).
    """

    _axes = 1


class AvgPool2d(_Pool):
    """The mean of each window. The stride defaults to the kernel's size.

    ceil_mode: also read the windows that overhang the far end, where they start before the padding there.
    count_include_pad: whether the zeros of the border count as elements.
    divisor_override: divide every window's sum by this number instead.

    Shapes: (N, C, H, W) -> (N, C, OH, OW), where OH = floor((H + 2 padding - KH) / stride) + 1, or rounded up in ceil
    mode.

    Units: pixels, an int or a pair (along H, along W).

    Raises: ArgumentError where the padding exceeds half the kernel, and for other arguments outside their range.

    Example:
        >>> AvgPool2d(2)
        AvgPool2d(kernel_size=(2, 2), stride=(2, 2))
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        options = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return avg_pool2d(input, *options, self.divisor_override)

    def extra_repr(self) -> str:
        return self._show(
            count_include_pad=(self.count_include_pad, True), divisor_override=(self.divisor_override, None)
        )


class AvgPool1d(_Pool):
    """`AvgPool2d` along one axis.

    Shapes: (N, C, L) -> (N, C, OL).
    """

    _axes = 1

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        options = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return avg_pool1d(input, *options)

    def extra_repr(self) -> str:
        return self._show(count_include_pad=(self.count_include_pad, True))


# ---- adaptive --------------------------------------------------------------------------------------------------------


class _AdaptivePool(Module):
    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_AdaptivePool):
    """The mean of each of OH x OW windows that cover the input evenly; output_size 1 is global average pooling.

    Shapes: (N, C, H, W) -> (N, C, OH, OW); output_size is an int or a pair, None keeps the input's size.

    Example:
        >>> AdaptiveAvgPool2d(1)
        AdaptiveAvgPool2d(output_size=1)
    """

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptivePool):
    """`AdaptiveAvgPool2d` along one axis: (N, C, L) -> (N, C, OL)."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveMaxPool2d(_AdaptivePool):
    """The maximum of each of OH x OW windows that cover the input evenly; output_size 1 is global max pooling.

    return_indices: return (values, indices), where an index is the position h W + w.

    Shapes: (N, C, H, W) -> (N, C, OH, OW); output_size is an int or a pair, None keeps the input's size.
    """

    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """`AdaptiveMaxPool2d` along one axis: (N, C, L) -> (N, C, OL)."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool1d(input, self.output_size, self.return_indices)
