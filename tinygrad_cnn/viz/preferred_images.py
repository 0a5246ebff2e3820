"""What units look for: the images they answer to most, as tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, GradientError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.ascent import maximize_activation
from tinygrad_cnn.viz.figures import figure_of, new_figure
from tinygrad_cnn.viz.images import draw_tile, shown_pixels
from tinygrad_cnn.viz.inspection import find_layer, float_dtype, run_and_collect, undisturbed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP, _HEADING = 0.12, 0.3  # around a tile, in widths of a tile
_INCH = 1.1  # the width of a tile


def plot_activation_maximization(
    model: Module,
    image_shape: tuple[int, int, int],
    layer: str | Module | None = None,
    units: Sequence[int] | None = None,
    unit_names: Sequence[str] | None = None,
    steps: int = 100,
    norm: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The images that the units of a layer answer to most, found by `maximize_activation`.

    Grey is 0; each image is stretched to the full scale by itself. A unit that answers to nothing has an empty tile.

    layer, steps, norm: as for `maximize_activation`; units: by default the first 12. unit_names: a name for each of
    the layer's units, of the classes for instance.
    ax: draws there, and returns the Figure that it belongs to.

    Shapes: image_shape (C, H, W).

    Raises: as `maximize_activation`; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        >>> figure = plot_activation_maximization(model, (1, 8, 8), unit_names=["cat", "dog"], steps=10)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['cat', 'dog']
    """
    count = _count_units(model, image_shape, layer)
    chosen = list(range(min(count, 12))) if units is None else list(units)
    if not chosen:
        raise ArgumentError("plot_activation_maximization: units expects at least one number, got none")
    if unit_names is not None and len(unit_names) != count:
        raise ArgumentError(
            f"plot_activation_maximization: unit_names has {len(unit_names)} names, the layer {count} units"
        )
    columns = math.ceil(math.sqrt(2 * len(chosen)))
    rows = math.ceil(len(chosen) / columns)
    step_right, step_down = 1 + _GAP, image_shape[1] / image_shape[2] + _HEADING
    if ax is None:
        size = max(columns * step_right * _INCH, 2.8), rows * step_down * _INCH + 0.5
        ax = new_figure(*size, "plot_activation_maximization").subplots()
    for place, unit in enumerate(chosen):
        row, column = divmod(place, columns)
        corner = column * step_right, row * step_down + _HEADING
        try:
            image = maximize_activation(model, image_shape, layer, unit, steps, norm=norm)
        except GradientError:
            image = None
        name = str(unit) if unit_names is None else unit_names[unit]
        _draw_preferred(ax, image, image_shape, corner, name)
    ax.set_xlim(-_GAP / 2, columns * step_right - _GAP / 2)
    ax.set_ylim(rows * step_down + _GAP / 2, 0)
    ax.set_axis_off()
    path = "" if layer is None else find_layer(model, layer, "plot_activation_maximization")[0]
    whose = f"each unit of {path}" if path else "each output"
    part = f" ({len(chosen)} of {count})" if len(chosen) < count else ""
    ax.set_title(f"what {whose} answers to most{part}", fontsize="medium")
    return figure_of(ax)


def _count_units(model: Module, image_shape: tuple[int, int, int], layer: str | Module | None) -> int:
    feature = "plot_activation_maximization"
    with undisturbed(model, feature), no_grad():
        watched = ("", model) if layer is None else find_layer(model, layer, feature)
        _, outputs = run_and_collect(model, Tensor(np.zeros((1, *image_shape), float_dtype(model))), [watched])
    if not outputs:
        raise ArgumentError(f"{feature}: the layer {watched[0]!r} does not run; choose one that forward calls")
    return int(outputs[-1].output.shape[1])


def _draw_preferred(
    axes: Axes, image: Any, shape: tuple[int, int, int], corner: tuple[float, float], name: str
) -> None:
    left, top = corner
    if image is None:
        pixels = np.ones(shape[1:])
    else:
        largest = float(np.abs(image).max()) or 1.0
        pixels = shown_pixels(0.5 + image / (2 * largest))
    height = shape[1] / shape[2]
    draw_tile(axes, pixels, (left, top, 1, height), cmap="gray", vmin=0, vmax=1)
    axes.text(left + 0.5, top - 0.04, name, ha="center", va="bottom", fontsize="small")
    if image is None:
        axes.text(left + 0.5, top + height / 2, "silent", ha="center", va="center", fontsize="small", color="0.4")
