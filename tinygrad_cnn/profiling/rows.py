"""What the calls of a profiled block add up to, grouped by operation, module or shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn.core.dtypes import DEFAULT_FLOAT
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.ops.costs import Cost
from tinygrad_cnn.profiling.calls import Call, Direction, several_roots


@dataclass(frozen=True, slots=True)
class Row:
    """The forward, or the backward, calls of one operation, in one module or on one set of shapes, added up.

    seconds: inside the operation; share: of the whole block's time, from 0 to 1.
    multiply_adds, operations: as the operation's definition has them, see `Cost`.
    bytes: of the arrays read and written. Each counts once, however often the kernel went through it or found it in a
    cache, and as 0 where what came back is a view.
    allocated: bytes of the arrays that came back, or were kept for the backward pass, views left out. What a kernel
    needed in between is not among them; what has been freed since, and was handed out again, is not taken off.
    peak: the most bytes held at once while one of the calls ran, of those allocated in the block; with memory=True.
    """

    name: str
    direction: Direction
    calls: int
    seconds: float
    share: float
    multiply_adds: int
    operations: int
    bytes: int
    allocated: int
    peak: int | None

    @property
    def flops(self) -> int:
        """Floating-point operations, of which a multiply-add is two."""
        return Cost(self.multiply_adds, self.operations).flops

    @property
    def gflops_per_second(self) -> float:
        return self.flops / self.seconds / 1e9 if self.seconds else 0.0


_ORDERS: dict[str, Callable[[Row], Any] | None] = {
    "time": lambda row: -row.seconds,
    "calls": lambda row: -row.calls,
    "flops": lambda row: -row.flops,
    "bytes": lambda row: -row.bytes,
    "allocated": lambda row: -row.allocated,
    "name": lambda row: (row.name, row.direction == "backward"),
    "order": None,  # in which they ran first
}
_GROUPINGS = ("operation", "module", "shape")


def grouped(calls: Sequence[Call], total_seconds: float, by: str, sort: str) -> list[Row]:
    """One Row for each direction of each group. Raises: ArgumentError for an unknown `by` or `sort`."""
    if by not in _GROUPINGS:
        raise ArgumentError(f"Profile: by expects one of {', '.join(map(repr, _GROUPINGS))}, got {by!r}")
    if sort not in _ORDERS:
        raise ArgumentError(f"Profile: sort expects one of {', '.join(map(repr, _ORDERS))}, got {sort!r}")
    groups: dict[tuple[str, Direction], list[Call]] = {}
    with_root = several_roots(calls)
    for call in calls:
        groups.setdefault((_name(call, by, with_root), call.direction), []).append(call)
    made = [added_up(name, direction, group, total_seconds) for (name, direction), group in groups.items()]
    order = _ORDERS[sort]
    return made if order is None else sorted(made, key=order)


def added_up(name: str, direction: Direction, calls: Sequence[Call], total_seconds: float) -> Row:
    """The Row of all these calls."""
    cost = sum((call.cost for call in calls), Cost(bytes=0))
    seconds = sum(call.own_seconds for call in calls)
    peaks = [call.peak for call in calls if call.peak is not None]
    return Row(
        name,
        direction,
        len(calls),
        seconds,
        seconds / total_seconds if total_seconds else 0.0,
        cost.multiply_adds,
        cost.operations,
        cost.bytes or 0,
        sum(call.allocated for call in calls),
        max(peaks) if peaks else None,
    )


def _name(call: Call, by: str, with_root: bool) -> str:
    if by == "module":
        return call.place.label(with_root)
    if by == "operation":
        return call.primitive.name
    shapes = [f"{x.shape}" if x.dtype == DEFAULT_FLOAT else f"{x.shape} {x.dtype}" for x in call.inputs.values()]
    return " ".join([call.primitive.name, *shapes])
