"""What a drawing holds, boxes, arrows and nested frames, and how Graphviz is told of it (the DOT language)."""

from __future__ import annotations

import html
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["operation", "parameter", "input", "constant", "output"]

# nslimit keeps Graphviz from polishing densely connected networks for minutes.
_HEAD = """\
digraph {
  graph [rankdir=TB, nodesep=0.3, ranksep=0.3, pad=0.15, nslimit=2]
  graph [fontname="Helvetica,Arial,sans-serif", fontsize=10]
  node [shape=box, style="rounded,filled", fontname="Helvetica,Arial,sans-serif", fontsize=11]
  node [color="#4D4D4D", fillcolor="#FFFFFF", penwidth=0.9, height=0.3, margin="0.12,0.05"]
  edge [color="#8C8C8C", penwidth=0.9, arrowsize=0.6, fontname="Helvetica,Arial,sans-serif", fontsize=9]
"""

_MARGIN, _PLAIN_MARGIN = "0.12,0.05", "0.17,0.06"  # a Graphviz without fonts guesses how wide a bold title is

# Tints of Okabe and Ito's palette, which all kinds of colour vision tell apart; the shapes say the same without colour.
_STYLES: dict[Kind, str] = {
    "operation": "",
    "parameter": 'style=filled, color="#B87500", fillcolor="#FDEFD3"',
    "input": 'shape=oval, style=filled, color="#0072B2", fillcolor="#DDEEF9", margin="0.06,0.03"',
    "constant": 'style="filled,dashed", color="#7A7A7A", fillcolor="#F0F0F0"',
    "output": 'shape=oval, style=filled, color="#007A5A", fillcolor="#D9F0E8", margin="0.06,0.03", peripheries=2',
}
_FRAME_FILLS = ("#F5F6F8", "#EBEDF1", "#E1E4EA")
_DETAIL = '<font point-size="9" color="#4D4D4D">{}</font>'
_RESERVED = frozenset({"NODE", "EDGE", "GRAPH", "DIGRAPH", "SUBGRAPH", "STRICT"})


class Frame(NamedTuple):
    """A labelled frame around boxes and smaller frames; equal numbers mean the same frame."""

    number: int
    label: str


Place: TypeAlias = tuple[Frame, ...]  # outermost first


@dataclass(slots=True)
class Box:
    """One node of the drawing: a bold title, and details below it."""

    kind: Kind
    title: str
    details: tuple[str, ...]
    place: Place | None  # None: with those that use it


class Arrow(NamedTuple):
    """From one box to another, by their numbers."""

    source: int
    target: int
    label: str = ""


@dataclass
class _Content:
    """What stands directly in a frame."""

    label: str = ""
    boxes: list[int] = field(default_factory=list)
    frames: dict[Frame, _Content] = field(default_factory=dict)


class Drawing:
    """Boxes in order of their first appearance, and the arrows between them."""

    def __init__(self) -> None:
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []

    def add_box(self, kind: Kind, title: str, details: tuple[str, ...] = (), place: Place | None = ()) -> int:
        self.boxes.append(Box(kind, title, details, place))
        return len(self.boxes) - 1

    def add_arrow(self, source: int, target: int, label: str = "") -> None:
        self.arrows.append(Arrow(source, target, label))

    def dot(self, rich: bool = True) -> str:
        """The drawing in the DOT language; without `rich` in plain labels, for a Graphviz that knows no others."""
        places = self._places()
        layout = _Layout(self, places, rich)
        lines = [*layout.frame_lines(_arranged(places), 0), *map(layout.arrow_line, self.arrows)]
        head = _HEAD if rich else _HEAD.replace(_MARGIN, _PLAIN_MARGIN)
        return head + "".join(f"  {line}\n" for line in lines) + "}\n"

    def _places(self) -> list[Place]:
        """The place of each box: its own, or else the innermost frame around all that use it."""
        around: dict[int, Place] = {}
        for arrow in self.arrows:
            target = self.boxes[arrow.target].place or ()
            around[arrow.source] = _common(around[arrow.source], target) if arrow.source in around else target
        return [around.get(number, ()) if box.place is None else box.place for number, box in enumerate(self.boxes)]


class _Layout:
    """The lines of DOT: the data runs straight down, and parameters stand beside the operation that uses them."""

    def __init__(self, drawing: Drawing, places: list[Place], rich: bool) -> None:
        self.boxes, self.rich = drawing.boxes, rich
        self.left: dict[int, int] = {}  # operation -> what stands beside it
        self.right: dict[int, int] = {}
        self.frame_numbers = itertools.count()
        uses = Counter(arrow.source for arrow in drawing.arrows)
        for source, target, label in drawing.arrows:
            side = self.left if target not in self.left else self.right
            alone = uses[source] == 1 and places[source] == places[target] and not label
            if alone and self.boxes[source].kind in ("parameter", "constant") and target not in side:
                side[target] = source

    def frame_lines(self, content: _Content, depth: int) -> Iterator[str]:
        for number in content.boxes:
            yield self._box_line(number)
        for number in content.boxes:
            beside = [side[number] for side in (self.left, self.right) if number in side]
            if beside:
                yield f"{{rank=same; {'; '.join(map(_name, [number, *beside]))}}}"
        for inner in content.frames.values():
            fill = _FRAME_FILLS[min(depth, len(_FRAME_FILLS) - 1)]
            name = letters(next(self.frame_numbers))
            yield f"subgraph cluster_{name} {{"
            yield f"  graph [label={_label(inner.label, (), self.rich)}, labeljust=l, margin=10]"
            yield f'  graph [style="rounded,filled", color="#C4C8D0", fillcolor="{fill}", fontcolor="#4D4D4D"]'
            yield from (f"  {line}" for line in self._margin_lines(inner, name))
            yield from (f"  {line}" for line in self.frame_lines(inner, depth + 1))
            yield "}"

    def _margin_lines(self, frame: _Content, name: str) -> Iterator[str]:
        """Space to the left of the first operation, so that the arrow into it does not cross the frame's label."""
        first = next((number for number in frame.boxes if self.boxes[number].kind == "operation"), None)
        if first is not None and first not in self.left:
            width = max(0.01, 0.075 * (len(frame.label) - 8))  # inches, as far as the label is longer than half a box
            yield f'space_{name} [style=invis, label="", width={width:.2f}]'
            yield f"{{rank=same; space_{name} -> {_name(first)} [style=invis]}}"

    def _box_line(self, number: int) -> str:
        box = self.boxes[number]
        attributes = [f"label={_label(box.title, box.details, self.rich)}", *filter(None, [_STYLES[box.kind]])]
        return f"{_name(number)} [{', '.join(attributes)}]"

    def arrow_line(self, arrow: Arrow) -> str:
        source, target = _name(arrow.source), _name(arrow.target)
        if self.right.get(arrow.target) == arrow.source:
            return f"{target} -> {source} [dir=back]"  # Graphviz puts on the left what is named first
        attributes = []
        if arrow.label:
            attributes.append(f'label={_quoted(f" {_printable(arrow.label)} ")}, fontcolor="#4D4D4D"')
        if self.boxes[arrow.source].kind in ("operation", "input"):
            attributes.append("weight=8")
        return f"{source} -> {target}" + (f" [{', '.join(attributes)}]" if attributes else "")


def _arranged(places: list[Place]) -> _Content:
    page = _Content()
    for number, place in enumerate(places):
        content = page
        for frame in place:
            content = content.frames.setdefault(frame, _Content(frame.label))
        content.boxes.append(number)
    return page


def letters(number: int) -> str:
    """A, B, ..., Z, AA, AB, ...: names that depend on the order of appearance only.

    Example:
        >>> [letters(number) for number in (0, 25, 26, 701, 702)]
        ['A', 'Z', 'AA', 'ZZ', 'AAA']
    """
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def _name(number: int) -> str:
    name = letters(number)
    return _quoted(name) if name in _RESERVED else name


def _label(title: str, details: tuple[str, ...], rich: bool) -> str:
    title, *details_shown = (_printable(text) for text in (title, *details))
    if not rich:
        return _quoted("\n".join([title, *details_shown]))
    lines = [f"<b>{html.escape(title)}</b>", *(_DETAIL.format(html.escape(text)) for text in details_shown)]
    return f"<{'<br/>'.join(lines)}>"


def _quoted(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


def _common(one: Place, other: Place) -> Place:
    shared = 0
    while shared < min(len(one), len(other)) and one[shared] == other[shared]:
        shared += 1
    return one[:shared]
