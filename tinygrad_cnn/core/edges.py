"""What remains of a computation once it has run: a graph of edges that never point at Tensors.

A Tensor holds one edge: None (a constant), a `Leaf` (where gradients gather) or a `Node` (the call that made it). Nodes
link to the edges of their inputs and to the few arrays their rules asked for, so there are no reference cycles, and
nothing is kept alive by accident: a graph is freed by reference counting the moment its last Tensor goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cnn.core.plans import Plan

Version: TypeAlias = list[int]


class Leaf:
    """The end of the line: `backward` leaves the gradient here."""

    __slots__ = ("dtype", "grad", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.grad: Any = None  # a Tensor, or None


class Node:
    """One recorded call of a primitive."""

    __slots__ = ("clock", "dtype", "kept", "parents", "plan", "shape", "trace", "versions")

    plan: Plan
    parents: list[Edge | None]  # of the recorded inputs, in the order in which plan.pull returns their cotangents
    kept: tuple[Any, ...] | None  # what the rules asked for; None once a backward pass has freed it
    versions: Mapping[int, Version] | None  # of the arguments that can be edited, by position; None without any
    clock: int  # the edit clock when the call was made; set where there are versions
    shape: tuple[int, ...]  # of the output, and so of its cotangent
    dtype: np.dtype[Any]
    trace: tuple[Any, Any]  # the caller's line and the running Modules; set only where an observer watched


Edge: TypeAlias = Leaf | Node


class EditClock:
    """Counts the edits of arrays made through the framework.

    Each editable Tensor shares one version cell `[time of the last edit]` with its views; a node that kept an array
    compares that time with the time of its own call.
    """

    __slots__ = ("_lock", "now")

    def __init__(self) -> None:
        self.now = 0
        self._lock = Lock()

    def stamp(self, *versions: Version) -> None:
        """Note an edit, now, of the arrays behind `versions`."""
        with self._lock:
            self.now += 1
            for version in versions:
                version[0] = self.now


EDITS = EditClock()
