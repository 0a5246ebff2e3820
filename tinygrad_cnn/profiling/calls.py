"""The calls of a profiled block: each event of the observer's hook, with shapes in place of its arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core import Event, Line, Primitive, Tensor
from tinygrad_cnn.core.edges import Node
from tinygrad_cnn.ops.costs import Cost, Outline, forward_cost, outlined, rule_cost
from tinygrad_cnn.profiling.places import NOWHERE, Place, Places

Direction = Literal["forward", "backward"]
Array = NDArray[Any]


@dataclass(slots=True)
class Call:
    """One call of an operation, or of its backward rules."""

    primitive: Primitive
    direction: Direction  # a recorded rule calls operations, which then run backward too
    arguments: dict[str, Any]  # of the operation, outlined; for its rules also the residuals that they read
    output: Outline  # of the operation
    served: tuple[str, ...] | None  # the inputs whose rules ran; None for the operation itself
    start: float  # by time.perf_counter
    seconds: float
    own_seconds: float  # without the calls that a recorded rule made, which count by themselves
    allocated: int  # bytes
    peak: int | None  # bytes held at most since the call before; None where memory is not measured
    place: Place
    line: Line | None
    overhead: float = 0.0  # seconds that it took to record it
    is_recorded: bool = False  # a rule that made calls, which cost what it costs

    @property
    def cost(self) -> Cost:
        """Nothing is moved where all that came back is a view of what was there."""
        if self.is_recorded:
            return Cost(bytes=0)
        if self.served is None:
            cost = forward_cost(self.primitive, self.arguments, self.output)
        else:
            cost = rule_cost(self.primitive, self.arguments, self.output, self.served)
        return cost if self.allocated else Cost(cost.multiply_adds, cost.operations, 0)

    @property
    def inputs(self) -> dict[str, Outline]:
        """The arrays among the operation's arguments."""
        found: dict[str, Outline] = {}
        for name in self.primitive.parameters:
            value = self.arguments.get(name)
            if isinstance(value, Outline):
                found[name] = value
            elif self.primitive.arity < 0 and type(value) is tuple:
                found |= {f"{name}[{i}]": x for i, x in enumerate(value) if isinstance(x, Outline)}
        return found


def several_roots(calls: Iterable[Call]) -> bool:
    """Whether more than one model ran, whose layers' paths would be confused."""
    return len({call.place.root for call in calls if call.place.path}) > 1


class Recorder:
    """An observer that makes a Call of every event, and keeps no array alive.

    peak: tells the bytes that were held at most since it was last asked; None where memory is not measured.
    """

    def __init__(self, peak: Callable[[], int] | None) -> None:
        self._calls: list[Call] = []
        self._peak = peak
        self._places = Places()
        self._arguments: dict[int, tuple[Any, dict[str, Any]]] = {}  # of forward calls, by id of the node's trace

    @property
    def calls(self) -> Sequence[Call]:
        """In the order in which they ended."""
        self._places.name()
        return self._calls

    def forget(self) -> None:
        """Let go of what only a running block needs, its Modules among others."""
        self._places.name()
        self._places, self._arguments = Places(), {}

    def __call__(self, event: Event) -> None:
        arrived = perf_counter()
        call = self._operation(event) if event.kind == "forward" else self._rule(event)
        self._calls.append(call)
        call.overhead = perf_counter() - arrived

    def _operation(self, event: Event) -> Call:
        arguments, node = _bound(event), event.node
        kept: list[Array] = []
        if node is not None:
            self._arguments[id(node.trace)] = node.trace, arguments
            kept = _arrays(node.kept)
        allocated = _new_bytes([event.output.data, *kept], _arrays(event.inputs))
        return self._call(event, arguments, outlined(event.output), None, allocated)

    def _rule(self, event: Event) -> Call:
        node: Node = event.node
        plan, kept = node.plan, node.kept or ()
        arguments = self._arguments_of(node) | dict(zip(plan.kept, map(outlined, kept), strict=True))
        served = plan.arguments
        if plan.primitive.arity >= 0:
            served = [name for name, gradient in zip(served, event.output, strict=True) if gradient is not None]
        allocated = _new_bytes(_arrays(event.output), _arrays((*event.inputs, *kept)))
        output = Outline(node.shape, node.dtype)
        call = self._call(event, arguments, output, tuple(served), allocated)
        self._gather_calls_of(call)
        return call

    def _call(
        self, event: Event, arguments: dict[str, Any], output: Outline, served: tuple[str, ...] | None, allocated: int
    ) -> Call:
        return Call(
            primitive=event.primitive,
            direction="forward" if served is None else "backward",
            arguments=arguments,
            output=output,
            served=served,
            start=event.start,
            seconds=event.seconds,
            own_seconds=event.seconds,
            allocated=allocated,
            peak=None if self._peak is None else self._peak(),
            place=self._places.of(event.modules),
            line=event.line,
        )

    def _arguments_of(self, node: Node) -> dict[str, Any]:
        """Those of the operation that made `node`, or its recorded inputs where that was before the block."""
        trace = getattr(node, "trace", None)
        known, arguments = self._arguments.get(id(trace), (None, {}))
        if trace is not None and known is trace:
            return arguments
        outlines = [None if parent is None else Outline(parent.shape, parent.dtype) for parent in node.parents]
        names = node.plan.arguments
        return {names[0]: tuple(outlines)} if node.plan.primitive.arity < 0 else dict(zip(names, outlines, strict=True))

    def _gather_calls_of(self, rule: Call) -> None:
        """Set apart from a recorded rule what the calls that it made took, moved and allocated."""
        for inner in reversed(self._calls):
            if inner.start < rule.start:
                break
            rule.own_seconds -= inner.own_seconds + inner.overhead
            rule.is_recorded, rule.allocated = True, 0
            inner.direction = "backward"
            if inner.place is NOWHERE:  # no Module runs in a backward pass
                inner.place = rule.place


def _bound(event: Event) -> dict[str, Any]:
    primitive = event.primitive
    if primitive.arity >= 0:
        return dict(zip(primitive.parameters, map(outlined, event.inputs), strict=True))
    name, *others = primitive.parameters
    return {name: outlined(event.inputs), **dict(zip(others, primitive.defaults[1:], strict=True)), **event.options}


def _arrays(values: Iterable[Any]) -> list[Array]:
    """The arrays among the values, and in tuples of them."""
    found: list[Array] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value.data)
        elif isinstance(value, np.ndarray):
            found.append(value)
        elif type(value) is tuple:
            found += _arrays(value)
    return found


def _new_bytes(given: Sequence[Array], taken: Sequence[Array]) -> int:
    """How many bytes the arrays that were given hold of memory that was not taken; views of one memory count once."""
    old = {id(_memory(array)) for array in taken}
    new: dict[int, int] = {}
    for array in given:
        memory = _memory(array)
        if id(memory) not in old:
            new[id(memory)] = max(new.get(id(memory), 0), min(array.nbytes, memory.nbytes))
    return sum(new.values())


def _memory(array: Array) -> Array:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
