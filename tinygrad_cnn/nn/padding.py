"""Layers that put a border around images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.padding import pad


class _Pad2d(Module):
    _mode: ClassVar[str] = "constant"

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        widths = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,) * 4
        name = type(self).__name__
        if any(isinstance(width, bool) or not isinstance(width, int) for width in widths):
            raise ArgumentTypeError(f"{name}: padding expects an int or four ints, got {padding!r}")
        if len(widths) != 4:
            raise ArgumentError(f"{name}: padding expects (left, right, top, bottom), got {padding!r}")
        self.padding = widths

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(_Pad2d):
    """A border of zeros: an int, or (left, right, top, bottom) in pixels.

    Example:
        >>> ZeroPad2d(1)
        ZeroPad2d((1, 1, 1, 1))
    """


class ReflectionPad2d(_Pad2d):
    """A border in which the image is mirrored: an int, or (left, right, top, bottom) in pixels."""

    _mode = "reflect"


class ReplicationPad2d(_Pad2d):
    """A border that repeats the outermost pixels: an int, or (left, right, top, bottom) in pixels."""

    _mode = "replicate"


class CircularPad2d(_Pad2d):
    """A border that continues with the other side: an int, or (left, right, top, bottom) in pixels."""

    _mode = "circular"
