"""What one operation costs beyond its arithmetic: microseconds forward and backward, on chains of tiny tensors.

A chain of 1,000 operations on 3 elements runs forward and backward, and the best of many runs counts: nothing is left
to measure but the engine. PyTorch, where installed, goes through the same chains in the same process.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.overhead [--out FILE.json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_cnn as tg

LENGTH = 1000
RUNS = 80

# name -> one step of the chain, from y, a leaf and the relu of the framework
Step = Callable[[Any, Any, Any], Any]
CHAINS: dict[str, Step] = {
    "y * 1.0001": lambda y, leaf, relu: y * 1.0001,
    "y + leaf": lambda y, leaf, relu: y + leaf,
    "relu(y)": lambda y, leaf, relu: relu(y),
    "y * leaf": lambda y, leaf, relu: y * leaf,
    "y * y": lambda y, leaf, relu: y * y,
}


def measure(step: Step, leaf: Callable[[], Any], relu: Any, ones: Any) -> tuple[float, float]:
    """Microseconds per operation, forward and backward, each the best of RUNS."""
    forward = backward = np.inf
    for _ in range(RUNS):
        x, other = leaf(), leaf()
        start = perf_counter()
        y = x
        for _ in range(LENGTH):
            y = step(y, other, relu)
        middle = perf_counter()
        y.backward(ones)
        end = perf_counter()
        forward, backward = min(forward, middle - start), min(backward, end - middle)
    return 1e6 * forward / LENGTH, 1e6 * backward / LENGTH


def ours() -> dict[str, tuple[float, float]]:
    ones = np.ones(3, np.float32)

    def leaf() -> Any:
        return tg.Tensor(ones, requires_grad=True)

    with np.errstate(over="ignore"):  # the derivative of y * y, a thousand times over
        return {name: measure(step, leaf, tg.relu, ones) for name, step in CHAINS.items()}


def pytorchs() -> dict[str, tuple[float, float]]:
    torch: Any = import_module("torch")
    torch.set_num_threads(1)

    def leaf() -> Any:
        return torch.ones(3, requires_grad=True)

    return {name: measure(step, leaf, torch.relu, torch.ones(3)) for name, step in CHAINS.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the figures there, as JSON")
    options = parser.parse_args()
    results = {"tinygrad_cnn": ours()}
    if importlib.util.find_spec("torch"):
        results["PyTorch"] = pytorchs()
    print("| us per operation, forward / backward |", " | ".join(results), "|")
    print("| :-- |", " | ".join("--:" for _ in results), "|")
    for chain in CHAINS:
        print(
            f"| {chain} |",
            " | ".join(f"{found[chain][0]:.2f} / {found[chain][1]:.2f}" for found in results.values()),
            "|",
        )
    if options.out:
        options.out.write_text(json.dumps(results, indent=2), "utf-8")


if __name__ == "__main__":
    main()
