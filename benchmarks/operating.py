"""Single operations of one framework, in its own process; nothing is imported here that another framework needs."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.operations import all_cases
from benchmarks.processes import LeftOut
from benchmarks.rounds import repeat


class Operating:
    """Makes and times the variants of one operation."""

    def __init__(self, module: str, options: dict[str, Any]) -> None:
        try:
            self.module: Any = importlib.import_module(f"benchmarks.peers.{module}")
        except ImportError as error:
            raise LeftOut(f"not installed: {error}") from error
        self.module.prepare(options)
        self.cases = all_cases()
        self.variants: dict[str, Callable[[], Any]] = {}

    def build(self, case: str) -> dict[str, list[float]]:
        """For each variant, what tells its result from another one: the norm, and the product with a fixed vector."""
        self.variants = {}
        gc.collect()
        self.variants = self.module.variants(self.cases[case])
        return {name: fingerprint(np.asarray(work())) for name, work in self.variants.items()}

    def measure(self, variant: str, seconds: float) -> list[float]:
        return repeat(self.variants[variant], seconds)


def fingerprint(result: Any) -> list[float]:
    flat = np.ravel(result).astype(np.float64)
    direction = np.random.default_rng(0).standard_normal(flat.size)
    return [float(np.linalg.norm(flat)), float(flat @ direction)]
