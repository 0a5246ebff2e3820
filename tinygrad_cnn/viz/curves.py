"""How training went: loss and accuracy over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.viz.figures import figure_of, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
_MARKED = 40  # points; beyond, markers would hide the line

# From Okabe and Ito's palette; dash and marker say the same without colour.
_TRAINING = {"label": "training", "color": "#0072B2", "linestyle": "--", "markersize": 4}
_TEST = {"label": "test", "color": "#D55E00", "linestyle": "-", "markersize": 4}


def plot_history(
    history: Mapping[str, Sequence[float | None]], title: str | None = None, axes: Sequence[Axes] | None = None
) -> Figure:
    """The learning curves: loss on the left, accuracy on the right, of training and test data.

    history: lists of equal length by name: train_loss, train_accuracy, test_loss, test_accuracy, one number for each
    epoch, or, with a list `step` beside them, for each of those updates. None or NaN where nothing was measured.

    axes: the two to draw on, for loss and accuracy; then their Figure is returned, and `title` is put on it.

    Units: accuracies as fractions from 0 to 1; the axis shows them in percent.

    Raises: ArgumentError where a list is missing, empty or of another length, or an accuracy is no fraction;
    MissingDependencyError without matplotlib.

    Example:
        >>> figure = plot_history(
        ...     {
        ...         "train_loss": [1.2, 0.4],
        ...         "test_loss": [0.9, 0.5],
        ...         "train_accuracy": [0.6, 0.9],
        ...         "test_accuracy": [0.7, 0.85],
        ...     }
        ... )
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['loss', 'accuracy']
    """
    series = _series(history)
    times = series.get("step", np.arange(1, len(series["train_loss"]) + 1))
    loss, accuracy = _two_axes(axes)
    figure = figure_of(loss)
    for panel, measure in ((loss, "loss"), (accuracy, "accuracy")):
        _draw(panel, times, series[f"train_{measure}"], "o", _TRAINING)
        _draw(panel, times, series[f"test_{measure}"], "s", _TEST)
        _dress(panel, "update" if "step" in series else "epoch", measure)
        mark_times(panel, times)
    _show_percent(accuracy)
    _note_final(accuracy, times, series["test_accuracy"])
    if title:
        figure.suptitle(title)
    return figure


def _two_axes(axes: Sequence[Axes] | None) -> tuple[Axes, Axes]:
    if axes is None:
        loss, accuracy = new_figure(9, 3.6, "plot_history").subplots(1, 2)
        return loss, accuracy
    if len(axes) != 2:
        raise ArgumentError(f"plot_history: axes expects two, for loss and accuracy, got {len(axes)}")
    return axes[0], axes[1]


# ---- what is drawn


def mark_times(axes: Axes, times: NDArray[Any]) -> None:
    """Ticks on the x axis: the first and the last time, and round whole numbers where there is room between."""
    from matplotlib.ticker import MaxNLocator

    first, last = float(times[0]), float(times[-1])
    count = 7 if last < 1_000 else 5 if last < 10_000 else 4  # so many numbers of that length find room
    room = (last - first) / (1.5 * count)
    between = MaxNLocator(integer=True, nbins=count, min_n_ticks=1).tick_values(first, last)
    inner = [tick for tick in between if first + room <= tick <= last - room]
    ticks = [first, *inner, last] if last > first else [first]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])


def _draw(axes: Axes, times: NDArray[Any], values: NDArray[Any], marker: str, look: Mapping[str, Any]) -> None:
    measured = np.isfinite(values)  # what was not measured leaves no gap in the line
    few = measured.sum() <= _MARKED
    axes.plot(times[measured], values[measured], **look, marker=marker if few else "", linewidth=1.6 if few else 1.0)


def _dress(axes: Axes, time: str, measure: str) -> None:
    axes.set_xlabel(time)
    axes.set_ylabel(measure)
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _show_percent(axes: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    low, high = (min(max(limit, 0.0), 1.0) for limit in axes.get_ylim())
    axes.set_ylim(low, high + 0.02 * (high - low))  # a line along the upper end stays whole
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))


def _note_final(axes: Axes, times: NDArray[Any], accuracies: NDArray[Any]) -> None:
    measured = np.flatnonzero(np.isfinite(accuracies))
    if not len(measured):
        return
    last = measured[-1]
    axes.annotate(
        f"{accuracies[last]:.2%}",
        (times[last], accuracies[last]),
        xytext=(6, 0),
        textcoords="offset points",
        color=_TEST["color"],
        va="center",
        annotation_clip=False,
    )


# ---- what is asked of a history


def _series(history: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    if not isinstance(history, Mapping):
        raise ArgumentTypeError(f"plot_history: expects a mapping of lists by name, got {type(history).__name__}")
    missing = [name for name in _MEASURES if name not in history]
    if missing:
        raise ArgumentError(
            f"plot_history: the history has no {', '.join(missing)}; it has {', '.join(map(str, history))}"
        )
    names = [*_MEASURES, *(["step"] if "step" in history else [])]
    series = {name: np.asarray(history[name], dtype=np.float64) for name in names}
    lengths = {name: len(values) for name, values in series.items()}
    if len(set(lengths.values())) > 1:
        listing = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ArgumentError(f"plot_history: the lists must be equally long, got {listing}")
    if not lengths["train_loss"]:
        raise ArgumentError("plot_history: the history is empty; train for an epoch first")
    for name in ("train_accuracy", "test_accuracy"):
        wrong = series[name][(series[name] < 0) | (series[name] > 1)]
        if len(wrong):
            raise ArgumentError(
                f"plot_history: {name} expects fractions from 0 to 1, got {wrong[0]:g}; divide percent by 100"
            )
    return series
