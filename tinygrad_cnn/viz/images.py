"""Images as matplotlib draws them: one channel grey, three in colour, one beside the other in a single Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

FRAME = "0.55"  # the grey of frames


def shown_pixels(image: NDArray[Any]) -> NDArray[Any]:
    """(C, H, W) -> (H, W, 3) for three channels, else (H, W), the mean of them; between 0 and 1.

    Pixels that are no fractions from 0 to 1 (normalised ones, for instance) are stretched to these.
    """
    pixels = image.transpose(1, 2, 0) if len(image) == 3 else image.mean(axis=0)
    pixels = pixels.astype(np.float64)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        pixels = (pixels - low) / ((high - low) or 1.0)
    return pixels


def draw_image(axes: Axes, image: NDArray[Any]) -> AxesImage:
    """The image (C, H, W) filling the Axes, without numbers along its sides."""
    drawn = axes.imshow(shown_pixels(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    bare(axes)
    return drawn


def draw_tile(axes: Axes, pixels: NDArray[Any], box: tuple[float, float, float, float], **look: Any) -> AxesImage:
    """Pixels in a framed box (left, top, width, height) of an Axes whose y axis points down."""
    from matplotlib.patches import Rectangle

    left, top, width, height = box
    extent = (left, left + width, top + height, top)
    drawn = axes.imshow(pixels, extent=extent, interpolation="nearest", aspect="equal", **look)
    axes.add_patch(Rectangle((left, top), width, height, facecolor="none", edgecolor=FRAME, linewidth=0.5))
    return drawn


def bare(axes: Axes) -> None:
    """No ticks, and a thin grey frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=FRAME, linewidth=0.5)
