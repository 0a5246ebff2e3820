"""The confusion matrix of a classifier, and beside it the images that it got most wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.viz.figures import figure_of, new_figure
from tinygrad_cnn.viz.images import bare, draw_tile, shown_pixels
from tinygrad_cnn.viz.mistakes import checked, confusion_matrix, probabilities, worst_mistakes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WRITTEN = 20  # classes whose counts are written into the cells, at most
_TICKS = 30  # names along an axis, at most
_SHORT, _LONGEST = 3, 18  # letters of a name: up to the first two names share a line, beyond the second they are cut
_STEP, _ROOM = 1.25, 0.5  # from one image to the next, and above one, in widths of an image
_STEP_LONG, _ROOM_LONG = 2.2, 0.75


def plot_confusion_matrix(
    labels: ArrayLike,
    scores: ArrayLike | Tensor,
    images: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    max_mistakes: int = 12,
    ax: Axes | None = None,
) -> Figure:
    """Which classes were taken for which: a row for each true class, coloured by its share of the row, and counted.

    images: those that were classified; then the worst mistakes stand beside the matrix, the worst first, each with
    its true class, what it was taken for, and how sure the model was.
    scores: logits, before any softmax.
    ax: draws the matrix there alone, and returns the Figure that it belongs to.

    Shapes: labels (N,) class numbers; scores (N, classes); images (N, C, H, W).

    Raises: as `confusion_matrix`; MissingDependencyError without matplotlib.

    Example:
        >>> figure = plot_confusion_matrix([0, 1, 1], [[2.0, 1.0], [0.0, 3.0], [5.0, 0.0]], class_names=["cat", "dog"])
        >>> figure.axes[0].get_title()
        '66.67% of 3 right'
    """
    truth, given = checked("plot_confusion_matrix", labels, scores)
    names = _names(class_names, given.shape[1])
    pictures = None if images is None else _pictures(images, len(truth))
    worst = worst_mistakes(truth, given, max_mistakes)
    if ax is not None:
        if images is not None:
            raise ArgumentError("plot_confusion_matrix: images need a Figure of their own; leave out ax")
        _draw_matrix(ax, confusion_matrix(truth, given), names)
        return figure_of(ax)
    if pictures is None:
        figure = new_figure(5.2, 4.4, "plot_confusion_matrix")
        _draw_matrix(figure.subplots(), confusion_matrix(truth, given), names)
        return figure
    figure = new_figure(11.0 if _are_long(names) else 9.4, 4.4, "plot_confusion_matrix")
    matrix, gallery = figure.subplots(1, 2, width_ratios=(1.1, 1))
    _draw_matrix(matrix, confusion_matrix(truth, given), names)
    _draw_mistakes(gallery, pictures, truth, given, worst, names)
    return figure


def _draw_matrix(axes: Axes, counts: NDArray[np.int64], names: Sequence[str]) -> None:
    from matplotlib.ticker import PercentFormatter

    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    drawn = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    classes = len(counts)
    if classes <= _WRITTEN:
        size = "small" if classes <= 10 else "xx-small"
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.55 else "black"
            if count:
                axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=size)
    places = range(0, classes, math.ceil(classes / _TICKS))
    long = _are_long(names)
    axes.set_xticks(
        places, [names[place] for place in places], rotation=60 if long else 0, ha="right" if long else "center"
    )
    axes.set_yticks(places, [names[place] for place in places])
    axes.tick_params(length=0, labelsize="small")
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    axes.set_title(f"{np.trace(counts) / counts.sum():.2%} of {counts.sum():,} right", fontsize="medium")
    scale = figure_of(axes).colorbar(drawn, ax=axes, shrink=0.8, label="share of the true class")
    scale.ax.yaxis.set_major_formatter(PercentFormatter(xmax=1))
    scale.outline.set_linewidth(0.5)


def _draw_mistakes(
    axes: Axes,
    images: NDArray[Any],
    truth: NDArray[np.int64],
    given: NDArray[np.float64],
    worst: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    bare(axes)
    axes.set_axis_off()
    if not len(worst):
        axes.set_title("no mistakes", fontsize="medium")
        return
    long = _are_long(names)
    columns = math.ceil(math.sqrt(len(worst))) if not long else min(3, len(worst))
    step_right, room = (_STEP_LONG, _ROOM_LONG) if long else (_STEP, _ROOM)
    height = images.shape[2] / images.shape[3]
    sure = probabilities(given).max(axis=1)
    for place, number in enumerate(worst):
        row, column = divmod(place, columns)
        left, top = column * step_right, row * (height + room) + room
        draw_tile(axes, shown_pixels(images[number]), (left, top, 1, height), cmap="gray", vmin=0, vmax=1)
        comma = ",\n" if long else ", "
        true, taken = names[truth[number]], names[given[number].argmax()]
        text = f"{true}{comma}taken for {taken}\n({sure[number]:.0%} sure)"
        axes.text(left + 0.5, top - 0.04, text, ha="center", va="bottom", fontsize="xx-small" if long else "x-small")
    beside = (step_right - 1) / 2
    axes.set_xlim(-beside, columns * step_right - beside)
    axes.set_ylim(math.ceil(len(worst) / columns) * (height + room) + 0.05, 0)
    axes.set_title("the worst mistakes", fontsize="medium")


def _are_long(names: Sequence[str]) -> bool:
    return max(map(len, names)) > _SHORT


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _names(class_names: Sequence[str] | None, classes: int) -> Sequence[str]:
    if class_names is None:
        return [str(number) for number in range(classes)]
    if len(class_names) != classes:
        raise ArgumentError(f"plot_confusion_matrix: expects {classes} class_names, got {len(class_names)}")
    return [_cut(str(name)) for name in class_names]


def _pictures(images: ArrayLike, count: int) -> NDArray[Any]:
    pictures = np.asarray(images)
    if pictures.ndim != 4 or len(pictures) != count:
        raise ShapeError(f"plot_confusion_matrix: expects images ({count}, C, H, W), got shape {pictures.shape}")
    return pictures
