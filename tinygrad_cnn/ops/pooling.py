"""Pooling: each window of the input becomes one number, its maximum or its mean.

    max:   y_ij = max of R_ij               dJ/dX_pq = sum over the windows whose (first) maximum is X_pq of g_ij
    mean:  y_ij = (sum of R_ij) / D_ij      dJ/dX_pq = sum over the windows R_ij that hold X_pq of g_ij / D_ij

where R_ij is the window that starts at (i S, j S), and D_ij its KH KW elements, or the other count that the caller asks
for. Max pooling is a gathering at the position of the maximum, so it and
its gradient are each other's adjoints, and the positions, being integers, are constants in any order of derivative.
Where elements tie, the first gets the whole gradient (a subgradient; giving it to each of them would not be one); of
several NaN the last does, as in PyTorch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.geometry import CACHED_WINDOWS, Pair, Sizes, Window, pair, single, window
from tinygrad_cnn.ops.shapes import _reshape, refuse_integers
from tinygrad_cnn.ops.unbatched import also_unbatched


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
def _avg_pool2d(x, window, divisor=None):
    return kernels.avg_pool2d(x, window, divisor)


@primitive
def _avg_pool2d_input_grad(g, window, divisor=None):
    return kernels.avg_pool2d_input_grad(g, window, divisor)


_max_pool2d.defvjp(x=lambda g, index, window: _max_pool2d_scatter(g, index, window.size))
_max_pool2d_gather.defvjp(x=lambda g, index, x_shape: _max_pool2d_scatter(g, index, x_shape[2:]))
_max_pool2d_scatter.defvjp(g=lambda u, index: _max_pool2d_gather(u, index))
_avg_pool2d.defvjp(x=lambda g, window, divisor: _avg_pool2d_input_grad(g, window, divisor))
_avg_pool2d_input_grad.defvjp(g=lambda u, window, divisor: _avg_pool2d(u, window, divisor))


@also_unbatched(4)
def max_pool2d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window. The stride defaults to the kernel's size; a padded border never wins; NaN propagates.

    ceil_mode: also read the windows that overhang the far end, where they start before the padding there.
    return_indices: return (values, indices), where an index is the position h W + w of a window's maximum.

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW) or (C, OH, OW), where
    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1, or rounded up in ceil mode.

    Gradient: g to the first maximum of each window (where there are NaN, to the last of them).

    Raises: ShapeError where the window does not fit, ArgumentError where the padding exceeds half the kernel.

    Example:
        >>> max_pool2d(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2).tolist()
        [[[[4.0]]]]
    """
    _check_dims("max_pool2d", input, 4)
    border, steps = pair(padding, "max_pool2d: padding", 0), kernel_size if stride is None else stride
    frame = _frame("max_pool2d", input, kernel_size, steps, border, dilation, ceil_mode)
    return _maximum(input, frame, return_indices)


@also_unbatched(3)
def max_pool1d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` along one axis.

    Shapes: input (N, C, L) or (C, L) -> (N, C, OL) or (C, OL).
    """
    _check_dims("max_pool1d", input, 3)
    rows, kernel, steps, border = _as_rows("max_pool1d", input, kernel_size, stride, padding)
    apart = 1, single(dilation, "max_pool1d: dilation", 1)
    frame = _frame("max_pool1d", rows, kernel, steps, border, apart, ceil_mode)
    result = _maximum(rows, frame, return_indices)
    return tuple(_without_rows(part) for part in result) if return_indices else _without_rows(result)


@also_unbatched(4)
def avg_pool2d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window. The stride defaults to the kernel's size.

    ceil_mode: also read the windows that overhang the far end, where they start before the padding there. What lies
    beyond the padding never counts as an element.
    count_include_pad: whether the zeros of the border count as elements.
    divisor_override: divide every window's sum by this number instead.

    Shapes: input (N, C, H, W) or (C, H, W) -> (N, C, OH, OW) or (C, OH, OW), where
    OH = floor((H + 2 padding - KH) / stride) + 1, or rounded up in ceil mode.

    Gradient: g over the divisor to each element of the window.

    Raises: ShapeError where the window does not fit, ArgumentError where the padding exceeds half the kernel or the
    divisor is 0.

    Example:
        >>> avg_pool2d(Tensor([[[[1.0, 2.0], [4.0, 3.0]]]]), 2).tolist()
        [[[[2.5]]]]
    """
    _check_dims("avg_pool2d", input, 4)
    border, steps = pair(padding, "avg_pool2d: padding", 0), kernel_size if stride is None else stride
    frame = _frame("avg_pool2d", input, kernel_size, steps, border, 1, ceil_mode)
    if divisor_override is None:
        return _avg_pool2d(input, frame, _divisor(frame, border, bool(count_include_pad)))
    if isinstance(divisor_override, bool) or not isinstance(divisor_override, int | np.integer):
        raise ArgumentTypeError(f"avg_pool2d: divisor_override expects an int or None, got {divisor_override!r}")
    if divisor_override == 0:
        raise ArgumentError("avg_pool2d: divisor_override must not be 0")
    return _avg_pool2d(input, frame, int(divisor_override))


@also_unbatched(3)
def avg_pool1d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """`avg_pool2d` along one axis.

    Shapes: input (N, C, L) or (C, L) -> (N, C, OL) or (C, OL).
    """
    _check_dims("avg_pool1d", input, 3)
    rows, kernel, steps, border = _as_rows("avg_pool1d", input, kernel_size, stride, padding)
    frame = _frame("avg_pool1d", rows, kernel, steps, border, 1, ceil_mode)
    return _without_rows(_avg_pool2d(rows, frame, _divisor(frame, border, bool(count_include_pad))))


def _maximum(input: Any, frame: Window, return_indices: bool) -> Any:
    if not return_indices:
        return _max_pool2d(input, frame)
    _, index = kernels.max_pool2d(input.data if isinstance(input, Tensor) else input, frame)
    return _max_pool2d_gather(input, index), Tensor(index.astype(np.int64))


# ---- one axis as a plane of one row


def _as_rows(
    operation: str, input: Any, kernel_size: Sizes, stride: Sizes | None, padding: Sizes
) -> tuple[Any, Pair, Pair, Pair]:
    """(input (N, C, 1, L), kernel, stride, padding)."""
    kernel = single(kernel_size, f"{operation}: kernel_size", 1)
    step = kernel if stride is None else single(stride, f"{operation}: stride", 1)
    border = single(padding, f"{operation}: padding", 0)
    N, C, L = input.shape
    return _reshape(input, (N, C, 1, L)), (1, kernel), (1, step), (0, border)


def _without_rows(plane: Any) -> Any:
    N, C, _, L = plane.shape
    return _reshape(plane, (N, C, L))


# ---- windows and what they hold


def _check_dims(operation: str, input: Any, ndim: int) -> None:
    if len(input.shape) != ndim:
        expected = "(N, C, L) or (C, L)" if ndim == 3 else "(N, C, H, W) or (C, H, W)"
        raise ShapeError(f"{operation}: expects an input {expected}, got shape {input.shape}")
    refuse_integers(operation, input)


def _frame(
    operation: str, input: Any, kernel: Sizes, stride: Sizes, padding: Pair, dilation: Sizes, ceil_mode: bool
) -> Window:
    frame = window(operation, input.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    for taps, border in zip(frame.kernel, padding, strict=True):
        if 2 * border > taps:
            raise ArgumentError(
                f"{operation}: padding must be at most half the kernel, got padding {border} for kernel {taps}"
            )
    if frame.is_padded and frame.dilation != (1, 1) and _reads_only_padding(frame):
        raise ShapeError(
            f"{operation}: a window reads nothing but padding, its dilated kernel leaping over the input "
            f"{frame.size[0]}x{frame.size[1]}; use a smaller dilation or no padding"
        )
    return frame


@lru_cache(CACHED_WINDOWS)
def _reads_only_padding(frame: Window) -> bool:
    """Whether some window's first tap behind the padding lies beyond the input."""
    axes = zip(frame.size, frame.output_size, frame.stride, frame.padding, frame.dilation, strict=True)
    starts = ((size, step * i - before, apart) for size, n, step, (before, _), apart in axes for i in range(n))
    return any((start % apart if start < 0 else start) >= size for size, start, apart in starts)


@lru_cache(CACHED_WINDOWS)
def _divisor(frame: Window, padding: Pair, count_include_pad: bool) -> NDArray[np.intp] | None:
    """The elements (OH, OW) that count in each window, or None where all KH KW do in every one."""
    borders = padding if count_include_pad else (0, 0)
    along = []
    for n, kernel, step, size, (before, _), border in zip(
        frame.output_size, frame.kernel, frame.stride, frame.size, frame.padding, borders, strict=True
    ):
        starts = np.arange(n) * step - before
        along.append(np.minimum(starts + kernel, size + border) - np.maximum(starts, -border))
    counts = along[0][:, None] * along[1]
    return None if np.all(counts == frame.kernel[0] * frame.kernel[1]) else counts
