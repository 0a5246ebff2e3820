"""Where in which model a call was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(eq=False, slots=True)
class Place:
    """A stack of running Modules, outermost first, which `Places.name` replaces by their names."""

    modules: Sequence[Any]
    root: str = ""  # the outermost: its class, numbered from the second of that class on; "" where none was running
    path: str = ""  # from the outermost to the innermost
    kind: str = ""  # the class of the innermost

    def label(self, with_root: bool) -> str:
        """What tables and traces call it: `features.0 (Conv2d)`, with the outermost in front where there are several.

        Example:
            >>> Place((), "Net", "head", "Linear").label(False), Place((), "Net#2", "", "Net").label(True)
            ('head (Linear)', 'Net#2')
        """
        if not self.root:
            return "(no module)"
        path = f"{self.root}.{self.path}" if with_root else self.path
        return f"{path} ({self.kind})" if self.path else self.root


NOWHERE = Place(())


class Places:
    """The Place of each stack of running Modules. Names are looked for later, in a time that nobody measures."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[Sequence[Any], Place]] = {}  # by ids of Modules, which are kept alive
        self._roots: dict[int, str] = {}
        self._classes: Counter[str] = Counter()

    def of(self, modules: Sequence[Any]) -> Place:
        """`modules`: outermost first, as an Event carries them."""
        if not modules:
            return NOWHERE
        key = tuple(map(id, modules))
        if key not in self._known:
            self._known[key] = modules, Place(modules)
        return self._known[key][1]

    def name(self) -> None:
        """Name every Place that has no name yet, as `nn.paths` does, but asking every Module only once."""
        names: dict[int, dict[int, str]] = {}  # of the Modules below each that called one, by their ids
        for modules, place in self._known.values():
            if place.modules:
                place.root, place.kind, place.modules = self._root(modules[0]), type(modules[-1]).__name__, ()
                for parent in modules[:-1]:
                    if id(parent) not in names:
                        names[id(parent)] = {id(module): path for path, module in parent.named_modules()}
                pairs = pairwise(modules)
                place.path = ".".join(names[id(up)].get(id(child), type(child).__name__) for up, child in pairs)

    def _root(self, module: Any) -> str:
        if id(module) not in self._roots:
            name = type(module).__name__
            self._classes[name] += 1
            count = self._classes[name]
            self._roots[id(module)] = f"{name}#{count}" if count > 1 else name
        return self._roots[id(module)]
