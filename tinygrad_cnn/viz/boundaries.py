"""How a classifier of points in the plane divides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.figures import PALETTE, figure_of, new_figure
from tinygrad_cnn.viz.heatmaps import class_label
from tinygrad_cnn.viz.inspection import float_dtype, undisturbed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dv<>"  # one less than the colours: 56 classes all differ
_MARGIN = 0.1  # around the points, of their extent
_BATCH = 4096


def decision_regions(model: Module, x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
    """The class that a model gives to each point of a grid, in evaluation mode, the model left as it was.

    A model with one output, (N, 1) or (N,), has two classes: 1 where that is above 0, as for a logit.

    Shapes: x (A,) and y (B,) -> (B, A); the model turns points (N, 2) into scores (N, classes).

    Raises: ShapeError for a model of another output; a model that does not take points (N, 2) names its layer.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Linear(2, 2, bias=False)
        >>> model.weight.data = np.float32([[-1, 0], [1, 0]])
        >>> decision_regions(model, [-1.0, 1.0], [0.0])
        array([[0, 1]])
    """
    scores = _scores_on_grid(model, np.asarray(x, np.float64), np.asarray(y, np.float64), "decision_regions")
    return np.asarray(scores.argmax(axis=-1), np.int64)


def plot_decision_boundary(
    model: Module,
    points: ArrayLike,
    labels: ArrayLike,
    class_names: Sequence[str] | None = None,
    resolution: int = 200,
    ax: Axes | None = None,
) -> Figure:
    """The regions that a model assigns to each class, with the points: a colour and a marker for each class.

    Points of another class than their region have a thick black edge.

    resolution: points of the grid along either side.
    ax: draws there, and returns the Figure that it belongs to.

    Shapes: points (N, 2), labels (N,) class numbers.

    Raises: as `decision_regions`; ShapeError for points that are not (N, 2); ArgumentError for no points, or a
    resolution below 2; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> points = np.random.default_rng(0).normal(size=(20, 2))
        >>> figure = plot_decision_boundary(nn.Linear(2, 2), points, points[:, 0] > 0)
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['class 0', 'class 1']
    """
    places, truth = np.asarray(points, np.float64), np.asarray(labels).astype(np.int64)
    if places.ndim != 2 or places.shape[1] != 2 or truth.shape != places.shape[:1]:
        raise ShapeError(
            "plot_decision_boundary: expects points (N, 2) and labels (N,), "
            f"got shapes {places.shape} and {truth.shape}"
        )
    if not len(places) or resolution < 2:
        raise ArgumentError(
            "plot_decision_boundary: expects points, and a resolution of at least 2, "
            f"got {len(places)} points, resolution={resolution}"
        )
    low, high = places.min(axis=0), places.max(axis=0)
    margin = _MARGIN * np.where(high > low, high - low, 1.0)
    x, y = (np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True))
    scores = _scores_on_grid(model, x, y, "plot_decision_boundary")
    said = _scores(model, places, "plot_decision_boundary").argmax(axis=-1)
    found = sorted({*scores.argmax(axis=-1).ravel().tolist(), *said.tolist(), *truth.tolist()})
    if class_names is not None and (found[0] < 0 or found[-1] >= len(class_names)):
        raise ArgumentError(
            f"plot_decision_boundary: class_names has {len(class_names)} names, the classes go to {found[-1]}"
        )
    if ax is None:
        ax = new_figure(5.2, 4.2, "plot_decision_boundary").subplots()
    _draw_regions(ax, x, y, scores, found)
    right = said == truth
    for place, number in enumerate(found):
        _draw_points(ax, places, truth == number, right, place, class_label(number, class_names))
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])
    ax.set_xlabel("x₁")
    ax.set_ylabel("x₂")
    edges = "" if right.all() else "; black edge: wrong"
    ax.set_title(f"{right.mean():.1%} of {len(right)} points right{edges}", fontsize="medium")
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure_of(ax)


def _scores_on_grid(model: Module, x: NDArray[np.float64], y: NDArray[np.float64], feature: str) -> NDArray[np.float64]:
    """(A,), (B,) -> (B, A, classes)."""
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return _scores(model, grid, feature).reshape(len(y), len(x), -1)


def _scores(model: Module, points: NDArray[np.float64], feature: str) -> NDArray[np.float64]:
    """(N, 2) -> (N, classes)."""
    with undisturbed(model, feature), no_grad():
        inputs = points.astype(float_dtype(model))
        outputs = [model(Tensor(inputs[i : i + _BATCH])).data for i in range(0, len(inputs), _BATCH)]
    scores = np.concatenate(outputs).astype(np.float64)
    if scores.shape in ((len(points),), (len(points), 1)):
        return np.stack([np.zeros(len(points)), scores.ravel()], axis=1)
    if scores.ndim != 2 or len(scores) != len(points):
        raise ShapeError(f"{feature}: expects a model that gives scores (N, classes), it gives {scores.shape}")
    return scores


def _draw_regions(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], scores: NDArray[np.float64], found: Sequence[int]
) -> None:
    from matplotlib.colors import ListedColormap

    regions = scores.argmax(axis=-1)
    colours = ListedColormap([PALETTE[place % len(PALETTE)] for place in range(len(found))])
    half = (x[1] - x[0]) / 2, (y[1] - y[0]) / 2
    axes.imshow(
        np.searchsorted(found, regions),
        cmap=colours,
        vmin=-0.5,
        vmax=len(found) - 0.5,
        alpha=0.25,
        origin="lower",
        extent=(x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1]),
        interpolation="nearest",
        aspect="auto",
    )
    for number in np.unique(regions):
        if (regions != number).any():
            lead = scores[..., number] - np.delete(scores, number, axis=-1).max(axis=-1)
            axes.contour(x, y, lead, levels=[0], colors="0.25", linewidths=0.8)


def _draw_points(
    axes: Axes,
    places: NDArray[np.float64],
    member: NDArray[np.bool_],
    right: NDArray[np.bool_],
    place: int,
    name: str,
) -> None:
    look: dict[str, Any] = {"c": PALETTE[place % len(PALETTE)], "marker": _MARKERS[place % len(_MARKERS)], "s": 26}
    fine, wrong = places[member & right], places[member & ~right]
    axes.scatter(fine[:, 0], fine[:, 1], edgecolors="white", linewidths=0.6, label=name, **look)
    axes.scatter(wrong[:, 0], wrong[:, 1], edgecolors="black", linewidths=1.4, zorder=3, **look)
