"""A whole training on MNIST: 60,000 images, lenet, one epoch of batches of 128, SGD with momentum.

Loading of batches and logging are part of it, evaluation is not. Ours takes batches from its own loader, PyTorch takes
them from Tensors by index; both see the same images in the same order from the same weights, a process each, in turn.
Losses that differ end the run.

    python -m benchmarks.mnist --data-dir FOLDER [--rounds 3]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from math import isfinite
from statistics import mean, median
from typing import Any

from benchmarks import machine, pictures, results
from benchmarks.load import Load
from benchmarks.peers import OURS, PEERS, TORCH
from benchmarks.processes import LeftOut, Worker
from benchmarks.rounds import QUIET
from benchmarks.step import check_losses
from benchmarks.tables import short, table

NAMES = (OURS, "torch-eager", "torch-channels-last")
LIMIT = 0.8  # of the time of the faster PyTorch
FIRST = 3  # losses that agree as those of single steps do; later ones drift apart, as sums in another order do
DRIFT = 0.05  # of the mean loss, relative
TRAIN, TEST = 60_000, 10_000
Runs = dict[str, list[dict[str, Any]]]  # by peer, one for each round


def trained(workers: Mapping[str, Worker], rounds: int) -> Runs:
    """Every round has an order of its own. Raises: SystemExit where the losses of two peers differ."""
    runs: Runs = {name: [] for name in workers}
    for seed in range(rounds):
        for name, worker in workers.items():
            load = Load()
            runs[name].append({**worker.call("run", seed), "others": load.of_others()})
        now = {name: found[-1]["losses"] for name, found in runs.items()}
        check_losses("mnist", {name: losses[:FIRST] for name, losses in now.items()})
        means = {name: mean(losses) for name, losses in now.items()}
        if not all(map(isfinite, means.values())) or max(means.values()) > (1 + DRIFT) * min(means.values()):
            raise SystemExit(f"mnist: the mean losses of the epoch differ: {means}")
    return runs


def seconds_of(runs: Runs) -> dict[str, float]:
    return {name: median(run["seconds"] for run in found) for name, found in runs.items()}


def ratio(runs: Runs) -> float | None:
    """Our time to that of the faster PyTorch."""
    seconds = seconds_of(runs)
    others = [seconds[name] for name in TORCH if name in seconds]
    return seconds[OURS] / min(others) if others and OURS in seconds else None


def shown(runs: Runs, starts: Mapping[str, float]) -> str:
    seconds = seconds_of(runs)
    lines = [
        [
            PEERS[name].title,
            f"{short(seconds[name])} ({short(min(run['seconds'] for run in found))})",
            f"{starts[name]:.2f}",
            f"{mean(found[-1]['losses']):.4f}",
            f"{found[-1]['accuracy']:.2%}",
        ]
        for name, found in runs.items()
    ]
    return table(["one epoch", "seconds: median (best)", "import and first step", "mean loss", "test accuracy"], lines)


def picture(runs: Runs) -> Any:
    """The seconds of every round, as multiples of the faster PyTorch's median, or in seconds without it."""
    seconds = seconds_of(runs)
    others = [seconds[name] for name in TORCH if name in seconds]
    rows = {
        f"round {place + 1}": {PEERS[name].title: found[place]["seconds"] for name, found in runs.items()}
        for place in range(len(next(iter(runs.values()))))
    }
    limits = dict.fromkeys(rows, LIMIT * min(others)) if others else {}
    title = "One epoch of lenet on MNIST"
    dots = pictures.Dots(title, "seconds", rows, limits, f"{LIMIT:g} of PyTorch's median", logarithmic=False)
    return pictures.draw_dots(dots)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = results.options(__doc__)
    parser.add_argument("--data-dir", required=True, help="the folder of the four IDX files")
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each peer (default: %(default)s)")
    parser.add_argument("--train", type=int, default=TRAIN, help="images (default: %(default)s)")
    parser.add_argument("--test", type=int, default=TEST, help="images (default: %(default)s)")
    parser.add_argument("--peers", nargs="+", choices=NAMES, default=NAMES, help="default: all")
    options = parser.parse_args(arguments)
    environment = machine.thread_environment(options.threads)
    settings = {"data_dir": options.data_dir, "train": options.train, "test": options.test}
    with ExitStack() as stack:
        workers = {}
        for name in options.peers:
            try:
                worker = Worker("benchmarks.epochs:Epochs", environment, peer=name, **settings)
            except LeftOut as reason:
                print(f"left out: {PEERS[name].title}: {reason}")
            else:
                workers[name] = stack.enter_context(worker)
        starts = {name: worker.call("start_up") for name, worker in workers.items()}
        runs = trained(workers, options.rounds)
    print(shown(runs, starts))
    others = max((run["others"] or 0.0 for found in runs.values() for run in found), default=0.0)
    if others > QUIET:
        print(f"warning: other programs kept {others:.1f} cores busy beside some epochs")
    found = ratio(runs)
    if found is not None:
        print(f"ours / faster PyTorch: {found:.2f} (at most {LIMIT:g})")
    figures = {"runs": runs, "seconds": seconds_of(runs), "start-up seconds": starts, "ratio": found}
    results.write(options, "mnist", figures, lambda: picture(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
