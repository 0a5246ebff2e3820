"""The modules that were running, as frames around what they ran."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.descriptions import ModuleEntry

OUTSIDE = -1  # the number that stands for no frame
_OWN_LAYERS = "tinygrad_cnn.nn"


class Frames:
    """A ModuleEntry for each call of a module, in the order in which they ran.

    A module that is called again, such as one ReLU used twice, gets a frame for each time: one frame around both calls
    would tie the picture in a knot.
    """

    def __init__(self) -> None:
        self.entries: list[ModuleEntry] = []
        self.parents: list[int] = []
        self.depths: list[int] = []  # 0 for the outermost
        self._modules: list[Module] = []
        self._running: list[int] = []  # frames of the latest call
        self._children: dict[Module, dict[Module, str]] = {}  # module -> where in it each of its submodules stands
        self._paths: dict[str, int] = {}  # how often each was used

    def place(self, modules: Sequence[Module]) -> int:
        """The number of the innermost frame of the modules that were running, given outermost first."""
        same = 0
        while same < min(len(modules), len(self._running)) and modules[same] is self._modules[self._running[same]]:
            same += 1
        del self._running[same:]
        for module in modules[same:]:
            self._running.append(self._enter(module, self._running[-1] if self._running else OUTSIDE))
        return self._running[-1] if self._running else OUTSIDE

    def common(self, one: int, other: int) -> int:
        """The innermost frame around both."""
        while one != other:
            if one == OUTSIDE or other == OUTSIDE:
                return OUTSIDE
            if self.depths[one] >= self.depths[other]:
                one = self.parents[one]
            else:
                other = self.parents[other]
        return one

    def path(self, frame: int) -> str:
        return "" if frame == OUTSIDE else self.entries[frame]["path"]

    def collapse(self, depth: int | None, operations: Sequence[set[str]]) -> None:
        """Mark what is drawn as one box; operations: what stands directly in each frame.

        Beside what lies as deep as `depth`, these are the package's own layers that take several operations (batch norm
        by running statistics), for whose inside nobody asked, unless one was drawn by itself. The same operation twice
        is most likely a layer that was called twice in a row.
        """
        with_children = set(self.parents)
        roots = self.parents.count(OUTSIDE)
        for frame, entry in enumerate(self.entries):
            own = type(self._modules[frame]).__module__.startswith(_OWN_LAYERS)
            single = own and frame not in with_children and len(operations[frame]) > 1
            inner = self.parents[frame] != OUTSIDE or roots > 1
            entry["collapsed"] = (single and inner) or (depth is not None and self.depths[frame] >= depth)

    def _enter(self, module: Module, parent: int) -> int:
        name = "" if parent == OUTSIDE else self._name_in(self._modules[parent], module)
        kind = type(module).__name__
        path = name or kind if parent == OUTSIDE else f"{self.path(parent)}.{name or kind}"
        self.entries.append(
            {
                "path": numbered(path, self._paths),
                "parent": self.path(parent),
                "kind": kind,
                "label": f"{name}: {kind}" if name else kind,
                "options": module.extra_repr(),
                "parameters": sum(parameter.data.size for parameter in module.parameters()),
                "multiply_adds": 0,
                "kept_bytes": 0,
                "collapsed": False,
                "copies": 1,
                "copy_of": "",
            }
        )
        self._modules.append(module)
        self.parents.append(parent)
        self.depths.append(0 if parent == OUTSIDE else self.depths[parent] + 1)
        return len(self.entries) - 1

    def _name_in(self, parent: Module, module: Module) -> str:
        if parent not in self._children:
            self._children[parent] = {child: path for path, child in parent.named_modules()}
        return self._children[parent].get(module, "")


def numbered(name: str, used: dict[str, int]) -> str:
    """The name, with "#2" behind it the second time, and so on; `used` counts.

    Example:
        >>> used = {}
        >>> [numbered(name, used) for name in ("relu", "relu", "sum", "relu")]
        ['relu', 'relu#2', 'sum', 'relu#3']
    """
    while True:
        count = used[name] = used.get(name, 0) + 1
        if count == 1:
            return name
        candidate = f"{name}#{count}"
        if candidate not in used:
            used[candidate] = 1
            return candidate
