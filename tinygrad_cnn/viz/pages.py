"""A computation as a page to walk through: one HTML file that holds all it needs and asks no network for anything."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from tinygrad_cnn.errors import ArgumentTypeError

# In the order in which the page needs them.
_SCRIPTS = (
    "words.js",
    "model.js",
    "layers.js",
    "scene.js",
    "drawing.js",
    "camera.js",
    "details.js",
    "search.js",
    "page.js",
)
_DIGITS = 5  # of statistics: more than the page shows


def page(description: Mapping[str, Any]) -> str:
    """The interactive page of a described computation (see descriptions.py), as HTML.

    Modules open and close; nodes show shape, cost, rule and statistics; a search finds them; the path from a parameter
    to the loss lights up. The same description gives the same bytes.

    Raises: ArgumentTypeError for a description without nodes and edges.

    Example:
        >>> x = {"id": "x", "label": "x", "kind": "input"}
        >>> text = page({"title": "Net", "nodes": [x], "edges": []})
        >>> text.startswith("<!doctype html>"), "<title>Net</title>" in text
        (True, True)
    """
    missing = [key for key in ("nodes", "edges") if key not in description]
    if missing:
        raise ArgumentTypeError(f"page: expects a description with nodes and edges, got one without {missing[0]}")
    title = str(description.get("title") or "Computation graph")
    return Template(_asset("page.html")).substitute(
        title=html.escape(title),
        style=_asset("page.css"),
        script="\n".join(map(_asset, _SCRIPTS)),
        description=_embedded(description),
    )


def _asset(name: str) -> str:
    return files("tinygrad_cnn.viz").joinpath("page", name).read_text("utf-8")


def _embedded(description: Mapping[str, Any]) -> str:
    """JSON that a script element can hold whatever texts it quotes: HTML sees no tag, no comment and no entity."""
    text = json.dumps(
        _shortened(description), ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
    )
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _shortened(value: Any) -> Any:
    """Without what is empty, and with floats as short as the page shows them; what is not finite is null in JSON."""
    if isinstance(value, Mapping):
        kept = {str(key): _shortened(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner is not None and inner != "" and inner is not False}
    if isinstance(value, (list, tuple)):
        return [_shortened(inner) for inner in value]
    if isinstance(value, np.generic):
        return _shortened(value.item())
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
