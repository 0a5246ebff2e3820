"""The filters of every layer of a model, as they are, or as they began and as they ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.figures import new_figure, spread_out
from tinygrad_cnn.viz.filters import arranged, cut, draw_tiles, number_tiles, tiles_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_WIDTH = 10.0  # inches
_SMALLER = 0.8  # than the tiles of plot_filters: there are several layers
_TITLE = 0.5  # inches, of a layer's title and numbers


def plot_layer_filters(
    model: Module,
    before: Module | Mapping[str, ArrayLike] | None = None,
    max_layers: int = 4,
    max_filters: int = 8,
    max_channels: int = 8,
) -> Figure:
    """The filters of every convolution of a model, each layer as `plot_filters` draws it, from the first to the last.

    before: what the weights were earlier: a Module built alike, or a `state_dict()` taken then. It is drawn on the left
    of what they are now; the two share one scale.
    max_layers: how many layers are drawn, from the first to the last at even distances.
    max_filters, max_channels: how many of each layer are drawn, from the first.

    Raises: ArgumentError where the model has no filters, or `before` lacks some; ShapeError where `before` has other
    shapes; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3))
        >>> start = model.state_dict()
        >>> model[0].weight.data += 0.1  # some training
        >>> figure = plot_layer_filters(model, before=start)
        >>> [axes.get_title() for axes in figure.axes[:4]]
        ['0 Conv2d: before', '0 Conv2d: after', '2 Conv2d: before', '2 Conv2d: after']
    """
    limits = {"max_layers": max_layers, "max_filters": max_filters, "max_channels": max_channels}
    for name, limit in limits.items():
        if limit < 1:
            raise ArgumentError(f"plot_layer_filters: {name} must be at least 1, got {limit}")
    every = _weights(model)
    layers = {path: every[path] for path in spread_out(list(every), max_layers)}
    states = [] if before is None else [("before", _earlier(before, layers))]
    states.append(("after" if before is not None else "", {path: weight for path, (_, weight) in layers.items()}))
    sizes = [tiles_size(arranged(weight[:max_filters, :max_channels]).shape) for _, weight in layers.values()]
    width = len(states) * max(width for width, _ in sizes)
    fit = min(_SMALLER, _MAX_WIDTH / width)
    heights = [fit * height + _TITLE for _, height in sizes]
    figure = new_figure(max(fit * width, 4.0), sum(heights), "plot_layer_filters")
    grid = figure.subplots(len(layers), len(states), squeeze=False, height_ratios=heights)
    for row, (path, (kind, weight)) in zip(grid, layers.items(), strict=True):
        shown = {when: values[path][:max_filters, :max_channels] for when, values in states}
        scale = max(_largest(filters) for filters in shown.values()) or 1.0
        for axes, (when, filters) in zip(row, shown.items(), strict=True):
            compact = filters.shape[1] == 1
            mesh = draw_tiles(axes, arranged(filters), filters.shape[0] * filters.shape[1], scale)
            number_tiles(axes, arranged(filters).shape, compact)
            name = f"{path} {kind}".strip()
            axes.set_title(f"{name}: {when}" if when else name + cut(weight, filters), fontsize="medium")
        figure.colorbar(mesh, ax=list(row), shrink=0.8, aspect=30).outline.set_linewidth(0.5)
    if len(layers) < len(every):
        figure.suptitle(f"{len(layers)} of {len(every)} layers", fontsize="medium")
    return figure


def _weights(model: Module) -> dict[str, tuple[str, NDArray[Any]]]:
    """The kind and the weights (O, C, KH, KW) of each layer that has such, by path."""
    if not isinstance(model, Module):
        raise ArgumentTypeError(f"plot_layer_filters: expects a Module, got {type(model).__name__}")
    modules = dict(model.named_modules())
    weights = {
        name.rpartition(".")[0]: parameter.data.astype(np.float64)
        for name, parameter in model.named_parameters()
        if name.rpartition(".")[2] == "weight" and parameter.ndim == 4 and 0 not in parameter.shape
    }
    if not weights:
        raise ArgumentError("plot_layer_filters: the model has no filters, no weight of four dimensions (O, C, KH, KW)")
    return {path: (type(modules[path]).__name__, weight) for path, weight in weights.items()}


def _earlier(
    before: Module | Mapping[str, ArrayLike], layers: Mapping[str, tuple[str, NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    state = before.state_dict() if isinstance(before, Module) else before
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(
            f"plot_layer_filters: before expects a Module or a state_dict(), got {type(before).__name__}"
        )
    earlier = {}
    for path, (_, weight) in layers.items():
        key = f"{path}.weight" if path else "weight"
        if key not in state:
            raise ArgumentError(f"plot_layer_filters: before has no {key!r}; pass the state_dict() of the same model")
        earlier[path] = np.asarray(state[key], dtype=np.float64)
        if earlier[path].shape != weight.shape:
            raise ShapeError(
                f"plot_layer_filters: before has {key!r} of shape {earlier[path].shape}, the model {weight.shape}; "
                "pass the state_dict() of the same model"
            )
    return earlier


def _largest(values: NDArray[Any]) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
