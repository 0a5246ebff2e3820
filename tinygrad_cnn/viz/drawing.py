"""How Graphviz is told of a description (the DOT language): boxes, arrows and nested frames."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping

from tinygrad_cnn.viz.descriptions import Description, Edge, Gradient, Health, Kind, ModuleEntry, Node
from tinygrad_cnn.viz.labels import counted, facts, in_bytes, sizes

# nslimit keeps Graphviz from polishing densely connected networks for minutes.
_HEAD = """\
digraph {
  graph [rankdir=TB, nodesep=0.3, ranksep=0.3, pad=0.15, nslimit=2]
  graph [fontname="Helvetica,Arial,sans-serif", fontsize=10]
  node [shape=box, style="rounded,filled", fontname="Helvetica,Arial,sans-serif", fontsize=11]
  node [color="#4D4D4D", fillcolor="#FFFFFF", penwidth=0.9, height=0.3, margin="0.12,0.05"]
  edge [color="#8C8C8C", penwidth=0.9, arrowsize=0.6, fontname="Helvetica,Arial,sans-serif", fontsize=9]
  edge [fontcolor="#4D4D4D"]
"""

_MARGIN, _PLAIN_MARGIN = "0.12,0.05", "0.17,0.06"  # a Graphviz without fonts guesses how wide a bold title is

# Tints of Okabe and Ito's palette, which all kinds of colour vision tell apart; the shapes say the same without colour.
_STYLES: dict[Kind, str] = {
    "operation": "",
    "module": 'shape=box3d, style=filled, color="#A04A76", fillcolor="#F7E6EF", margin="0.16,0.14"',
    "parameter": 'style=filled, color="#B87500", fillcolor="#FDEFD3"',
    "input": 'shape=oval, style=filled, color="#0072B2", fillcolor="#DDEEF9", margin="0.06,0.03"',
    "constant": 'style="filled,dashed", color="#7A7A7A", fillcolor="#F0F0F0"',
    "output": 'shape=oval, style=filled, color="#007A5A", fillcolor="#D9F0E8", margin="0.06,0.03", peripheries=2',
}
_FRAME_FILLS = ("#F5F6F8", "#EBEDF1", "#E1E4EA")
_DETAIL = '<font point-size="9" color="#4D4D4D">{}</font>'

# The colour of a gradient, and the line that says it without colour; the label gives the word.
_HEALTH: dict[Health, tuple[str, str]] = {
    "healthy": ("#007A5A", "solid"),
    "vanishing": ("#0072B2", "dashed"),
    "exploding": ("#D55E00", "bold"),
    "zero": ("#7A7A7A", "dotted"),
    "nan": ("#A0006E", "bold"),
}
_BESIDE = ("parameter", "constant")  # what stands beside the operation that uses it


class Drawing:
    """The DOT text of what is shown of a computation."""

    def __init__(self, description: Description) -> None:
        self.nodes, self._edges = description["nodes"], description["edges"]
        self._modules = description["modules"]
        self._by_id = {node["id"]: node for node in self.nodes}

    def dot(self, rich: bool = True) -> str:
        """The drawing in the DOT language; without `rich` in plain labels, for a Graphviz that knows no others."""
        head = _HEAD if rich else _HEAD.replace(_MARGIN, _PLAIN_MARGIN)
        layout = _Layout(self._by_id, self._edges, rich)
        frames: dict[str, _Content] = {"": _Content(None)}
        for module in self._modules:
            frames[module["path"]] = _Content(module)
            frames[module["parent"]].frames.append(frames[module["path"]])
        for node in self.nodes:
            frames[node["module"]].nodes.append(node)
        lines = [line for edge in self._edges for line in layout.arrow_lines(edge)]
        return head + "".join(f"  {line}\n" for line in [*layout.frame_lines(frames[""], 0), *lines]) + "}\n"


class _Content:
    """What stands directly in a frame."""

    def __init__(self, module: ModuleEntry | None) -> None:
        self.module = module
        self.nodes: list[Node] = []
        self.frames: list[_Content] = []


class _Layout:
    """The lines of DOT: the data runs straight down, and parameters stand beside the operation that uses them."""

    def __init__(self, nodes: Mapping[str, Node], edges: list[Edge], rich: bool) -> None:
        self._nodes, self._rich = nodes, rich
        self._left: dict[str, str] = {}  # operation -> what stands beside it
        self._right: dict[str, str] = {}
        self._flows = any(edge["gradient"] for edge in edges)
        uses = Counter(edge["from"] for edge in edges)
        for edge in edges:
            source, target = edge["from"], edge["to"]
            side = self._left if target not in self._left else self._right
            alone = uses[source] == 1 and nodes[source]["module"] == nodes[target]["module"] and not edge["shown"]
            if alone and nodes[source]["kind"] in _BESIDE and target not in side:
                side[target] = source

    def frame_lines(self, content: _Content, depth: int) -> Iterator[str]:
        for node in content.nodes:
            yield self._node_line(node)
        for node in content.nodes:
            beside = [side[node["id"]] for side in (self._left, self._right) if node["id"] in side]
            if beside:
                yield f"{{rank=same; {'; '.join(map(_quoted, [node['id'], *beside]))}}}"
        for inner in content.frames:
            if inner.module is None:
                continue
            fill = _FRAME_FILLS[min(depth, len(_FRAME_FILLS) - 1)]
            label, path = inner.module["label"], inner.module["path"]
            yield f"subgraph {_quoted(f'cluster_{path}')} {{"
            yield f"  graph [label={_label(label, [], self._rich)}, labeljust=l, margin=10]"
            yield f'  graph [style="rounded,filled", color="#C4C8D0", fillcolor="{fill}", fontcolor="#4D4D4D"]'
            yield from (f"  {line}" for line in self._margin_lines(inner, label, path))
            yield from (f"  {line}" for line in self.frame_lines(inner, depth + 1))
            yield "}"

    def _margin_lines(self, frame: _Content, label: str, path: str) -> Iterator[str]:
        """Space to the left of the first operation, so that the arrow into it does not cross the frame's label."""
        first = next((node["id"] for node in frame.nodes if node["kind"] in ("operation", "module")), None)
        if first is not None and first not in self._left:
            space = _quoted(f"space_{path}")
            width = max(0.01, 0.075 * (len(label) - 8))  # inches, as far as the label is longer than half a box
            yield f'{space} [style=invis, label="", width={width:.2f}]'
            yield f"{{rank=same; {space} -> {_quoted(first)} [style=invis]}}"

    def _node_line(self, node: Node) -> str:
        details = _details(node)
        look = [_STYLES[node["kind"]]]
        if node["gradient"]:
            details.append(_flow_label(node["gradient"], node["kind"]))
            look.append(f'color="{_HEALTH[node["gradient"]["health"]][0]}", penwidth=2')
        label = f"label={_label(node['label'], details, self._rich)}"
        return f"{_quoted(node['id'])} [{', '.join(filter(None, [label, *look]))}]"

    def arrow_lines(self, edge: Edge) -> Iterator[str]:
        source, target = _quoted(edge["from"]), _quoted(edge["to"])
        if self._right.get(edge["to"]) == edge["from"]:
            yield f"{target} -> {source} [dir=back]"  # Graphviz puts on the left what is named first
        else:
            attributes = []
            kind = self._nodes[edge["from"]]["kind"]
            words = [edge["argument"]] if edge["shown"] else []
            if kind not in _BESIDE:  # whose box gives the shape
                words.append(sizes(edge["shape"]))
            if words:
                label = _quoted(f" {_printable(': '.join(words))} ")
                attributes.append(f"label={label}")
            if kind in ("operation", "input", "module"):
                attributes.append("weight=8")
            yield f"{source} -> {target}" + (f" [{', '.join(attributes)}]" if attributes else "")
        if edge["gradient"]:
            yield self._flow_line(edge, edge["gradient"])

    def _flow_line(self, edge: Edge, gradient: Gradient) -> str:
        color, style = _HEALTH[gradient["health"]]
        look = f'constraint=false, color="{color}", style={style}'
        if self._nodes[edge["from"]]["kind"] not in _BESIDE:  # whose box gives the norm
            look += f', fontcolor="{color}", label={_quoted(f" {_norm(gradient)} ")}'
        return f"{_quoted(edge['to'])} -> {_quoted(edge['from'])} [{look}]"


# ---- what a box says


def _details(node: Node) -> list[str]:
    lines = [] if node["shape"] is None else [facts(node["shape"], node["dtype"])]
    costs = []
    if node["kind"] in ("operation", "module") and node["parameters"]:
        costs.append(_amount(node["parameters"], "parameter"))
    if node["multiply_adds"]:
        costs.append(_amount(node["multiply_adds"], "multiply-add"))
    if node["kept_bytes"]:
        costs.append(f"keeps {in_bytes(node['kept_bytes'])}")
    return [*node["notes"], *lines, *costs]


def _amount(number: int, noun: str) -> str:
    return f"{counted(number)} {noun}{'s' if number != 1 else ''}"


def _flow_label(gradient: Gradient, kind: Kind) -> str:
    norm, health = _norm(gradient), gradient["health"].replace("nan", "NaN")
    if health in ("healthy", norm):
        return f"gradient {norm}"
    return f"gradient {norm}, {health}{' inside' if kind == 'module' else ''}"  # of a module's worst, at its result


def _norm(gradient: Gradient) -> str:
    norm = gradient["norm"]
    if norm is None:
        return "NaN" if gradient["health"] == "nan" else "infinite"
    low, high = (f"{size:.2g}" for size in (norm, gradient.get("norm_to", norm)))
    return low if low == high else f"{low} to {high}"


# ---- text


def _label(title: str, details: list[str], rich: bool) -> str:
    title, *details_shown = (_printable(text) for text in (title, *details))
    if not rich:
        return _quoted("\n".join([title, *details_shown]))
    lines = [f"<b>{html.escape(title)}</b>", *(_DETAIL.format(html.escape(text)) for text in details_shown)]
    return f"<{'<br/>'.join(lines)}>"


def _quoted(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    if not text.isprintable():  # such as NUL, at which Graphviz would stop reading
        escaped = "".join(letter if letter.isprintable() else f"<{ord(letter):04x}>" for letter in escaped)
    return f'"{escaped}"'


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)
