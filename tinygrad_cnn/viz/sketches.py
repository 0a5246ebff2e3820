"""A description in the making: operations with their operands, and the places where values come from and go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_cnn.viz.descriptions import Description, Gradient, Kind, Node, Statistics
from tinygrad_cnn.viz.frames import OUTSIDE, Frames, numbered
from tinygrad_cnn.viz.rule_texts import rule_text

_SYMMETRIC = frozenset({"add", "mul", "maximum", "minimum"})  # their operands may be exchanged
WITH_USERS = None  # the place of what stands in the innermost frame around all that use it


class Outcome(NamedTuple):
    """What is known of an array, whatever becomes of the array."""

    shape: tuple[int, ...]
    dtype: str
    size: int
    value: Statistics | None = None


class Flow(NamedTuple):
    """The gradients found: of nodes by their number, of edges by (source, target, argument)."""

    nodes: Mapping[int, Gradient]
    edges: Mapping[tuple[int, int, str], Gradient]


_NO_FLOW = Flow({}, {})


class Sketch:
    """Adds calls and outputs, and knows which operations nobody has used. Nodes go by their number until the end."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._places: list[int | None] = []  # the frame of each node
        self._edges: list[tuple[int, int, str, bool, list[int]]] = []
        self._frames = Frames()
        self._used: set[int] = set()

    def add_source(
        self, kind: Kind, title: str, outcome: Outcome, place: int | None = OUTSIDE, learned: bool = False
    ) -> int:
        """Where a value comes from; learned: whether its numbers count as parameters of whatever uses it."""
        return self._add(kind, title, outcome, place, parameters=outcome.size if learned else 0)

    def add_call(
        self,
        primitive: Any,
        operands: Sequence[tuple[str, int]],
        outcome: Outcome,
        modules: Sequence[Any],
        multiply_adds: int | None,
        kept_bytes: int,
        notes: Sequence[str] = (),
    ) -> int:
        """A node for one call, and edges to it from its operands (argument, node)."""
        sources = dict.fromkeys(source for _, source in operands)
        number = self._add(
            "operation",
            primitive.name,
            outcome,
            self._frames.place(modules) if modules else OUTSIDE,
            sum(self._nodes[source]["parameters"] for source in sources if self._nodes[source]["kind"] != "operation"),
            multiply_adds,
            kept_bytes,
            notes,
            rule_text(primitive),
        )
        named = self._need_names(primitive, operands)
        for argument, source in operands:
            self._used.add(source)
            self._edges.append((source, number, argument, named, self._nodes[source]["shape"] or []))
        return number

    def add_output(self, source: int, title: str = "output") -> None:
        shape = self._nodes[source]["shape"] or []
        outcome = Outcome((), self._nodes[source]["dtype"], 0)
        number = self._add("output", title, outcome, OUTSIDE)
        self._nodes[number]["shape"] = None
        self._edges.append((source, number, "", False, shape))

    def unused_operations(self) -> list[int]:
        return [i for i, node in enumerate(self._nodes) if node["kind"] == "operation" and i not in self._used]

    def description(self, title: str, depth: int | None = None, flow: Flow = _NO_FLOW) -> Description:
        """All of it, with ids in place of numbers."""
        places = self._settled_places()
        self._total(places, depth)
        ids: dict[str, int] = {}
        for number, node in enumerate(self._nodes):
            node["module"] = self._frames.path(places[number])
            inside = node["kind"] in ("operation", "constant") and node["module"]
            node["id"] = numbered(f"{node['module']}/{node['label']}" if inside else node["label"], ids)
            node["gradient"] = flow.nodes.get(number)
        return {
            "title": title,
            "nodes": self._nodes,
            "edges": [
                {
                    "from": self._nodes[source]["id"],
                    "to": self._nodes[target]["id"],
                    "shape": shape,
                    "argument": argument,
                    "shown": shown,
                    "gradient": flow.edges.get((source, target, argument)),
                }
                for source, target, argument, shown, shape in self._edges
            ],
            "modules": self._frames.entries,
        }

    def _add(
        self,
        kind: Kind,
        label: str,
        outcome: Outcome,
        place: int | None,
        parameters: int = 0,
        multiply_adds: int | None = 0,
        kept_bytes: int = 0,
        notes: Sequence[str] = (),
        rule: str = "",
    ) -> int:
        self._nodes.append(
            {
                "id": "",
                "label": label,
                "kind": kind,
                "module": "",
                "shape": list(outcome.shape),
                "dtype": outcome.dtype,
                "parameters": parameters,
                "multiply_adds": multiply_adds,
                "kept_bytes": kept_bytes,
                "notes": list(notes),
                "rule": rule,
                "value": outcome.value,
                "gradient": None,
            }
        )
        self._places.append(place)
        return len(self._nodes) - 1

    def _settled_places(self) -> list[int]:
        """The frame of each node: its own, or else the innermost around all that use it."""
        around: dict[int, int] = {}
        for source, target, *_ in self._edges:
            if self._places[source] is WITH_USERS:
                place = self._places[target]
                inner = OUTSIDE if place is None else place
                around[source] = self._frames.common(around[source], inner) if source in around else inner
        return [around.get(i, OUTSIDE) if place is WITH_USERS else place for i, place in enumerate(self._places)]

    def _total(self, places: Sequence[int], depth: int | None) -> None:
        """Add up what the nodes cost in the frames around them."""
        entries = self._frames.entries
        operations: list[set[str]] = [set() for _ in entries]
        for node, place in zip(self._nodes, places, strict=True):
            if place != OUTSIDE:
                entries[place]["multiply_adds"] += node["multiply_adds"] or 0
                entries[place]["kept_bytes"] += node["kept_bytes"]
                if node["kind"] == "operation":
                    operations[place].add(node["label"])
        for entry, parent in zip(reversed(entries), reversed(self._frames.parents), strict=True):
            if parent != OUTSIDE:  # parents stand before their children
                entries[parent]["multiply_adds"] += entry["multiply_adds"]
                entries[parent]["kept_bytes"] += entry["kept_bytes"]
        self._frames.collapse(depth, operations)

    def _need_names(self, primitive: Any, operands: Sequence[tuple[str, int]]) -> bool:
        """Whether the picture does not say by itself which operand is which, as in a - b or b - a."""
        variadic = primitive.arity < 0  # cat, stack: numbers instead of names
        if len(operands) < 2 or variadic or primitive.name in _SYMMETRIC:
            return False
        sources = [(argument, self._nodes[source]) for argument, source in operands]
        unclear = [
            node for argument, node in sources if node["kind"] in ("operation", "input") and node["label"] != argument
        ]
        return bool(primitive.elementwise) or len(unclear) > 1
