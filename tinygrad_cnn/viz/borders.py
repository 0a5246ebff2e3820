"""Rows and columns at the far border of an image that a stride leaves unread, and the smallest change that reads them.

What `Window.unread` counts may be padding, which is no loss: only pixels of the image count here. Nor do as many as
lie between any two windows, where the stride is larger than the window: a 1x1 filter of stride 2 reads every other row.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count

from tinygrad_cnn.geometry import Pair, Window, window

_POOLINGS = ("max_pool2d", "avg_pool2d")


def lost(frame: Window, border: Pair = (0, 0)) -> Pair:
    """Unread (rows, columns) of the image, whose last `border` rows and columns are padding too.

    Example:
        >>> lost(window("conv2d", (32, 32), 3, stride=2, padding=0)), lost(window("conv2d", (32, 32), 3, 2, 1))
        ((1, 1), (0, 0))
        >>> lost(window("conv2d", (32, 32), 1, stride=2, padding=0))
        (0, 0)
    """
    return _lost(frame, border, 0), _lost(frame, border, 1)


def _lost(frame: Window, border: Pair, axis: int) -> int:
    extent = frame.dilation[axis] * (frame.kernel[axis] - 1) + 1
    between = max(0, frame.stride[axis] - extent)
    return max(0, frame.unread[axis] - frame.padding[axis][1] - border[axis] - between)


def mends(operation: str, frame: Window, border: Pair = (0, 0)) -> list[tuple[str, Pair]]:
    """The smallest changes after which every pixel is read: ceil_mode or padding, where one does, and the input's size.

    Example:
        >>> mends("conv2d", window("conv2d", (32, 32), 3, stride=2, padding=0))
        [('padding', (1, 1)), ('input', (33, 33))]
        >>> mends("max_pool2d", window("max_pool2d", (5, 12), 2, stride=2, padding=0))
        [('ceil_mode', (1, 0)), ('input', (6, 12))]
    """
    sides = frame.padding[0][0], frame.padding[1][0]
    found = []
    if frame.padding == ((sides[0], sides[0]), (sides[1], sides[1])):  # not 'same', nor in ceil mode already
        if operation == "conv2d":
            found.append(("padding", (_enough_padding(frame, border, 0), _enough_padding(frame, border, 1))))
        elif operation in _POOLINGS:
            rounded_up = window(operation, frame.size, frame.kernel, frame.stride, sides, frame.dilation, True)
            if lost(rounded_up, border) == (0, 0):
                rows, columns = (int(pixels > 0) for pixels in lost(frame, border))
                found.append(("ceil_mode", (rows, columns)))
    found.append(("input", (_nearest_size(frame, border, 0), _nearest_size(frame, border, 1))))
    return found


def _enough_padding(frame: Window, border: Pair, axis: int) -> int:
    """The least on both sides of that axis; stride - 1 more pixels are always enough."""
    start = frame.padding[axis][0]
    return next(p for p in count(start) if not _lost(_padded(frame, axis, (p, p)), border, axis))


def _padded(frame: Window, axis: int, sides: Pair) -> Window:
    return replace(frame, padding=(sides, frame.padding[1]) if axis == 0 else (frame.padding[0], sides))


def _nearest_size(frame: Window, border: Pair, axis: int) -> int:
    """Of two that are as near the larger, which throws nothing away; one smaller by what is lost always fits."""
    size = frame.size[axis]
    near = (number for change in count() for number in (size + change, size - change))
    return next(number for number in near if not _lost(_sized(frame, axis, number), border, axis))


def _sized(frame: Window, axis: int, number: int) -> Window:
    return replace(frame, size=(number, frame.size[1]) if axis == 0 else (frame.size[0], number))
