"""Adaptive pooling and up-sampling: the output's size is given, and the places to read follow from it.

Along an axis of H pixels that becomes one of OH,

    adaptive     output i reads the pixels from floor(i H / OH) to ceil((i + 1) H / OH), the last one not included
    nearest      output i is the pixel floor(i s), where s = H / OH or 1 / scale_factor
    bilinear     output i lies between the pixels l = floor(p) and l + 1:  y = (1 - t) X[l] + t X[l + 1],  t = p - l,
                 at p = max(0, s (i + 1/2) - 1/2), or at p = i (H - 1) / (OH - 1) with align_corners

All but the maximum are sums over spans (`kernels.sum_spans`), whose adjoint is again a sum over spans, the `dual` ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.geometry import Window, single, window
from tinygrad_cnn.ops.pooling import _avg_pool2d, _max_pool2d, _max_pool2d_gather
from tinygrad_cnn.ops.reductions import _mean
from tinygrad_cnn.ops.shapes import _reshape, refuse_integers
from tinygrad_cnn.ops.unbatched import also_unbatched

OutputSize = int | None | Sequence[int | None]


@primitive
def _sum_spans(x, spans, dim):
    return kernels.sum_spans(x, spans, dim)


_sum_spans.defvjp(x=lambda g, spans, dim, x_shape: _sum_spans(g, kernels.dual(spans, x_shape[dim]), dim))


# ---- adaptive pooling ------------------------------------------------------------------------------------------------


@also_unbatched(4)
def adaptive_avg_pool2d(input: Any, output_size: OutputSize) -> Tensor:
    """The mean of each of OH x OW windows that cover the input evenly; output_size 1 is global average pooling.

    output_size: an int or a pair (OH, OW); None keeps the input's size.

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW) or (C, OH, OW).

    Gradient: g over the window's number of pixels to each of them.

    Raises: ShapeError where the input is no batch of images, ArgumentError for a size below 1.

    Example:
        >>> adaptive_avg_pool2d(Tensor([[[[1.0, 2.0, 6.0]]]]), (1, 2)).tolist()
        [[[[1.5, 4.0]]]]
    """
    size = _adaptive_size("adaptive_avg_pool2d", input, output_size, 2)
    even = _even_window(input.shape[2:], size)
    return _adaptive_mean(input, size) if even is None or size == (1, 1) else _avg_pool2d(input, even)


@also_unbatched(3)
def adaptive_avg_pool1d(input: Any, output_size: OutputSize) -> Tensor:
    """`adaptive_avg_pool2d` along one axis.

    Shapes: (N, C, L) or (C, L) -> (N, C, OL) or (C, OL).
    """
    return _adaptive_mean(input, _adaptive_size("adaptive_avg_pool1d", input, output_size, 1))


@also_unbatched(4)
def adaptive_max_pool2d(input: Any, output_size: OutputSize, return_indices: bool = False) -> Any:
    """The maximum of each of OH x OW windows that cover the input evenly; output_size 1 is global max pooling.

    output_size: an int or a pair (OH, OW); None keeps the input's size.
    return_indices: return (values, indices), where an index is the position h W + w.

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C, OH, OW) or (C, OH, OW).

    Gradient: g to the first maximum of each window (where there are NaN, to the last of them).

    Raises: ShapeError where the input is no batch of images, ArgumentError for a size below 1.

    Example:
        >>> adaptive_max_pool2d(Tensor([[[[1.0, 2.0, 6.0]]]]), (1, 2)).tolist()
        [[[[2.0, 6.0]]]]
    """
    size = _adaptive_size("adaptive_max_pool2d", input, output_size, 2)
    return _adaptive_maximum(input, size, return_indices)


@also_unbatched(3)
def adaptive_max_pool1d(input: Any, output_size: OutputSize, return_indices: bool = False) -> Any:
    """`adaptive_max_pool2d` along one axis.

    Shapes: (N, C, L) or (C, L) -> (N, C, OL) or (C, OL).
    """
    size = (1, *_adaptive_size("adaptive_max_pool1d", input, output_size, 1))
    rows = _reshape(input, (*input.shape[:2], 1, input.shape[2]))
    result = _adaptive_maximum(rows, size, return_indices)
    parts = [_reshape(part, (*input.shape[:2], size[1])) for part in (result if return_indices else [result])]
    return tuple(parts) if return_indices else parts[0]


def _adaptive_mean(input: Any, sizes: tuple[int, ...]) -> Tensor:
    if max(sizes) == 1:
        return _mean(input, tuple(range(2, len(input.shape))), True)
    for dim, size in enumerate(sizes, 2):
        spans = _even_spans(input.shape[dim], size)
        lengths = _along(spans[1] - spans[0], dim, input)
        input = _sum_spans(input, spans, dim) / lengths
    return input


def _adaptive_maximum(input: Any, size: tuple[int, ...], return_indices: bool) -> Any:
    even = _even_window(input.shape[2:], size)
    if even is not None and not return_indices:
        return _max_pool2d(input, even)
    rows, columns = (_even_spans(pixels, count) for pixels, count in zip(input.shape[2:], size, strict=True))
    index = kernels.max_of_spans(input.data if isinstance(input, Tensor) else input, rows, columns)
    y = _max_pool2d_gather(input, index)
    return (y, Tensor(index)) if return_indices else y


def _even_window(pixels: tuple[int, ...], size: tuple[int, ...]) -> Window | None:
    """The window of ordinary pooling that does the same, where sizes divide: it is faster."""
    kernel = pixels[0] // size[0], pixels[1] // size[1]
    if (kernel[0] * size[0], kernel[1] * size[1]) != pixels:
        return None
    return window("adaptive pooling", pixels, kernel, kernel, 0)


def _adaptive_size(operation: str, input: Any, output_size: OutputSize, axes: int) -> tuple[int, ...]:
    refuse_integers(operation, input)
    pixels = _pixels(operation, input, axes)
    sizes = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(sizes) != axes:
        raise ArgumentError(f"{operation}: output_size expects an int or {axes} of them, got {output_size!r}")
    what = f"{operation}: output_size"
    return tuple(old if new is None else single(new, what, 1) for old, new in zip(pixels, sizes, strict=True))


@lru_cache(1024)
def _even_spans(size: int, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    places = np.arange(count)
    return places * size // count, -(-(places + 1) * size // count)


# ---- up-sampling -----------------------------------------------------------------------------------------------------


def interpolate(
    input: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The input made larger or smaller, by its nearest pixels or by interpolating between neighbours.

    size: that of the output, an int or one per axis; or give scale_factor: the output's size over the input's.
    mode: 'nearest', 'linear' (3 dimensions) or 'bilinear' (4 dimensions).
    An axis whose size stays the same stays as it is.
    align_corners: whether the corner pixels' centres (not their outer edges) stay in place; linear and bilinear only.

    Shapes: (N, C, L) -> (N, C, OL) or (N, C, H, W) -> (N, C, OH, OW), where OH = floor(H scale_factor).

    Gradient: g to the pixels read, by their shares.

    Raises: ShapeError for an input of other dimensions, ArgumentError for arguments that do not go together.

    Example:
        >>> interpolate(Tensor([[[1.0, 3.0]]]), scale_factor=2, mode="linear").tolist()
        [[[1.0, 1.5, 2.5, 3.0]]]
    """
    axes = len(input.shape) - 2
    if axes not in (1, 2):
        raise ShapeError(f"interpolate: expects an input (N, C, L) or (N, C, H, W), got shape {input.shape}")
    refuse_integers("interpolate", input)
    pixels = _pixels("interpolate", input, axes)
    linear = ("linear", "bilinear")[axes - 1]
    if mode not in ("nearest", linear):
        raise ArgumentError(
            f"interpolate: mode for {axes + 2} dimensions must be 'nearest' or '{linear}', got {mode!r}"
        )
    if mode == "nearest" and align_corners is not None:
        raise ArgumentError(f"interpolate: align_corners goes with mode '{linear}' only")
    sizes, steps = _sizes_and_steps(pixels, size, scale_factor)
    for dim, (pixels_here, count, step) in enumerate(zip(pixels, sizes, steps, strict=True), 2):
        if mode == "nearest":
            input = _picked(input, _nearest(pixels_here, count, step), dim)
        elif count != pixels_here:
            input = _interpolated(input, count, step, bool(align_corners), dim)
    return input


def _sizes_and_steps(pixels: Sequence[int], size: Any, scale_factor: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """For each axis the output's size, and how many input pixels one output pixel stands for."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: expects either size or scale_factor")
    given = size if scale_factor is None else scale_factor
    numbers = tuple(given) if isinstance(given, (tuple, list)) else (given,) * len(pixels)
    if len(numbers) != len(pixels):
        raise ArgumentError(f"interpolate: expects one number or {len(pixels)}, got {given!r}")
    if scale_factor is None:
        sizes = tuple(single(number, "interpolate: size", 1) for number in numbers)
        return sizes, tuple(old / new for old, new in zip(pixels, sizes, strict=True))
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float | np.number):
            raise ArgumentTypeError(f"interpolate: scale_factor expects numbers, got {given!r}")
        if not math.isfinite(number):
            raise ArgumentError(f"interpolate: scale_factor expects finite numbers, got {given!r}")
    sizes = tuple(math.floor(old * float(number)) for old, number in zip(pixels, numbers, strict=True))
    if min(sizes) < 1:
        raise ArgumentError(f"interpolate: scale_factor {given!r} leaves no pixel of an input {tuple(pixels)}")
    return sizes, tuple(1 / float(number) for number in numbers)


def _nearest(pixels: int, count: int, step: float) -> NDArray[np.intp]:
    """The pixels picked, to the same rounding as PyTorch's: in float32, and the same size or twice it needs no step."""
    if count in (pixels, 2 * pixels):
        return np.arange(count) * pixels // count
    places = np.floor(np.arange(count, dtype=np.float32) * np.float32(step)).astype(np.intp)
    return np.minimum(places, pixels - 1)


def _interpolated(input: Any, count: int, step: float, align_corners: bool, dim: int) -> Tensor:
    pixels = input.shape[dim]
    if align_corners:
        places = np.arange(count) * ((pixels - 1) / max(1, count - 1))
    else:
        places = np.maximum((np.arange(count) + 0.5) * step - 0.5, 0.0)
    lower = np.minimum(places.astype(np.intp), pixels - 1)
    upper = np.minimum(lower + 1, pixels - 1)
    share = _along(np.clip(places - lower, 0.0, 1.0), dim, input)
    return _picked(input, lower, dim) * (1 - share) + _picked(input, upper, dim) * share


def _picked(input: Any, places: NDArray[np.intp], dim: int) -> Tensor:
    return _sum_spans(input, (places, places + 1), dim)


def _along(numbers: NDArray[Any], dim: int, input: Any) -> NDArray[Any]:
    """One number for each place of a dimension, in a shape that broadcasts and in the input's dtype."""
    return numbers.astype(input.dtype).reshape(-1, *(1,) * (len(input.shape) - dim - 1))


def _pixels(operation: str, input: Any, axes: int) -> tuple[int, ...]:
    if len(input.shape) != axes + 2:
        expected = "(N, C, L) or (C, L)" if axes == 1 else "(N, C, H, W) or (C, H, W)"
        raise ShapeError(f"{operation}: expects an input {expected}, got shape {input.shape}")
    pixels = tuple(input.shape[2:])
    if min(pixels) == 0:
        raise ShapeError(f"{operation}: an input of shape {input.shape} holds no pixel")
    return pixels
