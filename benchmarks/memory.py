"""Peak resident memory of training each workload, ours beside PyTorch: a process for each, the peak of its whole life.

What the process holds after importing its framework is shown beside it, and the difference: what training takes.

    python -m benchmarks.memory [--workloads seven] [--peers ours torch-eager torch-channels-last] [--steps 20]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine, peers, pictures, results
from benchmarks.peers import OURS, PEERS, TORCH
from benchmarks.processes import LeftOut, Worker
from benchmarks.step import check_losses, saved
from benchmarks.tables import short, table
from benchmarks.workloads import Workload, chosen

PEER_NAMES = [OURS, "torch-eager", "torch-channels-last"]


@dataclass(frozen=True)
class Memory:
    """In MB (10^6 bytes): after the import of the framework, and at the peak."""

    imported: float
    peak: float

    @property
    def training(self) -> float:
        return self.peak - self.imported


@dataclass
class Row:
    """What was measured of one workload, by peer."""

    workload: Workload
    memory: dict[str, Memory]
    left_out: dict[str, str]

    def ratio(self, measure: str) -> float | None:
        """Ours to the smallest of PyTorch's. measure: `peak` or `training`."""
        others = [getattr(self.memory[peer], measure) for peer in TORCH if peer in self.memory]
        return getattr(self.memory[OURS], measure) / min(others) if others and OURS in self.memory else None


def measure(workload: Workload, names: Sequence[str], steps: int, threads: int, folder: Path) -> Row:
    path, row, losses = str(saved(workload, folder)), Row(workload, {}, {}), {}
    for name in names:
        environment = {**machine.thread_environment(threads), **PEERS[name].environment}
        try:
            with Worker("benchmarks.stepping:Stepping", environment, peer=name) as worker:
                imported = worker.call("peak_memory")
                losses[name] = worker.call("build", workload.name, path)
                worker.call("repeat", steps)
                row.memory[name] = Memory(imported / 1e6, worker.call("peak_memory") / 1e6)
        except LeftOut as reason:
            row.left_out[name] = str(reason)
    check_losses(workload.name, losses)
    return row


def shown(rows: Sequence[Row], names: Sequence[str]) -> str:
    lines = []
    for row in rows:
        found = [row.memory.get(name) for name in names]
        cells = [f"{short(m.imported)} -> {short(m.peak)}, {short(m.training)} more" if m else "-" for m in found]
        ratios = [row.ratio("peak"), row.ratio("training")]
        lines.append([row.workload.name, *cells, *("-" if ratio is None else f"{ratio:.2f}" for ratio in ratios)])
    head = ["MB: imported -> peak", *(PEERS[name].title for name in names), "peak, ratio", "training, ratio"]
    return table(head, lines)


def picture(rows: Sequence[Row]) -> Any:
    dots = pictures.Dots(
        title="Peak resident memory of training",
        x="MB",
        rows={
            f"{row.workload.name}{label}": {
                PEERS[name].title: getattr(memory, measure) for name, memory in row.memory.items()
            }
            for measure, label in (("peak", ""), ("training", ", without the import"))
            for row in rows
        },
        logarithmic=False,
    )
    return pictures.draw_dots(dots)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = results.options(__doc__)
    parser.add_argument("--workloads", nargs="+", default=["seven"], help="names, `seven` or `variants`")
    parser.add_argument("--peers", nargs="+", default=PEER_NAMES, help=f"of {', '.join(PEERS)}")
    parser.add_argument("--steps", type=int, default=20, help="of training (default: 20)")
    options = parser.parse_args(arguments)
    names = peers.chosen(options.peers)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(workload, names, options.steps, options.threads, Path(folder))
            for workload in chosen(options.workloads)
        ]
    for row in rows:
        for name, reason in row.left_out.items():
            print(f"left out: {PEERS[name].title} in {row.workload.name}: {reason}")
    print(shown(rows, [name for name in names if any(name in row.memory for row in rows)]))
    found = {
        row.workload.name: {
            "MB": {name: asdict(memory) for name, memory in row.memory.items()},
            "ratio of peaks": row.ratio("peak"),
            "ratio without the import": row.ratio("training"),
            "left out": row.left_out,
        }
        for row in rows
    }
    results.write(options, "memory", {"steps": options.steps, "workloads": found}, lambda: picture(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
