"""What the machine can do at most: multiply-adds from registers, and copying memory, on all threads.

python -m benchmarks.ceilings [--threads 2]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks import machine, results
from benchmarks.processes import Worker
from benchmarks.rounds import Measure, in_turn, repeat

CHAINS = 12  # independent sums: more than the latency of an FMA times the units that compute them
FMA_STEPS = 2_000_000
COPIED = 1 << 28  # bytes, far more than the caches hold


class Ceilings:
    """Keeps all threads busy with one or the other, in a process of its own."""

    def __init__(self, threads: int, copied: int) -> None:
        self.threads = threads
        self.copied = copied
        self.pool = ThreadPoolExecutor(threads)
        source = np.ones(copied // 4, np.float32)
        target = np.zeros_like(source)
        self.parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
        self.works: dict[str, Callable[[], None]] = {"copy": self.copy}
        try:
            self.lanes, self.chains = fma_chains()
        except ImportError:
            return
        self.works["fma"] = self.multiply_add

    def amounts(self) -> dict[str, float]:
        """Of one call: float32 operations, two for a multiply-add; bytes, read and written. FMAs need Numba."""
        copied = {"copy": 2.0 * self.copied}
        return copied | ({"fma": 2.0 * self.lanes * CHAINS * FMA_STEPS * self.threads} if "fma" in self.works else {})

    def measure(self, name: str, seconds: float) -> list[float]:
        return repeat(self.works[name], seconds)

    def copy(self) -> None:
        list(self.pool.map(lambda part: np.copyto(*part), self.parts))

    def multiply_add(self) -> None:
        list(self.pool.map(self.chains, [FMA_STEPS] * self.threads, [0.5] * self.threads))


def fma_chains() -> tuple[int, Any]:
    """Lanes of a vector, and a compiled function of (steps, factor) that runs CHAINS sums a <- a f + f in registers."""
    numba: Any = import_module("numba")
    extending: Any = import_module("numba.extending")
    cgutils: Any = import_module("numba.core.cgutils")
    types: Any = import_module("numba.core.types")
    ir: Any = import_module("llvmlite.ir")
    lanes = vector_lanes()

    def sums(context: Any, steps: Any, factor: Any) -> Any:
        signature = types.float32(types.int64, types.float32)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            count, number = arguments
            vector, place = ir.VectorType(ir.FloatType(), lanes), ir.IntType(32)
            of_vectors = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, of_vectors, f"llvm.fma.v{lanes}f32")
            single = builder.insert_element(ir.Constant(vector, ir.Undefined), number, place(0))
            factors = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(place, lanes), [0] * lanes))
            starts = [ir.Constant(vector, [float(chain)] * lanes) for chain in range(CHAINS)]
            chains = [cgutils.alloca_once_value(builder, start) for start in starts]
            with cgutils.for_range(builder, count):
                for chain in chains:
                    builder.store(builder.call(fma, [builder.load(chain), factors, factors]), chain)
            total = builder.load(chains[0])
            for chain in chains[1:]:
                total = builder.fadd(total, builder.load(chain))
            return builder.extract_element(total, place(0))

        return signature, generate

    chains = extending.intrinsic(sums)
    return lanes, numba.njit(nogil=True)(lambda steps, factor: chains(steps, factor))


def vector_lanes() -> int:
    """How many float32 the widest vector of this processor holds."""
    features = import_module("llvmlite.binding").get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("fma") else 4


@contextmanager
def started(threads: int) -> Iterator[tuple[dict[str, Measure], dict[str, float]]]:
    """By name `fma`, where Numba is installed, and `copy`: what measures it in milliseconds, and the amount of work."""
    environment = machine.thread_environment(threads)
    with Worker("benchmarks.ceilings:Ceilings", environment, threads=threads, copied=COPIED) as worker:
        amounts = worker.call("amounts")
        yield {name: partial(worker.call, "measure", name) for name in amounts}, amounts


def main(arguments: Sequence[str] | None = None) -> int:
    threads = results.options(__doc__).parse_args(arguments).threads
    with started(threads) as (measures, amounts):
        best = {name: amounts[name] / times.best / 1e6 for name, times in in_turn(measures, seconds=2).items()}
    if "fma" in best:
        print(f"float32 multiply-adds: {best['fma']:.0f} GFLOP/s on {threads} threads")
    print(f"copy: {best['copy']:.1f} GB/s on {threads} threads, reading and writing counted both")
    return 0


if __name__ == "__main__":
    sys.exit(main())
