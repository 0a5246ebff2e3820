"""How the values of parameters and of their gradients are spread, from one moment of a training run to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.curves import mark_times
from tinygrad_cnn.viz.figures import new_figure, spread_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kind = Literal["value", "gradient"]

_BINS = 64  # of one histogram
_DRAWN_BINS = 48
_DARKEST = 0.25  # share of the values; more is no darker


class Histogram(NamedTuple):
    """How many values lie between neighbouring edges; those that are no finite numbers are counted apart."""

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    non_finite: int


@dataclass
class ParameterHistograms:
    """Histograms of all parameters of a model and of their gradients, one for each `take`.

    A training loop calls `take` after `loss.backward()`, every so many updates; with a Trainer a callback does:

        class Watch(Callback):
            def on_entry(self, progress):
                histograms.take(progress.step)

    It reads the model, and keeps no weights.

    steps: when they were taken. values, gradients: by the parameter's name, a Histogram for each step; None where
    there was no gradient.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Linear(3, 2)
        >>> histograms = ParameterHistograms(model)
        >>> histograms.take(0)
        >>> int(histograms.values["weight"][0].counts.sum()), histograms.gradients["weight"]
        (6, [None])
    """

    model: Module
    steps: list[int] = field(default_factory=list)
    values: dict[str, list[Histogram | None]] = field(default_factory=dict)
    gradients: dict[str, list[Histogram | None]] = field(default_factory=dict)

    def take(self, step: int) -> None:
        """Count where the values and the gradients lie now, at a step later than the one before.

        Raises: ArgumentError where the step does not grow.
        """
        if self.steps and step <= self.steps[-1]:
            raise ArgumentError(f"ParameterHistograms.take: step expects more than {self.steps[-1]}, got {step}")
        for name, parameter in self.model.named_parameters():
            gradient = None if parameter.grad is None else histogram(parameter.grad.data)
            self.values.setdefault(name, []).append(histogram(parameter.data))
            self.gradients.setdefault(name, []).append(gradient)
        self.steps.append(step)


def histogram(values: NDArray[Any]) -> Histogram:
    """The histogram of all values, between the smallest and the largest."""
    finite = values[np.isfinite(values)].astype(np.float64)
    counts, edges = np.histogram(finite, bins=_BINS)
    return Histogram(counts, edges, values.size - finite.size)


def plot_histograms(
    histograms: ParameterHistograms,
    names: Sequence[str] | None = None,
    kinds: Sequence[Kind] = ("value", "gradient"),
    max_parameters: int = 6,
) -> Figure:
    """How parameters (left) and their gradients (right) spread over time: a row for each parameter.

    The darker, the more of the values lie there; the line is the median. Times at which some were NaN or infinite are
    marked by crosses on the lower edge.

    names: parameters to draw; by default the weights (what has more than one dimension), at most `max_parameters` of
    them, from the first to the last at even distances.

    Raises: ArgumentError where nothing was taken yet, for a parameter that there is not (the names are offered), or a
    kind that there is not; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> histograms = ParameterHistograms(nn.Linear(3, 2))
        >>> for step in (0, 1, 2):
        ...     histograms.take(step)
        >>> figure = plot_histograms(histograms, kinds=["value"])
        >>> figure.axes[0].get_title()
        'weight'
    """
    chosen = _chosen(histograms, names, max_parameters)
    wrong = [kind for kind in kinds if kind not in ("value", "gradient")]
    if wrong or not kinds:
        raise ArgumentError(f"plot_histograms: kinds expects 'value', 'gradient' or both, got {list(kinds)}")
    figure = new_figure(0.6 + 3.9 * len(kinds), 0.4 + 1.7 * len(chosen), "plot_histograms")
    grid = figure.subplots(len(chosen), len(kinds), squeeze=False, sharex=True)
    mesh: Any = None
    for row, name in zip(grid, chosen, strict=True):
        for axes, kind in zip(row, kinds, strict=True):
            taken = (histograms.values if kind == "value" else histograms.gradients)[name]
            drawn = _draw_spread(axes, histograms.steps, taken)
            mesh = drawn or mesh
            axes.set_title(name if kind == "value" else f"{name}: gradient", fontsize="medium")
            axes.tick_params(labelsize="small")
    for axes in grid[-1]:
        axes.set_xlabel("update")
        mark_times(axes, np.asarray(histograms.steps))
    if mesh is not None:
        scale = figure.colorbar(
            mesh, ax=grid, shrink=min(1.0, 2 / len(chosen)), aspect=25, label="share of the values", extend="max"
        )
        scale.outline.set_linewidth(0.5)
    return figure


def _chosen(histograms: ParameterHistograms, names: Sequence[str] | None, limit: int) -> Sequence[str]:
    if not isinstance(histograms, ParameterHistograms):
        raise ArgumentTypeError(f"plot_histograms: expects ParameterHistograms, got {type(histograms).__name__}")
    if not histograms.steps:
        raise ArgumentError("plot_histograms: there are no histograms yet; call take(step) while the model trains")
    known = list(histograms.values)
    if not known:
        raise ArgumentError("plot_histograms: the model has no parameters; nothing to draw")
    if names is not None:
        missing = [name for name in names if name not in known]
        if missing:
            raise ArgumentError(
                f"plot_histograms: the model has no parameter {missing[0]!r}; it has {', '.join(known)}"
            )
        if not names:
            raise ArgumentError(f"plot_histograms: names expects at least one; the model has {', '.join(known)}")
        return names
    if limit < 1:
        raise ArgumentError(f"plot_histograms: max_parameters must be at least 1, got {limit}")
    shapes = {name: parameter.ndim for name, parameter in histograms.model.named_parameters()}
    candidates = [name for name in known if shapes.get(name, 0) > 1] or known
    return spread_out(candidates, limit)


def _draw_spread(axes: Axes, steps: Sequence[int], taken: Sequence[Histogram | None]) -> Any:
    """The shares as a mesh, time to the right; None where there is nothing to draw."""
    from matplotlib.colors import PowerNorm

    there = [(step, entry) for step, entry in zip(steps, taken, strict=True) if entry is not None]
    filled = [(step, entry) for step, entry in there if entry.counts.sum()]
    if not filled:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center", color="0.4")
        axes.set_yticks([])
        return None
    edges = _common_edges([entry for _, entry in filled])
    shares = np.full((_DRAWN_BINS, len(steps)), np.nan)
    medians = np.full(len(steps), np.nan)
    for column, entry in enumerate(taken):
        if entry is not None and entry.counts.sum():
            shares[:, column] = np.diff(_cumulative(entry, edges))
            medians[column] = _median(entry)
    norm = PowerNorm(0.5, vmin=0, vmax=_DARKEST)  # the square root: thin tails stay visible
    mesh = axes.pcolormesh(_time_edges(steps), edges, shares, cmap="Blues", norm=norm, rasterized=True)
    axes.plot(steps, medians, color="#D55E00", linewidth=1.2)
    broken = [step for step, entry in there if entry.non_finite]
    if broken:
        axes.plot(broken, [edges[0]] * len(broken), "x", color="black", clip_on=False, zorder=3)
    axes.set_ylim(edges[0], edges[-1])
    return mesh


def _common_edges(entries: Sequence[Histogram]) -> NDArray[np.float64]:
    low = min(entry.edges[0] for entry in entries)
    high = max(entry.edges[-1] for entry in entries)
    return np.linspace(low, high, _DRAWN_BINS + 1)


def _cumulative(entry: Histogram, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the values below each place, taken as spread evenly within a bin."""
    below = np.concatenate([[0.0], np.cumsum(entry.counts)]) / entry.counts.sum()
    return np.asarray(np.interp(places, entry.edges, below))


def _median(entry: Histogram) -> float:
    below = np.concatenate([[0.0], np.cumsum(entry.counts)]) / entry.counts.sum()
    return float(np.interp(0.5, below, entry.edges))


def _time_edges(steps: Sequence[int]) -> NDArray[np.float64]:
    """Half-way between the times, so that each has a column around it."""
    if len(steps) == 1:
        return np.array([steps[0] - 0.5, steps[0] + 0.5])
    times = np.asarray(steps, np.float64)
    middles = (times[1:] + times[:-1]) / 2
    return np.concatenate([[2 * times[0] - middles[0]], middles, [2 * times[-1] - middles[-1]]])
