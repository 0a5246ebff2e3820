"""One training step (zero_grad, forward, cross entropy, backward, SGD) of every workload in every framework.

Each framework has a process of its own; all measure in turn, a fraction of a second each. They start from the same
numbers, and before anything is timed the losses of three steps are compared: those that differ end the run.

    python -m benchmarks.step [--workloads seven variants lenet ...] [--peers ours torch jax ...] [--seconds 2]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import numpy as np

from benchmarks import machine, peers, pictures, results
from benchmarks.peers import OURS, PEERS, TORCH
from benchmarks.processes import LeftOut, Worker
from benchmarks.rounds import Times, in_turn, warn_of_others
from benchmarks.stepping import LOSSES
from benchmarks.tables import short, table
from benchmarks.workloads import MEAN_CAP, SEVEN, Workload, arrays, chosen

TOLERANCE = 1e-3  # relative; float32 sums in another order differ by less


@dataclass
class Row:
    """What was measured of one workload, by peer."""

    workload: Workload
    losses: dict[str, list[float]] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def best_torch(self) -> str | None:
        variants = [peer for peer in TORCH if peer in self.times]
        return min(variants, key=lambda peer: self.times[peer].median, default=None)

    def ratio(self, peer: str) -> float | None:
        """The peer's median over that of the best PyTorch variant."""
        if self.best_torch is None or peer not in self.times:
            return None
        return self.times[peer].median / self.times[self.best_torch].median


def check_losses(name: str, losses: Mapping[str, Sequence[float]]) -> None:
    """Raises: SystemExit where two peers differ, or a loss is not finite."""
    for values in zip(*losses.values(), strict=True):
        low, high = min(values), max(values)
        if not all(map(isfinite, values)) or high - low > TOLERANCE * max(abs(low), abs(high)):
            listing = "\n".join(f"  {peer}: {', '.join(map(str, found))}" for peer, found in losses.items())
            raise SystemExit(f"{name}: the losses of the first {LOSSES} steps differ:\n{listing}")


@contextmanager
def started(names: Sequence[str], threads: int) -> Iterator[tuple[dict[str, Worker], dict[str, str]]]:
    """The peers' processes, and why some are left out."""
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {}
        for name in names:
            environment = {**machine.thread_environment(threads), **PEERS[name].environment}
            try:
                worker = Worker("benchmarks.stepping:Stepping", environment, peer=name)
            except LeftOut as reason:
                left_out[name] = str(reason)
            else:
                workers[name] = stack.enter_context(worker)
        yield workers, left_out


def saved(workload: Workload, folder: Path) -> Path:
    """The file of the numbers that all peers start from."""
    from benchmarks.peers.ours import parameter_shapes

    path = folder / f"{workload.name.replace(':', '_')}.npz"
    np.savez(path, **arrays(workload, parameter_shapes(workload)))  # type: ignore[arg-type]
    return path


def measure(workload: Workload, workers: Mapping[str, Worker], seconds: float, folder: Path) -> Row:
    path, row = str(saved(workload, folder)), Row(workload)
    for name, worker in workers.items():
        try:
            row.losses[name] = worker.call("build", workload.name, path)
        except LeftOut as reason:
            row.left_out[name] = str(reason)
    check_losses(workload.name, row.losses)
    row.times = in_turn({name: partial(workers[name].call, "measure") for name in row.losses}, seconds)
    return row


# ---- what is shown


def mean_ratio(rows: Sequence[Row], peer: str) -> float | None:
    """The geometric mean of a peer's ratios; None where a workload has none."""
    ratios = [row.ratio(peer) for row in rows]
    found = [ratio for ratio in ratios if ratio is not None]
    return geometric_mean(found) if found and len(found) == len(ratios) else None


def shown(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Medians in milliseconds, the best in brackets, and our ratio to the best PyTorch variant."""
    lines = []
    for row in rows:
        cells = [f"{row.workload.name} ({row.workload.batch})"]
        for name in names:
            times = row.times.get(name)
            cells.append(f"{short(times.median)} ({short(times.best)})" if times else "-")
        lines.append([*cells, verdict(row.ratio(OURS), row.workload.cap)])
    mean = mean_ratio(rows, OURS)
    if mean is not None and len(rows) > 1:
        blank = [""] * len(names)
        cap = MEAN_CAP if [row.workload for row in rows] == list(SEVEN) else None
        lines.append(["geometric mean", *blank, verdict(mean, cap)])
    head = ["ms per step: median (best)", *(PEERS[name].title for name in names), "ours / best PyTorch"]
    return table(head, lines)


def verdict(ratio: float | None, cap: float | None) -> str:
    if ratio is None:
        return "-"
    above = " above" if cap is not None and ratio > cap else ""
    return f"{ratio:.2f}" + (f" (at most {cap:.2g}{above})" if cap is not None else "")


def figures(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Any]:
    return {
        "workloads": {
            row.workload.name: {
                "batch": row.workload.batch,
                "cap": row.workload.cap,
                "losses": row.losses,
                "ms": {name: asdict(times) for name, times in row.times.items()},
                "best PyTorch": row.best_torch,
                "ratios": {name: row.ratio(name) for name in row.times},
                "left out": row.left_out,
            }
            for row in rows
        },
        "geometric means": {name: mean_ratio(rows, name) for name in names},
    }


def picture(rows: Sequence[Row]) -> Any:
    """Medians, as multiples of the best PyTorch variant's; in milliseconds where PyTorch is missing."""
    scales = {row.workload.name: row.times[row.best_torch].median if row.best_torch else None for row in rows}
    relative = None not in scales.values()
    dots = pictures.Dots(
        title="One training step, median time",
        x="multiple of the best PyTorch variant's time" if relative else "ms",
        rows={
            row.workload.name: {
                PEERS[name].title: times.median / (scales[row.workload.name] or 1) if relative else times.median
                for name, times in row.times.items()
            }
            for row in rows
        },
        limits={row.workload.name: row.workload.cap for row in rows if row.workload.cap} if relative else {},
        limit="at most, ours",
        reference=1 if relative else None,
    )
    return pictures.draw_dots(dots)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = results.options(__doc__)
    parser.add_argument("--workloads", nargs="+", default=["seven"], help="names, `seven` or `variants`")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), help=f"of {', '.join(PEERS)}; `torch` is all three")
    parser.add_argument("--seconds", type=float, default=2.0, help="per peer and workload (default: 2)")
    options = parser.parse_args(arguments)
    workloads, names = chosen(options.workloads), peers.chosen(options.peers)
    with started(names, options.threads) as (workers, missing), tempfile.TemporaryDirectory() as folder:
        for name, reason in missing.items():
            print(f"left out: {PEERS[name].title}: {reason}")
        versions = {name: worker.call("versions") for name, worker in workers.items()}
        rows = [measure(workload, workers, options.seconds, Path(folder)) for workload in workloads]
    for row in rows:
        for name, reason in row.left_out.items():
            print(f"left out: {PEERS[name].title} in {row.workload.name}: {reason}")
    measured = [name for name in names if any(name in row.times for row in rows)]
    print(shown(rows, measured))
    warn_of_others(times for row in rows for times in row.times.values())
    found = {"versions": versions, "left out": missing, "seconds": options.seconds, **figures(rows, measured)}
    results.write(options, "step", found, lambda: picture(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
