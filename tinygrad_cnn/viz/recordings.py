"""Drawing what runs: every operation on Tensors inside a block, with its inputs, parameters and constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core import Event, Tensor, observe
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.viz.drawing import Drawing
from tinygrad_cnn.viz.labels import facts, keys_of, names_by_key, names_in
from tinygrad_cnn.viz.pictures import Graph
from tinygrad_cnn.viz.sketches import Sketch


class _Value(NamedTuple):
    """A Tensor or an array as it was when an operation took it or gave it."""

    keys: tuple[int, ...]
    facts: str
    is_tensor: bool
    requires_grad: bool
    kept: tuple[Any, ...]  # what the keys stand for: alive, so that nothing else gets them


class _Call(NamedTuple):
    primitive: Any
    operands: list[tuple[str, _Value]]
    numbers: list[str]  # operands that are plain numbers, as text
    output: _Value
    modules: tuple[Any, ...]


class Recording:
    """The operations that ran in a block, in order; it keeps their arrays alive as long as it lives itself."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def graph(
        self, model: Any = None, *, names: Mapping[str, Any] | None = None, outputs: Sequence[Tensor] | None = None
    ) -> Graph:
        """The drawing of what was recorded.

        model: the module whose parameters and buffers are drawn under their names, such as features.0.weight.
        names: inputs, leaves and results by the name under which they are drawn, such as images, labels and loss.
        outputs: the results; by default whatever no recorded operation used.

        Raises: ArgumentError where nothing was recorded.
        """
        if not self._calls:
            raise ArgumentError("graph: no operation on Tensors was recorded; run the model inside the with block")
        return Graph(_Journal(names_in(model), names or {}).drawn(self._calls, outputs))

    def _see(self, event: Event) -> None:
        if event.kind == "rule":
            return
        arguments = [(_argument(event.primitive, position), value) for position, value in enumerate(event.inputs)]
        operands = [(name, _seen(value)) for name, value in arguments if isinstance(value, Tensor | np.ndarray)]
        numbers = [
            f"{name} = {value:g}"
            for name, value in arguments
            if isinstance(value, int | float | np.number) and name in event.primitive.differentiable
        ]
        self._calls.append(_Call(event.primitive, operands, numbers, _seen(event.output), event.modules))


@contextmanager
def record() -> Iterator[Recording]:
    """Record the operations of this thread while the block runs, to draw them: one training batch, for example.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import viz
        >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> with viz.record() as recording:
        ...     loss = (w * 3.0).sum()
        >>> recording.graph(names={"w": w})
        Graph(4 boxes, 3 arrows)
    """
    recording = Recording()
    with observe(recording._see):
        yield recording


class _Journal:
    """Turns calls into a drawing: finds out from which box each operand comes."""

    def __init__(self, in_model: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._sketch = Sketch()
        self._names_in_model = names_by_key(in_model)
        self._given_names = names_by_key(given)
        self._boxes: dict[int, int] = {}  # key of a value -> the box it comes from

    def drawn(self, calls: Sequence[_Call], outputs: Sequence[Tensor] | None) -> Drawing:
        for call in calls:
            operands = [
                (name, self._box_of(value, "" if call.primitive.elementwise else name)) for name, value in call.operands
            ]
            details = [*call.numbers, call.output.facts]
            self._remember(call.output, self._sketch.add_call(call.primitive, operands, details, call.modules))
        results = [_seen(output) for output in outputs] if outputs else self._unused(calls)
        for result in results:
            self._sketch.add_output(self._box_of(result, ""), _first(result.keys, self._given_names) or "output")
        return self._sketch.drawing

    def _unused(self, calls: Sequence[_Call]) -> list[_Value]:
        ends = set(self._sketch.unused_operations())
        by_box = {self._boxes[call.output.keys[0]]: call.output for call in calls}
        return [value for box, value in by_box.items() if box in ends]

    def _box_of(self, value: _Value, argument: str) -> int:
        known: int | None = _first(value.keys, self._boxes)
        if known is not None:
            return known
        box = self._add_source(value, argument)
        self._remember(value, box)
        return box

    def _remember(self, value: _Value, box: int) -> None:
        self._boxes.update(dict.fromkeys(value.keys, box))

    def _add_source(self, value: _Value, argument: str) -> int:
        add_box = self._sketch.drawing.add_box
        given = _first(value.keys, self._given_names)
        title = given or _first(value.keys, self._names_in_model)
        if value.requires_grad:
            return add_box("parameter", title or argument or "leaf", (value.facts,), () if given else None)
        if given:
            return add_box("input", given, (value.facts,), ())
        # A nameless Tensor was most likely handed to the model, a nameless array (labels, a mask) made on the spot.
        outside = value.is_tensor and title is None
        return add_box("constant", title or argument or "constant", (value.facts,), () if outside else None)


def _seen(value: Any) -> _Value:
    is_tensor = isinstance(value, Tensor)
    kept = (value._edge, value.data) if is_tensor else (value,)
    return _Value(keys_of(value), facts(value.shape, value.dtype), is_tensor, is_tensor and value.requires_grad, kept)


def _argument(primitive: Any, position: int) -> str:
    variadic = primitive.arity < 0
    name: str = primitive.parameters[0 if variadic else position]
    return f"{name}[{position}]" if variadic else name


def _first(keys: Sequence[int], among: Mapping[int, Any]) -> Any:
    return next((among[key] for key in keys if key in among), None)
