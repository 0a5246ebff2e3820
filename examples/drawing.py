"""How the pictures of the experiments look: one size of text, one palette, the same bars, curves and images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from tinygrad_cnn import nn, viz

# Okabe and Ito's colours, which differ for the colour-blind too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def new_figure(width: float = 9.0, height: float = 3.6, title: str = "") -> Figure:
    """An empty figure of that size in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title)
    return figure


def two_rows(
    width: float, height: float, heights: tuple[float, float] = (1.0, 1.0)
) -> tuple[Figure, SubFigure, SubFigure]:
    """An empty figure, its upper and its lower part, which are divided into axes each on its own."""
    figure = new_figure(width, height)
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
    return figure, above, below


def dress(axes: Axes, x: str = "", y: str = "", title: str = "", percent: bool = False) -> None:
    """Name the axes, draw a light grid, leave out the frame's upper and right side."""
    axes.set(xlabel=x, ylabel=y)
    axes.set_title(title, fontsize="medium")
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if percent:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))


def draw_spread(axes: Axes, x: ArrayLike, curves: ArrayLike, label: str, colour: str, style: str = "-") -> None:
    """The mean of several curves, (seeds, points), and between what bounds they lie."""
    times, lines = np.asarray(x), np.asarray(curves)
    axes.plot(times, lines.mean(axis=0), color=colour, linestyle=style, label=label)
    axes.fill_between(times, lines.min(axis=0), lines.max(axis=0), color=colour, alpha=0.15, linewidth=0)


def draw_quartiles(axes: Axes, x: ArrayLike, curves: ArrayLike, label: str, colour: str) -> None:
    """The median of several curves, (seeds, points), and where the middle half lies: one gone astray moves neither."""
    times, (low, middle, high) = np.asarray(x), np.quantile(np.asarray(curves), (0.25, 0.5, 0.75), axis=0)
    axes.plot(times, middle, color=colour, label=label)
    axes.fill_between(times, low, high, color=colour, alpha=0.15, linewidth=0)


def draw_bars(
    axes: Axes,
    labels: Sequence[str],
    values: Sequence[Sequence[float]],
    colours: Sequence[str] = COLOURS,
    bars: bool = True,
) -> None:
    """A bar for the mean of each row of values, (labels, seeds), a dot for each value.

    bars: a bar's length is its value, so its axis has to begin at 0; where that hides the differences, a line instead.
    """
    for place, (row, colour) in enumerate(zip(values, [*colours] * len(values), strict=False)):
        if bars:
            axes.bar(place, np.mean(row), width=0.6, color=colour, alpha=0.35)
        else:
            axes.hlines(np.mean(row), place - 0.3, place + 0.3, color=colour, linewidth=2)
        offsets = np.linspace(-0.2, 0.2, len(row)) if len(row) > 1 else [0.0]
        axes.plot(place + np.asarray(offsets), row, linestyle="", marker="o", markersize=4, color=colour)
    axes.set_xticks(range(len(labels)), labels)


def draw_image(axes: Axes, image: ArrayLike, title: str = "", diverging: bool = False) -> None:
    """A (H, W) array in grey, dark where it is large; or, diverging, blue below zero and red above it."""
    pixels = np.asarray(image)
    if diverging:
        bound = float(np.nanmax(np.abs(pixels))) or 1.0
        axes.imshow(pixels, cmap="RdBu_r", vmin=-bound, vmax=bound)
    else:
        axes.imshow(pixels, cmap="gray_r")
    axes.set_title(title, fontsize="small")
    axes.set_xticks([])
    axes.set_yticks([])


def draw_regions(axes: Axes, model: nn.Module, points: ArrayLike, labels: ArrayLike, title: str = "") -> None:
    """Where a model sees which class of points in the plane, with the points, (N, 2), in a panel without ticks."""
    places, classes = np.asarray(points).reshape(-1, 2), np.asarray(labels)
    reach = 1.1 * float(np.abs(places).max())
    line = np.linspace(-reach, reach, 150)
    regions = viz.decision_regions(model, line, line)
    count = max(int(classes.max()), int(regions.max())) + 1
    axes.imshow(
        regions,
        ListedColormap(COLOURS[:count]),
        vmin=-0.5,
        vmax=count - 0.5,
        alpha=0.25,
        origin="lower",
        extent=(-reach, reach, -reach, reach),
        interpolation="nearest",
    )
    for number in range(count):
        # Small squares fall on whole pixels, which makes the file a third of what discs make it.
        x, y = places[classes == number].T
        axes.plot(x, y, linestyle="", marker="s", markersize=2.0, markeredgewidth=0.0, color=COLOURS[number])
    axes.set_title(title, fontsize="small")
    axes.set_xticks([])
    axes.set_yticks([])
