"""Windows over an image, found one by one from their definition, not by the kernels that the explanation is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.geometry import Pair, Window

Array = NDArray[Any]


def padded(x: Array, window: Window, value: float = 0.0) -> Array:
    """X: the images with their border."""
    return np.pad(x, ((0, 0), (0, 0), *window.padding), constant_values=value)


def taps(window: Window, place: Pair) -> Iterator[tuple[Pair, Pair]]:
    """((k, l), (m, n)) for each tap of the window at `place`: where it is in the filter, and which pixel it reads."""
    (i, j), (SH, SW), (DH, DW) = place, window.stride, window.dilation
    for k in range(window.kernel[0]):
        for l in range(window.kernel[1]):  # noqa: E741  (the formulas' letter)
            yield (k, l), (i * SH + k * DH, j * SW + l * DW)


def places(window: Window) -> list[Pair]:
    """(i, j) of all windows."""
    return [(i, j) for i in range(window.output_size[0]) for j in range(window.output_size[1])]


def readers(window: Window, pixel: Pair) -> list[tuple[Pair, Pair]]:
    """((i, j), (k, l)) for each window that contains the pixel of X, and the tap that it is there."""
    found = ((place, tap) for place in places(window) for tap, read in taps(window, place) if read == pixel)
    return list(found)


def busiest_pixel(window: Window) -> Pair:
    """The pixel of X, not of its border, that most windows contain; of several the one nearest to the middle."""
    (top, _), (left, _), (H, W) = *window.padding, window.size
    counts = np.zeros(window.padded_size, np.int64)
    for place in places(window):
        for _, pixel in taps(window, place):
            counts[pixel] += 1
    middle = top + (H - 1) / 2, left + (W - 1) / 2
    inside = [(m, n) for m in range(top, top + H) for n in range(left, left + W)]
    return min(inside, key=lambda p: (-counts[p], abs(p[0] - middle[0]) + abs(p[1] - middle[1])))


def say_sizes(page: Page, window: Window, kind: str) -> None:
    """The formula of the output's size, with the numbers of this example. kind: F a filter, P a pool."""
    names = zip("HW", window.size, window.padding, window.kernel, window.stride, window.dilation, strict=True)
    for axis, size, (before, after), kernel, stride, dilation in names:
        letter = f"{axis}_{kind}"
        borders, border = (rf"2 \cdot {before}", "2P") if before == after else (f"{before} + {after}", "P + P'")
        extent, extents = str(kernel), letter
        if dilation != 1:
            extent, extents = rf"{dilation} \cdot ({kernel} - 1) - 1", f"D ({letter} - 1) - 1"
        symbols = rf"\left\lfloor \frac{{{axis} + {border} - {extents}}}{{S}} \right\rfloor + 1"
        numbers = rf"\left\lfloor \frac{{{size} + {borders} - {extent}}}{{{stride}}} \right\rfloor + 1"
        result = window.output_size["HW".index(axis)]
        page.formula(f"size.{axis}", rf"O_{axis} &= {symbols}", rf"&= {numbers} = {result}")
    if any(window.unread):
        page.say("common.unread", rows=window.unread[0], columns=window.unread[1])
