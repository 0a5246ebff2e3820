"""The operations that a function runs through, each as a probe of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import Event, Line, observe
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.testing.probes import Probe


@dataclass(frozen=True, slots=True)
class Fault:
    """An operation whose rule fails on its own."""

    operation: str
    argument: str
    hint: str
    line: Line | None  # where the user's code called it
    modules: tuple[Any, ...]  # the Modules it ran in, outermost first


def recorded_calls(probe: Probe) -> list[Event]:
    """The calls of differentiable primitives that one evaluation of the probe records, in order."""
    return [event for event in _calls(probe) if event.node is not None]


def calls_without_rules(probe: Probe) -> list[str]:
    """The primitives without any rule that turn what requires a gradient into fractions: there gradients end."""
    return [
        event.primitive.name
        for event in _calls(probe)
        if not event.primitive.differentiable
        and event.output.dtype.kind == "f"
        and any(isinstance(value, Tensor) and value.requires_grad for value in event.inputs)
    ]


def _calls(probe: Probe) -> list[Event]:
    events: list[Event] = []
    with observe(events.append):
        probe.call([array.copy() for array in probe.point], requires_grad=True)
    return [event for event in events if event.kind == "forward"]


def call_of(event: Event) -> Probe:
    """The one call as a probe of its own, at the values it had; only inputs that were recorded are checked."""

    def call(*arguments: Any) -> Any:
        return event.primitive(*arguments, **event.options)

    call.__name__ = event.primitive.name
    inputs = [
        Tensor(np.array(value.data), requires_grad=value.requires_grad)
        if isinstance(value, Tensor)
        else _constant(value)
        for value in event.inputs
    ]
    labels = event.primitive._labels([*inputs, *event.options.values()])
    return Probe(call, inputs, labels)


def _constant(value: Any) -> Any:
    """An array as a constant Tensor, so that the probe leaves it alone."""
    return Tensor(value) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value
