"""matplotlib figures that belong to nobody: no window, no pyplot, no setting that outlives them."""

from __future__ import annotations

import functools
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.optional import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

_DPI = 200  # of saved bitmaps

# Okabe and Ito's colours, which differ for the colour-blind too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")


def new_figure(width: float, height: float, feature: str) -> Figure:
    """An empty figure of that size in inches. Raises: MissingDependencyError without matplotlib."""
    require("matplotlib", feature=feature, extra="viz")
    return _figure_class()(figsize=(width, height), layout="constrained")


def figure_of(axes: Axes) -> Figure:
    """The Figure that the Axes belong to, also where they stand in a part of it."""
    figure: Figure = axes.figure.figure
    return figure


def spread_out(things: Sequence[T], most: int) -> list[T]:
    """At most so many of them, from the first to the last at even distances."""
    count = min(most, len(things))
    return [things[round(place * (len(things) - 1) / max(count - 1, 1))] for place in range(count)]


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure to a .png, .svg, .pdf or any other kind of file that matplotlib writes, whole or not at all.

    Raises: ArgumentError for a suffix that matplotlib does not know.
    """
    picture = Path(path).suffix.lower().removeprefix(".")
    known = figure.canvas.get_supported_filetypes()
    if picture not in known:
        suffixes = ", ".join(f".{name}" for name in sorted(known))
        raise ArgumentError(f"save_figure: the file must end in one of {suffixes}; got {Path(path).name!r}")
    with atomic_write(path) as draft:
        figure.savefig(draft, format=picture, dpi=_DPI)


@functools.cache
def _figure_class() -> type[Figure]:
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A Figure that a notebook shows although pyplot does not know it."""

        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png")
            return content.getvalue()

    return NotebookFigure
