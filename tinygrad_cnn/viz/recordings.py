"""Drawing what runs: every operation on Tensors inside a block, with its inputs, parameters and constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core import Event, Tensor, observe
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.viz.descriptions import Statistics
from tinygrad_cnn.viz.frames import OUTSIDE
from tinygrad_cnn.viz.gradient_flows import gradient_flow
from tinygrad_cnn.viz.labels import keys_of, names_by_key, names_in
from tinygrad_cnn.viz.measures import KeptBytes, kept_arrays, multiply_adds, statistics
from tinygrad_cnn.viz.pictures import Graph
from tinygrad_cnn.viz.sketches import WITH_USERS, Outcome, Sketch


class _Value(NamedTuple):
    """A Tensor or an array as it was when an operation took it or gave it."""

    keys: tuple[int, ...]
    outcome: Outcome
    is_tensor: bool
    requires_grad: bool
    data: NDArray[Any]
    edge: Any  # kept alive like the data, so that nothing else gets their keys


class _Call(NamedTuple):
    primitive: Any
    operands: list[tuple[str, _Value]]
    notes: list[str]  # operands that are plain numbers, as text
    output: _Value
    modules: tuple[Any, ...]
    multiply_adds: int
    kept: list[NDArray[Any]]


class Recording:
    """The operations that ran in a block, in order; it keeps their arrays alive as long as it lives itself."""

    def __init__(self, with_statistics: bool = False) -> None:
        self._calls: list[_Call] = []
        self._with_statistics = with_statistics
        self._statistics: dict[int, tuple[Any, Statistics]] = {}  # by id of an array, which is kept alive

    def graph(
        self,
        model: Any = None,
        *,
        names: Mapping[str, Any] | None = None,
        outputs: Sequence[Tensor] | None = None,
        depth: int | None = None,
        backward: bool = False,
        fold: bool = True,
    ) -> Graph:
        """The drawing of what was recorded.

        model: the module whose parameters and buffers are drawn under their names, such as features.0.weight.
        names: inputs, leaves and results by the name under which they are drawn, such as images, labels and loss.
        outputs: the results; by default whatever no recorded operation used.
        depth, backward, fold: as for `graph`; the gradients are those of the sum of all results.

        Raises: ArgumentError where nothing was recorded; GradientError where nothing requires a gradient.
        """
        if not self._calls:
            raise ArgumentError("graph: no operation on Tensors was recorded; run the model inside the with block")
        journal = _Journal(names_in(model), names or {})
        results = journal.follow(self._calls, None if outputs is None else [self._seen(value) for value in outputs])
        edges = [value.edge for value in results if value.edge is not None]
        flow = gradient_flow(edges, journal.numbers, self._with_statistics) if backward else None
        title = "graph" if model is None else getattr(model, "__name__", type(model).__name__)
        description = journal.sketch.description(title, depth, *([flow] if flow else []))
        return Graph(description, fold)

    def _see(self, event: Event) -> None:
        if event.kind == "rule":
            return
        arguments = [(_argument(event.primitive, position), value) for position, value in enumerate(event.inputs)]
        operands = [(name, self._seen(value)) for name, value in arguments if isinstance(value, Tensor | np.ndarray)]
        notes = [
            f"{name} = {value:g}"
            for name, value in arguments
            if isinstance(value, int | float | np.number) and name in event.primitive.differentiable
        ]
        kept = kept_arrays(event.node)
        output = self._seen(event.output)
        self._calls.append(_Call(event.primitive, operands, notes, output, event.modules, multiply_adds(event), kept))

    def _seen(self, value: Any) -> _Value:
        is_tensor = isinstance(value, Tensor)
        data: NDArray[Any] = value.data if is_tensor else value
        spread = self._statistics_of(data) if self._with_statistics else None
        outcome = Outcome(data.shape, str(data.dtype), data.size, spread)
        requires_grad = is_tensor and value.requires_grad
        return _Value(keys_of(value), outcome, is_tensor, requires_grad, data, value._edge if is_tensor else None)

    def _statistics_of(self, data: NDArray[Any]) -> Statistics:
        if id(data) not in self._statistics:
            self._statistics[id(data)] = data, statistics(data)
        return self._statistics[id(data)][1]


@contextmanager
def record(statistics: bool = False) -> Iterator[Recording]:
    """Record the operations of this thread while the block runs, to draw them: one training batch, for example.

    statistics: note how the values of every array are spread, for the page that `Graph.html` makes.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import viz
        >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> with viz.record() as recording:
        ...     loss = (w * 3.0).sum()
        >>> recording.graph(names={"w": w})
        Graph(4 boxes, 3 arrows)
    """
    recording = Recording(statistics)
    with observe(recording._see):
        yield recording


class _Journal:
    """Turns calls into a sketch: finds out from which node each operand comes."""

    def __init__(self, in_model: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self.sketch = Sketch()
        self.numbers: dict[int, int] = {}  # key of a value -> the node it comes from
        self._names_in_model = names_by_key(in_model)
        self._given_names = names_by_key(given)
        self._kept = KeptBytes()
        for value in in_model.values():
            self._kept.know(value.data)

    def follow(self, calls: Sequence[_Call], outputs: Sequence[_Value] | None) -> Sequence[_Value]:
        """Sketch the calls and their results, which are returned."""
        for call in calls:
            operands = [
                (name, self._number_of(value, "" if call.primitive.elementwise else name))
                for name, value in call.operands
            ]
            kept_bytes = self._kept.count(call.kept)
            number = self.sketch.add_call(
                call.primitive,
                operands,
                call.output.outcome,
                call.modules,
                call.multiply_adds,
                kept_bytes,
                call.notes,
            )
            self._remember(call.output, number)
        results = outputs or self._unused(calls)
        for result in results:
            title = _first(result.keys, self._given_names) or "output"
            self.sketch.add_output(self._number_of(result, ""), title)
        return results

    def _unused(self, calls: Sequence[_Call]) -> list[_Value]:
        ends = set(self.sketch.unused_operations())
        by_number = {self.numbers[call.output.keys[0]]: call.output for call in calls}
        return [value for number, value in by_number.items() if number in ends]

    def _number_of(self, value: _Value, argument: str) -> int:
        known: int | None = _first(value.keys, self.numbers)
        if known is not None:
            return known
        number = self._add_source(value, argument)
        self._remember(value, number)
        return number

    def _remember(self, value: _Value, number: int) -> None:
        self.numbers.update(dict.fromkeys(value.keys, number))

    def _add_source(self, value: _Value, argument: str) -> int:
        given = _first(value.keys, self._given_names)
        in_model = _first(value.keys, self._names_in_model)
        title = given or in_model
        place = OUTSIDE if given else WITH_USERS
        if value.requires_grad:
            return self.sketch.add_source("parameter", title or argument or "leaf", value.outcome, place, learned=True)
        if given:
            return self.sketch.add_source("input", given, value.outcome)
        # A nameless Tensor was most likely handed to the model, a nameless array (labels, a mask) made on the spot.
        outside = value.is_tensor and title is None
        return self.sketch.add_source(
            "constant", title or argument or "constant", value.outcome, OUTSIDE if outside else WITH_USERS
        )


def _argument(primitive: Any, position: int) -> str:
    variadic = primitive.arity < 0
    name: str = primitive.parameters[0 if variadic else position]
    return f"{name}[{position}]" if variadic else name


def _first(keys: Sequence[int], among: Mapping[int, Any]) -> Any:
    return next((among[key] for key in keys if key in among), None)
