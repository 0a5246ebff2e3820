"""A profile in the Trace Event Format, which chrome://tracing and ui.perfetto.dev show on a line of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_cnn.ops.costs import Outline
from tinygrad_cnn.profiling.calls import Call, several_roots

_MICRO = 1e-6


def trace(calls: Sequence[Call], started: float, process: int, thread: int) -> dict[str, Any]:
    """A complete event ("ph": "X") for each call, in microseconds since `started`; also a curve of memory, if measured.

    Source: the Trace Event Format of Chrome's tracing, "Complete Events" and "Counter Events".
    """
    with_root = several_roots(calls)
    where = {"pid": process, "tid": thread}
    events: list[dict[str, Any]] = [
        {"name": "process_name", "ph": "M", "ts": 0, **where, "args": {"name": "tinygrad_cnn"}}
    ]
    for call in sorted(calls, key=lambda call: call.start):
        time = round((call.start - started) / _MICRO, 3)
        suffix = "" if call.served is None else " backward"
        events.append(
            {
                "name": call.primitive.name + suffix,
                "cat": call.direction,
                "ph": "X",
                "ts": time,
                "dur": round(call.seconds / _MICRO, 3),
                **where,
                "args": _arguments(call, with_root),
            }
        )
        if call.peak is not None:
            events.append({"name": "memory", "ph": "C", "ts": time, **where, "args": {"bytes": call.peak}})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _arguments(call: Call, with_root: bool) -> dict[str, Any]:
    """What is shown of a call when it is clicked."""
    cost = call.cost
    return {
        "module": call.place.label(with_root),
        "inputs": {name: _brief(outline) for name, outline in call.inputs.items()},
        "output": _brief(call.output),
        **({} if call.served is None else {"gradients of": list(call.served)}),
        "multiply_adds": cost.multiply_adds,
        "operations": cost.operations,
        "bytes": cost.bytes,
        "allocated": call.allocated,
        "called at": str(call.line) if call.line else "",
    }


def _brief(outline: Outline) -> str:
    return f"{outline.dtype} {outline.shape}"
