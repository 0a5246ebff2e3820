"""A drawing in the making: operations with their operands, and the places where values come from and go to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_cnn.viz.drawing import Drawing
from tinygrad_cnn.viz.labels import ModuleFrames

_SYMMETRIC = frozenset({"add", "mul", "maximum", "minimum"})  # their operands may be exchanged


class Sketch:
    """Adds calls and outputs to a drawing, and knows which operations nobody has used."""

    def __init__(self) -> None:
        self.drawing = Drawing()
        self._frames = ModuleFrames()
        self._used: set[int] = set()

    def add_call(
        self, primitive: Any, operands: Sequence[tuple[str, int]], details: Sequence[str], modules: Sequence[Any]
    ) -> int:
        """A box for one call, and arrows to it from its operands (argument, box)."""
        box = self.drawing.add_box("operation", primitive.name, tuple(details), self._frames.place(modules))
        named = self._need_names(primitive, operands)
        for argument, source in operands:
            self._used.add(source)
            self.drawing.add_arrow(source, box, argument if named else "")
        return box

    def add_output(self, source: int, title: str = "output") -> None:
        self.drawing.add_arrow(source, self.drawing.add_box("output", title))

    def unused_operations(self) -> list[int]:
        return [i for i, box in enumerate(self.drawing.boxes) if box.kind == "operation" and i not in self._used]

    def _need_names(self, primitive: Any, operands: Sequence[tuple[str, int]]) -> bool:
        """Whether the picture does not say by itself which operand is which, as in a - b or b - a."""
        variadic = primitive.arity < 0  # cat, stack: numbers instead of names
        if len(operands) < 2 or variadic or primitive.name in _SYMMETRIC:
            return False
        boxes = [(argument, self.drawing.boxes[source]) for argument, source in operands]
        unclear = [box for argument, box in boxes if box.kind in ("operation", "input") and box.title != argument]
        return primitive.elementwise or len(unclear) > 1
