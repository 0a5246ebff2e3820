"""Training steps of one framework, in its own process; nothing is imported here that another framework needs."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.peers import PEERS
from benchmarks.processes import LeftOut
from benchmarks.resident import peak_memory
from benchmarks.rounds import repeat
from benchmarks.workloads import named

LOSSES = 3


class Stepping:
    """Builds a workload in a peer's framework and times its steps."""

    def __init__(self, peer: str) -> None:
        try:
            self.module: Any = importlib.import_module(f"benchmarks.peers.{PEERS[peer].module}")
        except ImportError as error:
            raise LeftOut(f"not installed: {error}") from error
        self.options = PEERS[peer].options
        self.step: Callable[[], Any] | None = None

    def versions(self) -> dict[str, Any]:
        return {**self.module.versions(), "thread_pools": machine.thread_pools()}

    def build(self, workload: str, path: str) -> list[float]:
        """The losses of the first steps."""
        self.step = None
        gc.collect()  # the last workload's memory
        with np.load(path) as arrays:
            self.step = self.module.build(named(workload), dict(arrays), **self.options)
        return [float(self.step()) for _ in range(LOSSES)]

    def measure(self, seconds: float) -> list[float]:
        if self.step is None:
            raise RuntimeError("build a workload first")
        times = repeat(self.step, seconds)
        if not isfinite(float(self.step())):
            raise RuntimeError("the loss is not finite any more: these steps are no training")
        return times

    def repeat(self, steps: int) -> None:
        if self.step is None:
            raise RuntimeError("build a workload first")
        for _ in range(steps):
            self.step()

    def peak_memory(self) -> int:
        return peak_memory()
