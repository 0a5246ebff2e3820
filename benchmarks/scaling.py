"""Time of a training step against batch size, channels, depth and threads, and of graphs up to 100,000 nodes.

python -m benchmarks.scaling [--peers ours torch-eager torch-channels-last] [--seconds 0.5]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import machine, peers, pictures, results
from benchmarks.peers import OURS, PEERS
from benchmarks.pictures import Panel
from benchmarks.processes import LeftOut, Worker
from benchmarks.rounds import Measure, in_turn
from benchmarks.step import measure, started
from benchmarks.tables import short, table
from benchmarks.workloads import named

SIZES = {
    "batch": (1, 4, 16, 64, 256),
    "channels": (4, 8, 16, 32, 64, 128),
    "depth": (1, 2, 4, 8, 16, 32),
}
NODES = (100, 1_000, 10_000, 100_000)
ON_THREADS = "vgg_cifar"
TITLES = {
    "batch": "lenet, by batch size",
    "channels": "two 3x3 convolutions, by channels",
    "depth": "3x3 convolutions of 16 channels, by number",
    "threads": f"{ON_THREADS}, by threads",
    "nodes": "a chain of products, by number",
}
Points = dict[str, list[tuple[int, float]]]  # by title of the peer: size and milliseconds


def by_size(names: Sequence[str], threads: int, seconds: float, folder: Path) -> dict[str, Points]:
    found: dict[str, Points] = {}
    with started(names, threads) as (workers, _):
        for family, sizes in SIZES.items():
            found[family] = {PEERS[name].title: [] for name in workers}
            for size in sizes:
                times = measure(named(f"{family}:{size}"), workers, seconds, folder).times
                for name, time in times.items():
                    found[family][PEERS[name].title].append((size, time.median))
    return found


def by_threads(names: Sequence[str], most: int, seconds: float, folder: Path) -> Points:
    found: Points = {}
    for threads in range(1, most + 1):
        with started(names, threads) as (workers, _):
            for name, time in measure(named(ON_THREADS), workers, seconds, folder).times.items():
                found.setdefault(PEERS[name].title, []).append((threads, time.median))
    return found


def by_nodes(names: Sequence[str], seconds: float) -> Points:
    """Building a graph of that many nodes and going back through it. Raises: SystemExit where the gradients differ."""
    frameworks = {PEERS[OURS].title: "tinygrad_cnn"} if OURS in names else {}
    frameworks |= {PEERS["torch-eager"].title: "torch"} if any(name.startswith("torch") for name in names) else {}
    workers: dict[str, Worker] = {}
    try:
        for title, module in frameworks.items():
            try:
                workers[title] = Worker("benchmarks.graphs:Graphs", machine.thread_environment(1), peer=module)
            except LeftOut as reason:
                print(f"left out: {title}: {reason}")
        found: Points = {title: [] for title in workers}
        for nodes in NODES:
            gradients = {title: worker.call("gradient", nodes) for title, worker in workers.items()}
            if max(gradients.values()) - min(gradients.values()) > 1e-4 * max(gradients.values()):
                raise SystemExit(f"a chain of {nodes}: the gradients differ: {gradients}")
            measures: dict[str, Measure] = {
                title: partial(worker.call, "measure", nodes) for title, worker in workers.items()
            }
            for title, time in in_turn(measures, seconds, rounds=3).items():
                found[title].append((nodes, time.median))
    finally:
        for worker in workers.values():
            worker.close()
    return found


def shown(found: Mapping[str, Points]) -> str:
    lines = []
    titles = list(dict.fromkeys(title for points in found.values() for title in points))
    for kind, points in found.items():
        for place, (size, _) in enumerate(next(iter(points.values()))):
            times = [points[title][place][1] if title in points else None for title in titles]
            lines.append([f"{kind} {size:,}", *("-" if time is None else short(time) for time in times)])
    return table(["ms", *titles], lines)


def picture(found: Mapping[str, Points]) -> Any:
    panels = [Panel(TITLES[kind], kind, "ms", points) for kind, points in found.items()]
    return pictures.draw_lines("Time of one training step, and of a graph built and gone back through", panels)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = results.options(__doc__)
    default = [OURS, "torch-eager", "torch-channels-last"]
    parser.add_argument("--peers", nargs="+", default=default, help=f"of {', '.join(PEERS)}")
    parser.add_argument("--seconds", type=float, default=0.5, help="per peer and size (default: 0.5)")
    options = parser.parse_args(arguments)
    names = peers.chosen(options.peers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = by_size(names, options.threads, options.seconds, folder)
        found["threads"] = by_threads(names, max(options.threads, os.cpu_count() or 1), options.seconds, folder)
    found["nodes"] = by_nodes(names, options.seconds)
    print(shown(found))
    results.write(options, "scaling", {"ms": found}, lambda: picture(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
