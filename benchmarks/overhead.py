"""What the framework costs beside arithmetic: an operation on a tiny tensor, the import, the size on the disk.

A chain of 1,000 operations on 3 elements runs forward and backward, and the best of many runs counts: nothing is left
to measure but the engine. PyTorch, where installed, goes through the same chains, in turn. Imports run in fresh
processes, and their median counts. The size is that of the distribution's files, with all that it requires.

    python -m benchmarks.overhead [--out FOLDER]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import installed, machine, pictures, results
from benchmarks.processes import LeftOut, Worker
from benchmarks.tables import short, table

LENGTH = 1000
RUNS = 20
ROUNDS = 4
IMPORTS = 5
IMPORT_LIMIT = 0.15  # seconds
OURS = "tinygrad_cnn"
FRAMEWORKS = {OURS: "tinygrad_cnn", "PyTorch": "torch"}
IMPORTED = {OURS: "tinygrad_cnn", "NumPy": "numpy", "Numba": "numba", "PyTorch": "torch"}
SIZED = {OURS: ["tinygrad-cnn"], "NumPy": ["numpy"], f"{OURS}[fast]": ["tinygrad-cnn", "numba"], "PyTorch": ["torch"]}

NEEDED = {f"{OURS}[fast]": "Numba"}  # what must be there for its size to be measured, if not itself

# name -> one step of the chain, from y, a leaf and the relu of the framework
Step = Callable[[Any, Any, Any], Any]
CHAINS: dict[str, Step] = {
    "y * 1.0001": lambda y, leaf, relu: y * 1.0001,
    "y + leaf": lambda y, leaf, relu: y + leaf,
    "relu(y)": lambda y, leaf, relu: relu(y),
    "y * leaf": lambda y, leaf, relu: y * leaf,
    "y * y": lambda y, leaf, relu: y * y,
}


class Chains:
    """Lives in a process of its own. module: `tinygrad_cnn` or `torch`."""

    def __init__(self, module: str) -> None:
        try:
            self.framework: Any = import_module(module)
        except ImportError as error:
            raise LeftOut(f"not installed: {error}") from error

    def measure(self, chain: str, length: int, runs: int) -> tuple[float, float]:
        """Microseconds per operation, forward and backward, each the best of the runs."""
        step, relu, numbers = CHAINS[chain], self.framework.relu, np.ones(3, np.float32)
        ones = self.framework.tensor(numbers)
        forward = backward = np.inf
        for _ in range(runs):
            x, other = (self.framework.tensor(numbers, requires_grad=True) for _ in range(2))
            start = perf_counter()
            y = x
            for _ in range(length):
                y = step(y, other, relu)
            middle = perf_counter()
            with np.errstate(over="ignore"):  # the derivative of y * y, a thousand times over
                y.backward(ones)
            end = perf_counter()
            forward, backward = min(forward, middle - start), min(backward, end - middle)
        return 1e6 * forward / length, 1e6 * backward / length


def operations(length: int, runs: int, rounds: int) -> dict[str, dict[str, tuple[float, float]]]:
    """By framework and chain: microseconds per operation, forward and backward."""
    found: dict[str, dict[str, tuple[float, float]]] = {}
    with ExitStack() as stack:
        workers = {}
        for name, module in FRAMEWORKS.items():
            try:
                worker = Worker("benchmarks.overhead:Chains", machine.thread_environment(1), module=module)
            except LeftOut as reason:
                print(f"left out: {name}: {reason}")
            else:
                workers[name] = stack.enter_context(worker)
                found[name] = dict.fromkeys(CHAINS, (np.inf, np.inf))
        for _ in range(rounds):
            for chain in CHAINS:
                for name, worker in workers.items():
                    now, best = worker.call("measure", chain, length, runs), found[name][chain]
                    found[name][chain] = (min(now[0], best[0]), min(now[1], best[1]))
    return found


def shown(
    chains: Mapping[str, Mapping[str, tuple[float, float]]], imports: Mapping[str, float], sizes: Mapping[str, int]
) -> str:
    names = list(dict.fromkeys([*chains, *imports, *sizes]))
    lines = []
    for chain in CHAINS:
        cells = [" / ".join(f"{us:.2f}" for us in chains[name][chain]) if name in chains else "-" for name in names]
        lines.append([f"{chain}, us forward / backward", *cells])
    seconds = [f"{imports[name]:.3f}" if name in imports else "-" for name in names]
    lines.append([f"import, s (ours at most {IMPORT_LIMIT})", *seconds])
    lines.append(["size on disk, MB", *(short(sizes[name] / 1e6) if name in sizes else "-" for name in names)])
    return table(["", *names], lines)


def picture(
    chains: Mapping[str, Mapping[str, tuple[float, float]]], imports: Mapping[str, float], sizes: Mapping[str, int]
) -> Any:
    """Everything on one logarithmic axis; each row says its unit."""
    rows = {
        f"{chain}, {way}, us": {name: found[chain][place] for name, found in chains.items()}
        for chain in CHAINS
        for place, way in enumerate(("forward", "backward"))
    }
    rows["import, s"] = dict(imports)
    rows["size on disk, GB"] = {name: size / 1e9 for name, size in sizes.items()}
    limits = {"import, s": IMPORT_LIMIT}
    dots = pictures.Dots("What there is to pay beside arithmetic", "us, s or GB", rows, limits, "at most, ours")
    return pictures.draw_dots(dots)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = results.options(__doc__, threads=False)
    parser.add_argument("--length", type=int, default=LENGTH, help="of a chain (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each chain in a round (default: %(default)s)")
    parser.add_argument("--imports", type=int, default=IMPORTS, help="of each package (default: %(default)s)")
    options = parser.parse_args(arguments)
    chains = operations(options.length, options.runs, ROUNDS)
    times = installed.import_times(list(IMPORTED.values()), options.imports)
    imports = {name: times[module] for name, module in IMPORTED.items() if module in times}
    sizes = installed.sizes({name: packages for name, packages in SIZED.items() if NEEDED.get(name, name) in imports})
    print(shown(chains, imports, sizes))
    found = {"us per operation": chains, "import s": imports, "bytes": sizes}
    results.write(options, "overhead", found, lambda: picture(chains, imports, sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
