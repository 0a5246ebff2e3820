"""matplotlib figures that belong to nobody: no window, no pyplot, no setting that outlives them."""

from __future__ import annotations

import functools
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 200  # of saved bitmaps


def new_figure(width: float, height: float, feature: str) -> Figure:
    """An empty figure of that size in inches. Raises: MissingDependencyError without matplotlib."""
    require("matplotlib", feature=feature, extra="viz")
    return _figure_class()(figsize=(width, height), layout="constrained")


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
