"""Equal modules that follow one another, such as the blocks of a residual network, found and marked.

Neighbours are folded where nobody could tell the difference: they are made alike (operations, shapes, options, the
health of their gradients, and all that inside them), each takes what the one before gives, and only the last one's
results go anywhere else. Every level of nesting is gone through once, in time linear in the nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

from tinygrad_cnn.viz.descriptions import Description, Edge, ModuleEntry, Node


def mark_copies(description: Description) -> None:
    """Set `copies` and `copy_of` in the modules of a description."""
    if description["modules"]:
        _Folder(description).mark()


def ancestors(modules: Sequence[ModuleEntry]) -> dict[str, tuple[str, ...]]:
    """Each module's path with those of the modules around it, outermost first; of "", none."""
    chains: dict[str, tuple[str, ...]] = {"": ()}
    for module in modules:  # parents stand before their children
        chains[module["path"]] = (*chains[module["parent"]], module["path"])
    return chains


class _Folder:
    def __init__(self, description: Description) -> None:
        self._modules = {module["path"]: module for module in description["modules"]}
        self._children: dict[str, list[str]] = defaultdict(list)
        for module in description["modules"]:
            self._children[module["parent"]].append(module["path"])
        self._chains = ancestors(description["modules"])
        self._nodes = description["nodes"]
        number = {node["id"]: i for i, node in enumerate(self._nodes)}
        self._into: dict[int, list[tuple[int, Edge]]] = defaultdict(list)
        self._out_of: dict[int, list[int]] = defaultdict(list)
        for edge in description["edges"]:
            source, target = number[edge["from"]], number[edge["to"]]
            self._into[target].append((source, edge))
            self._out_of[source].append(target)
        self._inside: dict[str, list[int]] = defaultdict(list)  # module -> all nodes in it, in order
        self._position: list[dict[str, int]] = []  # of each node, in every module around it
        for i, node in enumerate(self._nodes):
            chain = self._chains[node["module"]]
            self._position.append({path: len(self._inside[path]) for path in chain})
            for path in chain:
                self._inside[path].append(i)
        self._kinds: dict[Hashable, int] = {}

    def mark(self) -> None:
        for siblings in list(self._children.values()):
            for run in self._runs(siblings):
                self._modules[run[0]]["copies"] = len(run)
                for path in run[1:]:
                    self._modules[path]["copy_of"] = run[0]

    def _runs(self, siblings: Sequence[str]) -> Iterator[list[str]]:
        run: list[str] = []
        pattern: list[Any] = []  # where the second member of the run takes its inputs from
        for path in siblings:
            if run and self._follows(run[-1], path):
                found = self._sources(path, run[-1])
                fits = found == pattern if len(run) > 1 else self._begins(run[0], found)
                if fits:
                    run.append(path)
                    pattern = found
                    continue
            if len(run) > 1:
                yield run
            run = [path]
        if len(run) > 1:
            yield run

    def _follows(self, one: str, other: str) -> bool:
        """Whether `other` is made like `one`, and alone takes what `one` gives."""
        if len(self._inside[one]) != len(self._inside[other]) or self._kind(one) != self._kind(other):
            return False
        users = (target for i in self._inside[one] for target in self._out_of[i])
        return all(one in self._position[user] or other in self._position[user] for user in users)

    def _sources(self, path: str, before: str) -> list[tuple[str, int]]:
        """What comes into the module from outside: from the one before, by position there, or from elsewhere."""
        found = []
        for i in self._inside[path]:
            for source, _ in self._into[i]:
                position = self._position[source]
                if before in position:
                    found.append(("before", position[before]))
                elif path not in position:
                    found.append(("elsewhere", source))
        return found

    def _begins(self, first: str, second: Sequence[tuple[str, int]]) -> bool:
        """Whether the first of a run takes what comes from elsewhere in the same places as the second."""
        outer = self._sources(first, first)
        outer = [source for source in outer if source[0] == "elsewhere"]
        if len(outer) != len(second) or all(kind == "elsewhere" for kind, _ in second):
            return False
        return all(kind == "before" or source == (kind, i) for source, (kind, i) in zip(outer, second, strict=True))

    def _kind(self, path: str) -> int:
        """A number for all modules that are made alike."""
        nodes = self._inside[path]
        made = (
            self._modules[path]["kind"],
            self._modules[path]["options"],
            tuple(_look(self._nodes[i], path) for i in nodes),
            tuple(self._connection(source, edge, path) for i in nodes for source, edge in self._into[i]),
        )
        return self._kinds.setdefault(made, len(self._kinds))

    def _connection(self, source: int, edge: Edge, path: str) -> Hashable:
        """An edge as it looks from inside a module; the first of a run may take what needs no gradient."""
        position = self._position[source].get(path)
        return position, edge["argument"], "" if position is None else _health(edge)


def _look(node: Node, path: str) -> Hashable:
    """All that is drawn of a node, but for the names of the modules around it."""
    named = node["kind"] in ("parameter", "constant")  # constants: buffers, such as layer1.0.bn1.running_mean
    label = node["label"].rpartition(".")[2] if named else node["label"]
    shape = None if node["shape"] is None else tuple(node["shape"])
    inner = node["module"][len(path) :]
    return node["kind"], label, inner, shape, node["dtype"], node["multiply_adds"], tuple(node["notes"]), _health(node)


def _health(item: Node | Edge) -> str:
    return item["gradient"]["health"] if item["gradient"] else ""
