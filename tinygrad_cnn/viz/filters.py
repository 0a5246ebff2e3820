"""What a convolution has learned to look for: its filters as tiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.viz.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

_MAX_WIDTH, _MAX_HEIGHT = 9.0, 10.0  # inches
_TILE = 0.55  # inches, of a tile's longer side where there is room
_GAP = 0.18  # between tiles, as a part of a tile's shorter side
_LABELS = 16  # numbers along an axis, at most


def plot_filters(
    weight_or_layer: Any, title: str | None = None, max_filters: int = 32, max_channels: int = 16
) -> Figure:
    """The filters of a convolution: a row for each filter, a column for each input channel.

    Red is positive, blue negative, white 0, and one scale holds for the whole figure. With one input channel the
    filters stand in a compact grid, numbered from the upper left, row by row.

    weight_or_layer: the weights as an array or a Tensor, or a layer that holds them as `weight`.
    max_filters, max_channels: how many of them are drawn, from the first; the title says where there are more.

    Shapes: weights (O, C, KH, KW).

    Raises: ShapeError for weights of another shape, ArgumentError for a maximum below 1; ArgumentTypeError for what has
    no weights; MissingDependencyError without matplotlib.

    Example:
        >>> figure = plot_filters(np.random.default_rng(0).normal(size=(8, 3, 5, 5)), title="first layer")
        >>> figure.get_suptitle()
        'first layer'
    """
    weight = _weight(weight_or_layer)
    for name, limit in (("max_filters", max_filters), ("max_channels", max_channels)):
        if limit < 1:
            raise ArgumentError(f"plot_filters: {name} must be at least 1, got {limit}")
    shown = weight[:max_filters, :max_channels]
    tiles = arranged(shown)
    figure = new_figure(*tiles_size(tiles.shape), "plot_filters")
    axes = figure.subplots()
    mesh = draw_tiles(axes, tiles, number=shown.shape[0] * shown.shape[1])
    figure.set_layout_engine("compressed")  # the tiles keep their proportions, so the page must close up around them
    figure.colorbar(mesh, ax=axes, shrink=0.8, aspect=40).outline.set_linewidth(0.5)
    number_tiles(axes, tiles.shape, compact=shown.shape[1] == 1)
    figure.suptitle(f"{title or _description(weight)}{cut(weight, shown)}", fontsize="medium")
    return figure


def _weight(weight_or_layer: Any) -> NDArray[Any]:
    weight = getattr(weight_or_layer, "weight", weight_or_layer)
    array = weight.data if isinstance(weight, Tensor) else weight
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise ArgumentTypeError(
            f"plot_filters: expects an array of weights or a layer with .weight, got {type(weight_or_layer).__name__}"
        )
    if array.ndim != 4 or 0 in array.shape:
        raise ShapeError(f"plot_filters: expects weights (O, C, KH, KW), none of them 0, got shape {array.shape}")
    return array.astype(np.float64)


# ---- where the tiles stand: (rows, columns, KH, KW)


def arranged(filters: NDArray[Any]) -> NDArray[Any]:
    """(O, C, KH, KW) -> (rows, columns, KH, KW): a row for each filter, or a grid of filters of one channel."""
    return _compact(filters[:, 0]) if filters.shape[1] == 1 else filters


def _compact(filters: NDArray[Any]) -> NDArray[Any]:
    """(O, KH, KW) -> (rows, columns, KH, KW): about as wide as high, the last row filled up with NaN."""
    count, *kernel = filters.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    tiles = np.full((rows * columns, *kernel), np.nan)
    tiles[:count] = filters
    return tiles.reshape(rows, columns, *kernel)


def _edges(count: int, pixels: int, gap: float) -> NDArray[Any]:
    """The positions of the pixels' edges along one axis: `count` tiles of `pixels` pixels of size 1, gaps between."""
    return np.concatenate([tile * (pixels + gap) + np.arange(pixels + 1.0) for tile in range(count)])


def _extent(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Width and height of all tiles together, and the gap between two, in pixels of the filters."""
    rows, columns, height, width = shape
    gap = _GAP * min(height, width)
    return columns * (width + gap) - gap, rows * (height + gap) - gap, gap


def tiles_size(shape: tuple[int, ...]) -> tuple[float, float]:
    """Width and height in inches of a figure of such tiles."""
    width, height, _ = _extent(shape)
    inch = min(_TILE / max(shape[2:]), _MAX_WIDTH / width, _MAX_HEIGHT / height)
    return max(width * inch + 1.7, 3.2), max(height * inch + 1.0, 1.8)  # beside them the scale, the numbers, the title


# ---- drawing


def draw_tiles(axes: Axes, tiles: NDArray[Any], number: int, scale: float | None = None) -> QuadMesh:
    """Tiles with frames around the first `number`; `scale`, what is darkest, is by default their largest magnitude."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    rows, columns, height, width = tiles.shape
    _, _, gap = _extent(tiles.shape)
    x, y = _edges(columns, width, gap), _edges(rows, height, gap)
    pixels = np.full((rows, height + 1, columns, width + 1), np.nan)  # the last row and column of each tile is the gap
    pixels[:, :height, :, :width] = tiles.transpose(0, 2, 1, 3)
    pixels = pixels.reshape(len(y), len(x))[:-1, :-1]
    if scale is None:
        scale = float(np.abs(tiles[np.isfinite(tiles)]).max(initial=0.0)) or 1.0
    mesh = axes.pcolormesh(x, y, pixels, cmap="RdBu_r", vmin=-scale, vmax=scale)
    corners = [(left, top) for top in y[:: height + 1] for left in x[:: width + 1]][:number]
    frames = [Rectangle(corner, width, height) for corner in corners]
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor="0.55", linewidth=0.5))
    axes.set_aspect("equal")
    axes.set_xlim(-0.3 * gap, x[-1] + 0.3 * gap)  # room for the outer frames
    axes.set_ylim(y[-1] + 0.3 * gap, -0.3 * gap)
    return mesh


def number_tiles(axes: Axes, shape: tuple[int, ...], compact: bool) -> None:
    """Numbers along the axes, as many as there is room for."""
    rows, columns, height, width = shape
    _, _, gap = _extent(shape)
    shown_rows, shown_columns = (range(0, n, math.ceil(n / _LABELS)) for n in (rows, columns))
    numbers = [row * columns if compact else row for row in shown_rows]
    axes.set_yticks([row * (height + gap) + height / 2 for row in shown_rows], [str(number) for number in numbers])
    axes.set_ylabel("first filter of the row" if compact else "filter")
    if compact:
        axes.set_xticks([])
    else:
        centres = [column * (width + gap) + width / 2 for column in shown_columns]
        axes.set_xticks(centres, [str(column) for column in shown_columns])
        axes.set_xlabel("input channel")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _description(weight: NDArray[Any]) -> str:
    filters, channels, height, width = weight.shape
    of_channels = f" on {channels} channels" if channels > 1 else ""
    return f"{filters} filter{'s' if filters > 1 else ''} {height} × {width}{of_channels}"


def cut(weight: NDArray[Any], shown: NDArray[Any]) -> str:
    """How much of the weights is shown, where it is not all."""
    kinds = zip(("filters", "channels"), weight.shape, shown.shape, strict=False)
    cuts = [f"first {part} of {whole} {kind}" for kind, whole, part in kinds if part < whole]
    return f"\n({', '.join(cuts)})" if cuts else ""
