"""Graphs of any size in one framework, in its own process: chains of products, built and gone back through."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.processes import LeftOut
from benchmarks.rounds import repeat

FACTOR = np.float32(0.99995)


class Graphs:
    """peer: `tinygrad_cnn` or `torch`, which have the few names needed in common."""

    def __init__(self, peer: str) -> None:
        try:
            self.framework: Any = importlib.import_module(peer)
        except ImportError as error:
            raise LeftOut(f"not installed: {error}") from error

    def gradient(self, nodes: int) -> float:
        """Of the last product in the first factor, after a chain of that many."""
        x, factor = (self.framework.tensor(np.full(3, FACTOR), requires_grad=True) for _ in range(2))
        y = x
        for _ in range(nodes):
            y = y * factor
        y.sum().backward()
        return float(x.grad[0])

    def measure(self, nodes: int, seconds: float) -> list[float]:
        return repeat(lambda: self.gradient(nodes), seconds)
