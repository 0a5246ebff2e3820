"""An image on its way through a model: what each layer makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn import Dropout, Dropout2d, Flatten, Identity, Module
from tinygrad_cnn.viz.figures import figure_of, new_figure, spread_out
from tinygrad_cnn.viz.images import draw_tile, shown_pixels
from tinygrad_cnn.viz.inspection import as_batch, find_layer, leaves, run_and_collect, undisturbed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCH = 0.8  # the width of a tile
_GAP = 0.12  # between tiles, in widths of a tile
_STRIP = 0.4  # the height of a row of features that are no maps
_LABEL, _RANGE = 2.3, 0.9  # room on the left and on the right, in widths of a tile
_PASSING_ON = (Dropout, Dropout2d, Flatten, Identity)  # the same values, in evaluation mode
_NUMBERED = 20  # features that get numbers, at most


class FeatureMaps(NamedTuple):
    """What one layer made of an image."""

    path: str
    kind: str
    values: NDArray[np.floating]  # without the batch: (K, h, w), or (features,)


def feature_maps(
    model: Module, image: ArrayLike | Tensor, layers: Sequence[str | Module] | None = None
) -> list[FeatureMaps]:
    """What each layer makes of one image, in the order in which they run, in evaluation mode.

    layers: their paths or Modules; by default all that hold no others, without those that only pass their input on
    (Dropout, Flatten, Identity). What runs several times stands there several times.

    Shapes: image (C, H, W) or (H, W).

    Raises: ShapeError, naming the layer, for an image that does not fit; ArgumentError for a layer that the model does
    not have (the names are offered); DTypeError for an image of integers.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> [(maps.path, maps.values.shape) for maps in feature_maps(model, np.ones((8, 8)))]
        [('0', (4, 6, 6)), ('1', (4, 6, 6)), ('3', (2,))]
    """
    return _feature_maps(model, image, layers, "feature_maps")


def _feature_maps(
    model: Module, image: ArrayLike | Tensor, layers: Sequence[str | Module] | None, feature: str
) -> list[FeatureMaps]:
    with undisturbed(model, feature), no_grad():
        watched = leaves(model) if layers is None else [find_layer(model, layer, feature) for layer in layers]
        _, outputs = run_and_collect(model, Tensor(as_batch(image, model, feature)), watched)
    return [
        FeatureMaps(path, type(layer).__name__, output.data[0].copy())
        for path, layer, output in outputs
        if layers is not None or not isinstance(layer, _PASSING_ON)
    ]


def plot_feature_maps(
    model: Module,
    image: ArrayLike | Tensor,
    layers: Sequence[str | Module] | None = None,
    max_layers: int = 12,
    max_maps: int = 8,
    ax: Axes | None = None,
) -> Figure:
    """The image, and below it what each layer makes of it: a row for each layer, a tile for each channel.

    Red is positive, blue negative, white 0; each row has a scale of its own, whose end stands on the right.

    layers: as for `feature_maps`. max_layers, max_maps: how many are drawn; layers from the first to the last at even
    distances, channels from the first.
    ax: draws there, and returns the Figure that it belongs to.

    Raises: as `feature_maps`; ArgumentError for a maximum below 1; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> figure = plot_feature_maps(model, np.ones((8, 8)))
        >>> len(figure.axes[0].images)
        10
    """
    for name, limit in (("max_layers", max_layers), ("max_maps", max_maps)):
        if limit < 1:
            raise ArgumentError(f"plot_feature_maps: {name} must be at least 1, got {limit}")
    found = _feature_maps(model, image, layers, "plot_feature_maps")
    if not found:
        raise ArgumentError("plot_feature_maps: none of the layers ran; choose some that the forward pass calls")
    shown = spread_out(found, max_layers)
    pixels = as_batch(image, model, "plot_feature_maps")[0]
    columns = max(5, *(min(len(_tiles(maps.values)), max_maps) for maps in shown))  # at least a strip of ten numbers
    heights = [_height(pixels), *(_height(maps.values) for maps in shown)]
    if ax is None:
        width = (_LABEL + columns * (1 + _GAP) + _RANGE) * _INCH
        height = (sum(heights) + _GAP * 2 * len(heights)) * _INCH + 0.4
        ax = new_figure(width, height, "plot_feature_maps").subplots()
    tops = np.cumsum([0.0, *(height + 2 * _GAP for height in heights)])
    draw_tile(ax, shown_pixels(pixels), (0, 0, 1, heights[0]), cmap="gray", vmin=0, vmax=1)
    _label(ax, heights[0] / 2, "image", pixels.shape)
    for maps, top, height in zip(shown, tops[1:], heights[1:], strict=False):
        _draw_row(ax, maps, float(top), height, columns, max_maps)
    ax.set_xlim(-_LABEL, columns * (1 + _GAP) + _RANGE)
    ax.set_ylim(tops[-1], -_GAP)
    ax.set_axis_off()
    part = f"{len(shown)} of {len(found)} layers; " if len(shown) < len(found) else ""
    ax.set_title(f"{part}red > 0, blue < 0, each row to its own scale", fontsize="small")
    return figure_of(ax)


def _tiles(values: NDArray[Any]) -> NDArray[Any]:
    """(K, h, w) whatever maps the layer has; features without a place become one strip of height 1."""
    return values.reshape(1, 1, -1) if values.ndim < 2 else values.reshape(-1, *values.shape[-2:])


def _height(values: NDArray[Any]) -> float:
    height, width = _tiles(values).shape[1:]
    return _STRIP if values.ndim < 2 else min(height / width, 3.0)


def _draw_row(axes: Axes, maps: FeatureMaps, top: float, height: float, columns: int, max_maps: int) -> None:
    tiles = _tiles(maps.values)
    scale = float(np.abs(tiles[np.isfinite(tiles)]).max(initial=0.0))
    look = {"cmap": "RdBu_r", "vmin": -(scale or 1.0), "vmax": scale or 1.0}
    middle = top + height / 2
    if maps.values.ndim < 2:
        _draw_strip(axes, tiles[0], (0, top, columns * (1 + _GAP) - _GAP, height), look)
    else:
        for column, tile in enumerate(tiles[:max_maps]):
            draw_tile(axes, tile, (column * (1 + _GAP), top, 1, height), **look)
    name = f"{maps.path} {maps.kind}".strip()
    cut = f", first {max_maps}" if maps.values.ndim >= 2 and len(tiles) > max_maps else ""
    _label(axes, middle, name, maps.values.shape, cut)
    low = "±" if (tiles < 0).any() else "0 to "
    axes.text(columns * (1 + _GAP), middle, f"{low}{scale:.3g}", ha="left", va="center", fontsize="small")


def _draw_strip(axes: Axes, values: NDArray[Any], box: tuple[float, float, float, float], look: dict[str, Any]) -> None:
    left, top, width, height = box
    draw_tile(axes, values, box, **look)
    count = values.shape[1]
    if count <= _NUMBERED:
        for number in range(count):
            x = left + (number + 0.5) * width / count
            axes.text(x, top + height + 0.03, str(number), ha="center", va="top", fontsize="x-small")


def _label(axes: Axes, y: float, name: str, shape: tuple[int, ...], cut: str = "") -> None:
    size = " × ".join(str(n) for n in shape)
    axes.text(-0.15, y, f"{name}\n{size}{cut}", ha="right", va="center", fontsize="small")
