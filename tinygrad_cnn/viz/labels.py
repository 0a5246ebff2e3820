"""What drawings call things: shapes, parameters, and the modules that were running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core import Tensor
from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.drawing import Frame, Place


def facts(shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    """The shape, and the dtype where it is not the usual float32.

    Example:
        >>> facts((64, 10), np.dtype("float32")), facts((), np.dtype("int64"))
        ('(64, 10)', 'scalar int64')
    """
    size = str(shape) if shape else "scalar"
    return size if dtype == np.float32 else f"{size} {dtype}"


def keys_of(value: Any) -> tuple[int, ...]:
    """What tells a value from others: its edge in the graph, for two Tensors may share an array, and its array."""
    if not isinstance(value, Tensor):
        return (id(value),)
    return (id(value.data),) if value._edge is None else (id(value._edge), id(value.data))


def names_by_key(named: Mapping[str, Any]) -> dict[int, str]:
    """The name of each Tensor or array by its keys; where two names mean one value the first is kept."""
    names: dict[int, str] = {}
    for name, value in named.items():
        if not isinstance(value, Tensor | np.ndarray):
            raise ArgumentTypeError(f"graph: names[{name!r}] must be a Tensor or an array, got {type(value).__name__}")
        for key in keys_of(value):
            names.setdefault(key, name)
    return names


def names_in(model: Any) -> dict[str, Any]:
    """The parameters and buffers of a module by name; nothing for what is no module."""
    return dict([*model.named_parameters(), *model.named_buffers()]) if isinstance(model, Module) else {}


class ModuleFrames:
    """The frames of running modules, labelled `name in its parent: class`, for calls in the order in which they ran.

    A module that is called again, such as one ReLU used twice, gets a frame for each time: one frame around both calls
    would tie the picture in a knot.
    """

    def __init__(self) -> None:
        self._running: list[tuple[Module, Frame]] = []  # the modules of the latest call
        self._paths: dict[Module, dict[Module, str]] = {}  # module -> where in it each of its submodules stands
        self._count = 0

    def place(self, modules: Sequence[Module]) -> Place:
        """The frames of the modules that were running, outermost first."""
        same = 0
        while same < min(len(modules), len(self._running)) and modules[same] is self._running[same][0]:
            same += 1
        del self._running[same:]
        for module in modules[same:]:
            parent = self._running[-1][0] if self._running else None
            self._running.append((module, Frame(self._count, self._label(parent, module))))
            self._count += 1
        return tuple(frame for _, frame in self._running)

    def _label(self, parent: Module | None, module: Module) -> str:
        if parent is not None and parent not in self._paths:
            self._paths[parent] = {child: path for path, child in parent.named_modules()}
        path = self._paths[parent].get(module) if parent is not None else None
        return f"{path}: {type(module).__name__}" if path else type(module).__name__
