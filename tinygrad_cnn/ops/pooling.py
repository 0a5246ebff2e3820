"""Pooling: each window of the input becomes one number, its maximum or its mean.

    max:   y_ij = max of R_ij               dJ/dX_pq = sum over the windows whose (first) maximum is X_pq of g_ij
    mean:  y_ij = (sum of R_ij) / (KH KW)   dJ/dX_pq = sum over the windows R_ij that hold X_pq of g_ij / (KH KW)

where R_ij is the window that starts at (i S, j S). Max pooling is a gathering at the position of the maximum, so it and
its gradient are each other's adjoints, and the positions, being integers, are constants in any order of derivative.
Where elements tie, the first gets the whole gradient (a subgradient; giving it to each of them would not be one).
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.geometry import Window, window


@primitive(saves=("index",))
def _max_pool2d(x, window):
    return kernels.max_pool2d(x, window)


@primitive
def _max_pool2d_gather(x, index):
    return kernels.max_pool2d_gather(x, index)


@primitive
def _max_pool2d_scatter(g, index, size):
    return kernels.max_pool2d_scatter(g, index, size)


@primitive
def _avg_pool2d(x, window):
    return kernels.avg_pool2d(x, window)


@primitive
def _avg_pool2d_input_grad(g, window):
    return kernels.avg_pool2d_input_grad(g, window)


_max_pool2d.defvjp(x=lambda g, index, window: _max_pool2d_scatter(g, index, window.size))
_max_pool2d_gather.defvjp(x=lambda g, index, x_shape: _max_pool2d_scatter(g, index, x_shape[2:]))
_max_pool2d_scatter.defvjp(g=lambda u, index: _max_pool2d_gather(u, index))
_avg_pool2d.defvjp(x=lambda g, window: _avg_pool2d_input_grad(g, window))
_avg_pool2d_input_grad.defvjp(g=lambda u, window: _avg_pool2d(u, window))


def max_pool2d(
    input: Any,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """The maximum of each window. The stride defaults to the kernel's size; a padded border never wins; NaN propagates.

    Shapes: input (N, C, H, W) -> (N, C, OH, OW), where OH = floor((H + 2 padding - KH) / stride) + 1.

    Gradient: g to the first maximum of each window.

    Raises: ShapeError where the window does not fit, ArgumentError where the padding exceeds half the kernel.

    Example:
        >>> max_pool2d(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2).tolist()
        [[[[4.0]]]]
    """
    return _max_pool2d(input, _pooling_window("max_pool2d", input, kernel_size, stride, padding))


def avg_pool2d(
    input: Any,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
) -> Tensor:
    """The mean of each window. The stride defaults to the kernel's size; the zeros of the border count as elements.

    Shapes: input (N, C, H, W) -> (N, C, OH, OW), where OH = floor((H + 2 padding - KH) / stride) + 1.

    Gradient: g / (KH KW) to each element of the window.

    Raises: ShapeError where the window does not fit, ArgumentError where the padding exceeds half the kernel.

    Example:
        >>> avg_pool2d(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2).tolist()
        [[[[2.5]]]]
    """
    return _avg_pool2d(input, _pooling_window("avg_pool2d", input, kernel_size, stride, padding))


def _pooling_window(operation: str, input: Any, kernel_size: Any, stride: Any, padding: Any) -> Window:
    if len(input.shape) != 4:
        raise ShapeError(f"{operation}: expects an input (N, C, H, W), got shape {input.shape}")
    frame = window(operation, input.shape[2:], kernel_size, kernel_size if stride is None else stride, padding)
    for kernel, border in zip(frame.kernel, frame.padding, strict=True):
        if 2 * max(border) > kernel:
            raise ArgumentError(
                f"{operation}: padding must be at most half the kernel, got padding {max(border)} for kernel {kernel}"
            )
    return frame
