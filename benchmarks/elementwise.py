"""Elementwise operations beside NumPy: what the engine adds to the bare call, forward, and forward plus backward.

Each operation runs on a million float32 elements. Forward is compared with the bare NumPy call; forward plus backward
with the same mathematics written by hand: the value, and one array of its own for each gradient, as a leaf has one.
Runs alternate between the two sides, the best of each counts, and only ratios within one run are reported.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.elementwise --out elementwise.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_cnn as tg

FORWARD_LIMIT, BOTH_LIMIT = 1.3, 2.0
Array = Any


@dataclass(frozen=True)
class Case:
    """An operation, the bare NumPy call, and its gradients by hand from (g, y, inputs); None: piecewise constant."""

    name: str
    ours: Callable[..., Any]
    bare: Callable[..., Array]
    gradients: Callable[..., tuple[Array, ...]] | None
    inputs: str = "normal"  # a word for each


@dataclass(frozen=True)
class Row:
    """Best times in milliseconds."""

    name: str
    numpy_forward: float
    forward: float
    numpy_both: float | None
    both: float | None

    @property
    def forward_ratio(self) -> float:
        return self.forward / self.numpy_forward

    @property
    def both_ratio(self) -> float | None:
        return None if self.both is None or self.numpy_both is None else self.both / self.numpy_both

    @property
    def within(self) -> bool:
        return self.forward_ratio <= FORWARD_LIMIT and (self.both_ratio is None or self.both_ratio <= BOTH_LIMIT)


def halves_at_ties(g: Array, wins: Array, ties: Array) -> tuple[Array, Array]:
    first = np.where(wins, g, np.where(ties, g * 0.5, 0.0))
    return first, g - first


MASK = np.random.default_rng(1).random(1_000_000) < 0.5
CASES = [
    Case("add", tg.add, np.add, lambda g, y, a, b: (g.copy(), g.copy()), "normal normal"),
    Case("sub", tg.sub, np.subtract, lambda g, y, a, b: (g.copy(), -g), "normal normal"),
    Case("mul", tg.mul, np.multiply, lambda g, y, a, b: (g * b, g * a), "normal normal"),
    Case("div", tg.div, np.divide, lambda g, y, a, b: (g / b, -g * y / b), "normal positive"),
    Case("neg", tg.neg, np.negative, lambda g, y, x: (-g,)),
    Case("x * 2.5", lambda x: x * 2.5, lambda x: x * 2.5, lambda g, y, x: (g * 2.5,)),
    Case("x + row", tg.add, np.add, lambda g, y, x, r: (g.copy(), g.sum(0)), "square row"),
    Case("x ** 2", lambda x: x**2, lambda x: x**2, lambda g, y, x: (g * (2 * x),)),
    Case("x ** 3", lambda x: x**3, lambda x: x**3, lambda g, y, x: (g * (3 * x**2),), "positive"),
    Case(
        "pow(x, y)",
        tg.pow,
        lambda a, b: a**b,
        lambda g, y, a, b: (g * (b * a ** (b - 1)), g * (y * np.log(a))),
        "positive normal",
    ),
    Case("exp", tg.exp, np.exp, lambda g, y, x: (g * y,)),
    Case("expm1", tg.expm1, np.expm1, lambda g, y, x: (g * (y + 1),)),
    Case("log", tg.log, np.log, lambda g, y, x: (g / x,), "positive"),
    Case("log1p", tg.log1p, np.log1p, lambda g, y, x: (g / (1 + x),), "positive"),
    Case("sqrt", tg.sqrt, np.sqrt, lambda g, y, x: (g / (2 * y),), "positive"),
    Case("rsqrt", tg.rsqrt, lambda x: 1 / np.sqrt(x), lambda g, y, x: (g * (-0.5 * y * y * y),), "positive"),
    Case("sin", tg.sin, np.sin, lambda g, y, x: (g * np.cos(x),)),
    Case("cos", tg.cos, np.cos, lambda g, y, x: (-g * np.sin(x),)),
    Case("tan", tg.tan, np.tan, lambda g, y, x: (g * (1 + y * y),)),
    Case("asin", tg.asin, np.arcsin, lambda g, y, x: (g / np.sqrt(1 - x * x),), "fraction"),
    Case("acos", tg.acos, np.arccos, lambda g, y, x: (-g / np.sqrt(1 - x * x),), "fraction"),
    Case("atan", tg.atan, np.arctan, lambda g, y, x: (g / (1 + x * x),)),
    Case("tanh", tg.tanh, np.tanh, lambda g, y, x: (g * (1 - y * y),)),
    Case("sigmoid", tg.sigmoid, lambda x: 1 / (1 + np.exp(-x)), lambda g, y, x: (g * (y * (1 - y)),)),
    Case("relu", tg.relu, lambda x: np.maximum(x, 0), lambda g, y, x: (g * (y > 0),)),
    Case("abs", tg.abs, np.abs, lambda g, y, x: (g * np.sign(x),)),
    Case("sign", tg.sign, np.sign, None),
    Case("floor", tg.floor, np.floor, None),
    Case("round", tg.round, np.round, None),
    Case(
        "clamp",
        lambda x: tg.clamp(x, -1.0, 1.0),
        lambda x: np.clip(x, -1.0, 1.0),
        lambda g, y, x: (g * ((x >= -1.0) & (x <= 1.0)),),
    ),
    Case("maximum", tg.maximum, np.maximum, lambda g, y, a, b: halves_at_ties(g, a > b, a == b), "normal normal"),
    Case("minimum", tg.minimum, np.minimum, lambda g, y, a, b: halves_at_ties(g, a < b, a == b), "normal normal"),
    Case(
        "where",
        lambda a, b: tg.where(MASK, a, b),
        lambda a, b: np.where(MASK, a, b),
        lambda g, y, a, b: (np.where(MASK, g, 0.0), np.where(MASK, 0.0, g)),
        "normal normal",
    ),
    Case("a < b", tg.lt, np.less, None, "normal normal"),
    Case("a == b", tg.eq, np.equal, None, "normal normal"),
]


def drawn(kind: str, rng: np.random.Generator) -> Array:
    made = {
        "normal": lambda: rng.normal(size=1_000_000),
        "positive": lambda: rng.uniform(0.5, 2.0, 1_000_000),
        "fraction": lambda: rng.uniform(-0.9, 0.9, 1_000_000),
        "square": lambda: rng.normal(size=(1000, 1000)),
        "row": lambda: rng.normal(size=1000),
    }
    return made[kind]().astype(np.float32)


def milliseconds(calls: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """The best time of each call; they take turns, so that a busy moment of the machine meets them all."""
    best = [float("inf")] * len(calls)
    for _ in range(repeats):
        for i, call in enumerate(calls):
            start = perf_counter()
            call()
            best[i] = min(best[i], perf_counter() - start)
    return [1e3 * seconds for seconds in best]


def measure(case: Case, repeats: int) -> Row:
    rng = np.random.default_rng(0)
    arrays = [drawn(kind, rng) for kind in case.inputs.split()]
    constants = [tg.Tensor(array) for array in arrays]
    numpy_forward, forward = milliseconds([lambda: case.bare(*arrays), lambda: case.ours(*constants)], repeats)
    if case.gradients is None:
        return Row(case.name, numpy_forward, forward, None, None)
    leaves = [tg.Tensor(array, requires_grad=True) for array in arrays]
    g = rng.normal(size=np.broadcast_shapes(*(array.shape for array in arrays))).astype(np.float32)
    by_hand = case.gradients

    def both_by_hand() -> tuple[Array, ...]:
        return by_hand(g, case.bare(*arrays), *arrays)

    def both() -> None:
        for leaf in leaves:
            leaf.grad = None
        case.ours(*leaves).backward(g)

    both()
    for leaf, expected in zip(leaves, both_by_hand(), strict=True):
        if leaf.grad is None:
            raise ValueError(f"{case.name}: a leaf without a gradient")
        np.testing.assert_allclose(leaf.grad.data, expected, rtol=1e-3, atol=1e-4)
    numpy_both, ours_both = milliseconds([both_by_hand, both], repeats)
    return Row(case.name, numpy_forward, forward, numpy_both, ours_both)


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = [
        f"| operation | NumPy ms | ours ms | ratio (at most {FORWARD_LIMIT}) | by hand, both ways ms | ours ms "
        f"| ratio (at most {BOTH_LIMIT:g}) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ends = "| | | |"
        if row.both is not None and row.numpy_both is not None:
            ends = f"| {row.numpy_both:.2f} | {row.both:.2f} | {row.both / row.numpy_both:.2f} |"
        mark = "" if row.within else " **above**"
        lines.append(
            f"| {row.name}{mark} | {row.numpy_forward:.2f} | {row.forward:.2f} | {row.forward_ratio:.2f} {ends}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure elementwise operations against NumPy.")
    parser.add_argument("--repeats", type=int, default=30, help="runs of each side, of which the best counts")
    parser.add_argument("--only", nargs="*", default=[], help="names of the operations to measure (default: all)")
    parser.add_argument("--out", type=Path, help="where to write the rows as JSON")
    options = parser.parse_args(arguments)
    rows = [measure(case, options.repeats) for case in CASES if not options.only or case.name in options.only]
    print(table(rows))
    if options.out:
        options.out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", "utf-8")
    return 0 if all(row.within for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
