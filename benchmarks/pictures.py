"""The two kinds of picture that the benchmarks draw: rows of marks, and lines against a size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.viz.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# From Okabe and Ito's palette; the marker says the same without colour.
BLUE, SKY, RED, GREEN, PURPLE, ORANGE = "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
LOOKS = {
    "tinygrad_cnn": (BLUE, "o"),
    "tinygrad_cnn, NumPy kernels": (SKY, "o"),
    "tinygrad_cnn, direct": (SKY, "D"),
    "PyTorch": (RED, "s"),
    "PyTorch eager": (RED, "s"),
    "PyTorch channels-last": (RED, "D"),
    "PyTorch compile": (RED, "^"),
    "JAX jit": (GREEN, "P"),
    "MyGrad": (PURPLE, "X"),
    "DeZero": (ORANGE, "v"),
    "tinygrad": ("0.25", "*"),
    "tinygrad_cnn[fast]": (SKY, "o"),
    "NumPy": (GREEN, "P"),
    "Numba": (PURPLE, "X"),
}
OTHER = (GREEN, "P")
ROW_HEIGHT = 0.34  # inches
MOST_ROWS = 32  # in one column


@dataclass(frozen=True)
class Panel:
    """Lines against a size: series by name, each as pairs (size, value)."""

    title: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True)
class Dots:
    """Rows of marks: values by row and series. limits: a tick that a row must not pass."""

    title: str
    x: str
    rows: Mapping[str, Mapping[str, float]]
    limits: Mapping[str, float] = field(default_factory=dict)
    limit: str = "at most"  # what the ticks mean
    reference: float | None = None  # where a line goes down through all rows
    logarithmic: bool = True


def draw_dots(dots: Dots) -> Figure:
    """A row for each entry, a mark for each series; the legend above. Many rows stand in several columns."""
    columns = -(-len(dots.rows) // MOST_ROWS)
    labels = list(dots.rows)
    height = -(-len(labels) // columns)
    parts = [labels[start : start + height] for start in range(0, len(labels), height)]
    figure = new_figure(max(8, 6 * columns), 1.6 + ROW_HEIGHT * len(parts[0]), "the picture of a benchmark")
    grid = figure.subplots(1, columns, sharex=True, squeeze=False)[0]
    for axes, part in zip(grid, parts, strict=True):
        _draw_rows(axes, part, dots)
        axes.set_ylim(len(parts[0]) - 0.5, -0.5)
    if dots.logarithmic:
        _plain_numbers(grid[0].xaxis)
    else:
        grid[0].set_xlim(left=0)
    series = [name for name in [*LOOKS, *_others(dots)] if any(name in row for row in dots.rows.values())]
    handles = {name: handle for axes in grid for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    shown = [name for name in [*series, dots.limit] if name in handles]
    figure.legend(
        [handles[name] for name in shown],
        shown,
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize="small",
        title=dots.title,
    )
    return figure


def _draw_rows(axes: Axes, labels: Sequence[str], dots: Dots) -> None:
    rows = [dots.rows[label] for label in labels]
    for name in reversed([*LOOKS, *_others(dots)]):  # ours, the first, lies on top
        points = [(row[name], place) for place, row in enumerate(rows) if name in row]
        if points:
            colour, marker = LOOKS.get(name, OTHER)
            xs, ys = zip(*points, strict=True)
            look: dict[str, Any] = {"color": colour, "marker": marker, "edgecolor": "white", "linewidth": 0.6}
            axes.scatter(xs, ys, s=46, label=name, zorder=3, **look)
    limits = [(dots.limits[label], place) for place, label in enumerate(labels) if label in dots.limits]
    if limits:
        xs, ys = zip(*limits, strict=True)
        axes.scatter(xs, ys, s=160, color="black", marker="|", linewidths=1.2, label=dots.limit)
    if dots.reference is not None:
        axes.axvline(dots.reference, color="0.55", linewidth=1, zorder=1)
    axes.set_xscale("log" if dots.logarithmic else "linear")
    axes.set_xlabel(dots.x)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    _dress(axes)


def draw_lines(title: str, panels: Sequence[Panel]) -> Figure:
    """The panels in rows of two, both axes logarithmic."""
    rows = -(-len(panels) // 2)
    figure = new_figure(9, 0.6 + 3 * rows, "the picture of a benchmark")
    grid = figure.subplots(rows, 2, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        for name, points in panel.series.items():
            colour, marker = LOOKS.get(name, OTHER)
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, color=colour, marker=marker, markersize=4.5, linewidth=1.4, label=name)
        axes.set_xscale("log", base=2 if max(x for points in panel.series.values() for x, _ in points) < 5000 else 10)
        axes.set_yscale("log")
        axes.set_title(panel.title, fontsize="medium")
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
        _plain_numbers(axes.xaxis)
        _plain_numbers(axes.yaxis)
        _dress(axes)
        axes.legend(frameon=False, fontsize="small")
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(title)
    return figure


def _others(dots: Dots) -> list[str]:
    return list({name: None for row in dots.rows.values() for name in row if name not in LOOKS})


def _plain_numbers(axis: Any) -> None:
    """0.1, 1, 10 and 10,000 instead of powers; a few numbers between the decades where there are few decades."""
    from matplotlib.ticker import FuncFormatter, LogFormatter, LogLocator

    low, high = sorted(axis.get_view_interval())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    decades = high / low if low > 0 else 1
    if decades < 200 and axis.get_transform().base == 10:
        axis.set_minor_locator(LogLocator(base=10, subs=(2, 5)))
        axis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    else:
        axis.set_minor_formatter(LogFormatter(labelOnlyBase=True))
    axis.set_tick_params(which="minor", labelsize="small")


def _dress(axes: Axes) -> None:
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
