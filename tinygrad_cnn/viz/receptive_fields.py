"""How many pixels of the input one pixel of a layer sees, followed through a model from operation to operation.

A window of extent E (first tap to last) and stride S, over pixels that each see r of the input's and lie j apart:

    r' = r + (E - 1) j         j' = S j

Source: Araujo, Norris and Sim 2019, "Computing receptive fields of convolutional neural networks", section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tinygrad_cnn.core import Event, Tensor
from tinygrad_cnn.geometry import Pair, Window

_SLIDING = frozenset({"conv2d", "max_pool2d", "avg_pool2d", "unfold"})
_PADDING = frozenset({"pad", "pad_around"})


class Axis(NamedTuple):
    """Along H or W: the input's pixels that a pixel sees, from one to the next, and pixels of padding at the end."""

    seen: float = 1
    jump: float = 1
    border: int = 0


Field = tuple[Axis, Axis]


class Fields:
    """The receptive field of every value, as far as it has one: None where pixels have lost their place."""

    def __init__(self, inputs: Iterable[Tensor]) -> None:
        self._known: dict[int, Field | None] = {id(tensor.data): (Axis(), Axis()) for tensor in inputs}

    def of(self, tensor: Tensor) -> Field | None:
        return self._known.get(id(tensor.data))

    def follow(self, event: Event, arguments: Mapping[str, Any]) -> None:
        """Find the field of what an operation returned. Its Tensors must stay alive, so that no other takes an id."""
        sources = [x for x in event.inputs if isinstance(x, Tensor) and self._known.get(id(x.data)) is not None]
        output = event.output
        if not sources:
            return
        around = _merged([self._known[id(x.data)] for x in sources])
        before, after = _places(sources[0].shape), _places(output.shape)
        name = event.primitive.name
        found: Field | None = None
        if name in _SLIDING:
            found = _slid(around, arguments["window"])
        elif name == "conv2d_input_grad":
            found = _spread(around, arguments["window"])
        elif name in _PADDING:
            found = _bordered(around, arguments["widths"])
        elif before == after:
            found = around
        elif after == (1, 1):  # everything became one pixel
            found = _slid(around, Window(before, before, (1, 1), ((0, 0), (0, 0)), (1, 1)))
        self._known[id(output.data)] = found


def is_sliding(event: Event) -> bool:
    """Whether it moves a window over its input."""
    return event.primitive.name in _SLIDING


def _slid(field: Field, window: Window) -> Field:
    extents = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    down, across = (
        Axis(axis.seen + (extent - 1) * axis.jump, axis.jump * stride)
        for axis, extent, stride in zip(field, extents, window.stride, strict=True)
    )
    return down, across


def _spread(field: Field, window: Window) -> Field:
    """Of a transposed convolution: how many of its input's pixels reach a pixel of its output."""
    extents = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    down, across = (
        Axis(axis.seen + (-(-extent // stride) - 1) * axis.jump, axis.jump / stride)
        for axis, extent, stride in zip(field, extents, window.stride, strict=True)
    )
    return down, across


def _bordered(field: Field, widths: tuple[Pair, ...]) -> Field:
    ends = [after for _, after in ((0, 0), *widths)[-2:]]
    down, across = (axis._replace(border=axis.border + end) for axis, end in zip(field, ends, strict=True))
    return down, across


def _merged(fields: Iterable[Any]) -> Field:
    """Of a sum, for example: the larger of each."""
    down, across = (Axis(*map(max, zip(*axes, strict=True))) for axes in zip(*fields, strict=True))
    return down, across


def _places(shape: tuple[int, ...]) -> Pair:
    """(H, W) of images, (1, L) of sequences, (1, 1) of features."""
    height, width = (1, 1, *shape[2:])[-2:]
    return height, width
