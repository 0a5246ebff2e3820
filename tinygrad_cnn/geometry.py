"""Sizes of sliding windows: the formulas, their validation, and the border that a stride leaves unread.

Along one axis, H pixels with `top` of padding before and `bottom` after them are read by windows of K taps that lie
D pixels apart (dilation); the next window starts S pixels further (stride):

    tap k of window o  = o S + k D                              a pixel of the padded image
    extent E           = D (K - 1) + 1                          from a window's first tap to its last
    output size OH     = floor((H + top + bottom - E) / S) + 1
    unread             = (H + top + bottom - E) mod S           pixels at the far end that no window reaches

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", sections 2.4 and 5.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import SupportsIndex

import numpy as np

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]
Taps = tuple[slice, ...]
Sizes = SupportsIndex | Sequence[SupportsIndex]  # NumPy's integers too

CACHED_WINDOWS = 4096  # far more layers and input sizes than one process meets


@dataclass(frozen=True, slots=True)
class Window:
    """How the windows of one convolution or pooling lie on their input, as `window` validates it.

    Every size derived from it is computed once, when it is made; two windows are equal when their arguments are.

    Units: pixels; pairs are (along H, along W).

    Example:
        >>> strided = Window((28, 28), (5, 5), (2, 2), ((2, 2), (2, 2)), (1, 1))
        >>> strided.output_size, strided.unread
        ((14, 14), (1, 1))
    """

    size: Pair  # (H, W) of the input
    kernel: Pair  # (KH, KW)
    stride: Pair
    padding: Padding  # ((top, bottom), (left, right))
    dilation: Pair

    padded_size: Pair = field(init=False, repr=False, compare=False)
    output_size: Pair = field(init=False, repr=False, compare=False)  # (OH, OW)
    unread: Pair = field(init=False, repr=False, compare=False)  # rows at the bottom, columns at the right
    taps: tuple[Taps, Taps] = field(init=False, repr=False, compare=False)  # padded rows (columns) that tap k reads

    def __post_init__(self) -> None:
        arguments = zip(self.size, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        axes = [_along_axis(*argument) for argument in arguments]
        names = ("padded_size", "output_size", "unread", "taps")
        for name, down_and_across in zip(names, zip(*axes, strict=True), strict=True):
            object.__setattr__(self, name, down_and_across)  # the way into a frozen dataclass

    @property
    def is_padded(self) -> bool:
        return self.padded_size != self.size


def _along_axis(size: int, kernel: int, stride: int, padding: Pair, dilation: int) -> tuple[int, int, int, Taps]:
    """(padded size, output size, unread pixels, taps) along one axis."""
    padded = size + sum(padding)
    steps, unread = divmod(padded - _extent(kernel, dilation), stride)
    reach = steps * stride + 1
    taps = tuple(slice(k * dilation, k * dilation + reach, stride) for k in range(kernel))
    return padded, steps + 1, unread, taps


def _extent(kernel: int, dilation: int) -> int:
    """Pixels from a window's first tap to its last, both counted."""
    return dilation * (kernel - 1) + 1


# ---- making windows --------------------------------------------------------------------------------------------------


def window(
    operation: str,
    size: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes | Sequence[Sizes] | str,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> Window:
    """The validated window of a convolution or pooling over an input of `size` (H, W); errors name the `operation`.

    `padding` is a number, a pair (along H, along W), a pair of pairs ((top, bottom), (left, right)), 'valid' (none), or
    'same' (OH = ceil(H / stride), the input's size at stride 1; an odd total gives the extra pixel to the end).
    `ceil_mode` also reads the windows that overhang the far end, unless they would start in its padding.

    Raises: ShapeError where the input is empty or the kernel does not fit; ArgumentError for a number out of range;
    ArgumentTypeError for what is not an integer.

    Example:
        >>> window("conv2d", (28, 28), 5, stride=1, padding="same").output_size
        (28, 28)
        >>> window("max_pool2d", (7, 7), 2, stride=2, padding=0, ceil_mode=True).output_size
        (4, 4)
        >>> window("conv2d", (3, 4), 5, stride=1, padding=0)
        Traceback (most recent call last):
        ...
        tinygrad_cnn.errors.ShapeError: conv2d: kernel 5x5 is larger than its padded input 3x4 (input 3x4, padding 0);
        use a smaller kernel or padding of at least 1
    """
    return _window(
        operation,
        pair(size, f"{operation}: input size", 0),
        pair(kernel, f"{operation}: kernel_size", 1),
        pair(stride, f"{operation}: stride", 1),
        _padding(padding, f"{operation}: padding"),
        pair(dilation, f"{operation}: dilation", 1),
        bool(ceil_mode),
    )


@lru_cache(CACHED_WINDOWS)
def mirrored(window: Window) -> Window | None:
    """The window on the *output* under which a convolution with the kernel turned half round gives the input gradient.

    It pads by E - 1 - top and E - 1 - bottom; there is none where the stride is not 1 or a padding exceeds E - 1.

    Source: Dumoulin and Visin 2016, section 4.4.

    Example:
        >>> mirrored(window("conv2d", (28, 28), 5, stride=1, padding=1)).padding
        ((3, 3), (3, 3))
    """
    reach = [_extent(k, d) - 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    (top, bottom), (left, right) = window.padding
    down, across = (reach[0] - top, reach[0] - bottom), (reach[1] - left, reach[1] - right)
    if window.stride != (1, 1) or min(down + across) < 0:
        return None
    return Window(window.output_size, window.kernel, (1, 1), (down, across), window.dilation)


# ---- validation ------------------------------------------------------------------------------------------------------


def pair(value: object, what: str, minimum: int) -> Pair:
    """Both numbers of an argument that takes an int, which stands for both axes, or a pair (along H, along W).

    NumPy's integers are welcome; booleans and floats are not.

    Raises: ArgumentTypeError or ArgumentError that begins with `what`.

    Example:
        >>> pair(3, "conv2d: stride", 1), pair([3, 2], "conv2d: stride", 1)
        ((3, 3), (3, 2))
        >>> pair(0, "conv2d: stride", 1)
        Traceback (most recent call last):
        ...
        tinygrad_cnn.errors.ArgumentError: conv2d: stride must be at least 1, got 0
    """
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    for number in numbers:
        if type(number) is not int and not isinstance(number, np.integer):  # `type`: a bool is an int
            raise ArgumentTypeError(f"{what} expects an int or a pair of ints, got {value!r}")
    if len(numbers) != 2:
        raise ArgumentError(f"{what} expects an int or a pair of ints, got {len(numbers)} numbers: {value!r}")
    first, second = numbers
    if first < minimum or second < minimum:
        raise ArgumentError(f"{what} must be at least {minimum}, got {value!r}")
    return int(first), int(second)


def single(value: object, what: str, minimum: int) -> int:
    """The number of an argument along one axis, an int or a sequence of one. Raises as `pair` does.

    Example:
        >>> single(3, "conv1d: stride", 1), single([3], "conv1d: stride", 1)
        (3, 3)
    """
    number = value[0] if isinstance(value, (tuple, list)) and len(value) == 1 else value
    if type(number) is not int and not isinstance(number, np.integer):
        raise ArgumentTypeError(f"{what} expects an int, got {value!r}")
    if number < minimum:
        raise ArgumentError(f"{what} must be at least {minimum}, got {value!r}")
    return int(number)


def _padding(padding: object, what: str) -> Padding | None:
    """((top, bottom), (left, right)), or None for 'same', which the kernel decides."""
    if isinstance(padding, str):
        if padding not in ("valid", "same"):
            raise ArgumentError(f"{what} expects an int, a pair of ints, 'valid' or 'same', got {padding!r}")
        return None if padding == "same" else ((0, 0), (0, 0))
    if isinstance(padding, (tuple, list)) and len(padding) == 2 and all(isinstance(p, (tuple, list)) for p in padding):
        return pair(padding[0], f"{what} (top, bottom)", 0), pair(padding[1], f"{what} (left, right)", 0)
    down, across = pair(padding, what, 0)
    return (down, down), (across, across)


@lru_cache(CACHED_WINDOWS)
def _window(
    operation: str, size: Pair, kernel: Pair, stride: Pair, padding: Padding | None, dilation: Pair, ceil_mode: bool
) -> Window:
    if min(size) == 0:
        raise ShapeError(f"{operation}: input {_by(size)} holds no pixel; its height and width must be at least 1")
    extent = _extent(kernel[0], dilation[0]), _extent(kernel[1], dilation[1])
    if padding is None:
        padding = _same(size[0], extent[0], stride[0]), _same(size[1], extent[1], stride[1])
    declared = padding
    if ceil_mode:
        down, across = (_with_overhang(*axis) for axis in zip(size, extent, stride, padding, strict=True))
        padding = down, across
    padded = size[0] + sum(padding[0]), size[1] + sum(padding[1])
    if extent[0] > padded[0] or extent[1] > padded[1]:
        dilated = "" if extent == kernel else f" with dilation {_short(dilation)} spans {_by(extent)} and"
        smaller = "a smaller kernel" if extent == kernel else "a smaller kernel or dilation,"
        enough = max(-(-(spanned - pixels) // 2) for spanned, pixels in zip(extent, size, strict=True))
        raise ShapeError(
            f"{operation}: kernel {_by(kernel)}{dilated} is larger than its padded input {_by(padded)} "
            f"(input {_by(size)}, padding {_short(declared)}); use {smaller} or padding of at least {enough}"
        )
    return Window(size, kernel, stride, padding, dilation)


def _same(size: int, extent: int, stride: int) -> Pair:
    """The padding for which ceil(size / stride) windows fit: the last one starts within `stride` of the end."""
    total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    return total // 2, total - total // 2


def _with_overhang(size: int, extent: int, stride: int, padding: Pair) -> Pair:
    """The padding, and after it the pixels that the last window reads beyond: its start is rounded up to a stride."""
    padded = size + sum(padding)
    steps = -((extent - padded) // stride)
    if steps * stride >= size + padding[0]:  # it would start in the padding at the far end, and may read no pixel
        steps -= 1
    return padding[0], padding[1] + max(0, steps * stride + extent - padded)


def _by(size: Pair) -> str:
    return f"{size[0]}x{size[1]}"


def _short(numbers: Pair | Padding) -> str:
    """As a user would write it: 2 for (2, 2) and for ((2, 2), (2, 2))."""
    first, second = (_short(n) if isinstance(n, tuple) else str(n) for n in numbers)
    return first if first == second else f"({first}, {second})"
