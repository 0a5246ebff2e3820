"""Each operation on shapes of the seven workloads, beside PyTorch and beside what the machine can do at most.

Both sides run on images in either memory order (NCHW and channels-last) and the faster one counts. 3x3 convolutions are
measured a second time with Winograd's algorithm switched off. Results are compared before anything is timed.

    python -m benchmarks.ops [--only conv2d max_pool2d ...] [--seconds 0.3]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import geometric_mean
from typing import Any

import numpy as np

from benchmarks import ceilings, machine, pictures, results
from benchmarks.operations import Case, all_cases
from benchmarks.processes import LeftOut, Worker
from benchmarks.rounds import Measure, Times, in_turn, warn_of_others
from benchmarks.tables import short, table

TOLERANCE = 1e-4  # of the norm of a result
DIRECT_LIMIT = 80  # percent of the FMA ceiling, at least, for wide layers
WINOGRAD_LIMIT = 0.6  # of PyTorch's time, at most, for wide layers
OURS, DIRECT, TORCH = "tinygrad_cnn", "tinygrad_cnn, direct", "PyTorch"
SIDES: dict[str, dict[str, Any]] = {
    OURS: {"module": "ours_operations", "options": {}},
    DIRECT: {"module": "ours_operations", "options": {"winograd": False}},
    TORCH: {"module": "torch_operations", "options": {}},
}


@dataclass
class Row:
    """The best variant of each side, its median in ms, and GFLOP/s of the ceiling in the same rounds."""

    case: Case
    ms: dict[str, float]
    variant: dict[str, str]
    ceiling: float | None
    times: dict[tuple[str, str], Times]

    def ratio(self, side: str) -> float | None:
        return self.ms[side] / self.ms[TORCH] if TORCH in self.ms and side in self.ms else None


def check_results(case: Case, found: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Raises: SystemExit where two sides or variants differ."""
    prints = np.array([values for variants in found.values() for values in variants.values()])
    norm = prints[:, 0].max()
    if not np.isfinite(prints).all() or np.ptp(prints, axis=0).max() > TOLERANCE * norm:
        raise SystemExit(f"{case.name}: the results differ (norm, and product with a fixed vector): {found}")


def measure(case: Case, workers: Mapping[str, Worker], fma: Measure | None, flops: float, seconds: float) -> Row:
    """fma: what takes that many flops at the ceiling; it takes its turn beside each operation that counts flops."""
    sides = [side for side in workers if side != DIRECT or case.by_winograd]
    found = {side: workers[side].call("build", case.name) for side in sides}
    check_results(case, found)
    measures: dict[tuple[str, str], Measure] = {
        (side, variant): partial(workers[side].call, "measure", variant) for side in sides for variant in found[side]
    }
    if fma and case.flops:
        measures["ceiling", ""] = fma
    times = in_turn(measures, seconds)
    ceiling = flops / times["ceiling", ""].median / 1e6 if ("ceiling", "") in times else None
    best = {side: min(found[side], key=lambda variant: times[side, variant].median) for side in sides}
    return Row(case, {side: times[side, best[side]].median for side in sides}, best, ceiling, times)


# ---- what is shown


def lines(row: Row) -> list[list[str]]:
    """A line for our kernel, and one for the direct algorithm where Winograd's may have run."""
    case, made = row.case, []
    for side in (side for side in (OURS, DIRECT) if side in row.ms):
        ms, ratio = row.ms[side], row.ratio(side)
        percent = case.flops / ms / 1e4 / row.ceiling if row.ceiling else None
        limit = WINOGRAD_LIMIT if case.is_wide and case.by_winograd and side == OURS else None
        least = DIRECT_LIMIT if case.is_wide and (side == DIRECT or not case.by_winograd) else None
        made.append(
            [
                case.name + (", direct" if side == DIRECT else ""),
                short(ms),
                short(row.ms[TORCH]) if TORCH in row.ms else "-",
                "-" if ratio is None else f"{ratio:.2f}" + marked(limit, ratio > (limit or 0), "at most", "above"),
                f"{case.flops / ms / 1e6:.0f}" if case.flops else "-",
                "-"
                if percent is None
                else f"{percent:.0f}" + marked(least, percent < (least or 0), "at least", "below"),
                f"{4 * case.floats / ms / 1e6:.1f}",
            ]
        )
    return made


def marked(limit: float | None, failed: bool, words: str, mark: str) -> str:
    return "" if limit is None else f" ({words} {limit:g}{f', {mark}' * failed})"


def picture(rows: Sequence[Row]) -> Any:
    sides = {row.case.name: {side: row.ratio(side) for side in (OURS, DIRECT)} for row in rows}
    dots = pictures.Dots(
        title="Time of single operations beside PyTorch's, two marks where Winograd's algorithm may run",
        x="multiple of PyTorch's time",
        rows={name: {side: ratio for side, ratio in found.items() if ratio} for name, found in sides.items()},
        limits={row.case.name: WINOGRAD_LIMIT for row in rows if row.case.is_wide and row.case.by_winograd},
        limit="at most, Winograd",
        reference=1,
    )
    return pictures.draw_dots(dots)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = results.options(__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="what names of operations begin with (default: all)")
    parser.add_argument(
        "--seconds", type=float, default=0.3, help="per operation, side and memory order (default: 0.3)"
    )
    options = parser.parse_args(arguments)
    cases = [case for case in all_cases().values() if not options.only or case.name.startswith(tuple(options.only))]
    environment = machine.thread_environment(options.threads)
    with ExitStack() as stack:
        workers = {}
        for side, service in SIDES.items():
            try:
                worker = Worker("benchmarks.operating:Operating", environment, **service)
            except LeftOut as reason:
                print(f"left out: {side}: {reason}")
            else:
                workers[side] = stack.enter_context(worker)
        measures, amounts = stack.enter_context(ceilings.started(options.threads))
        copied = amounts["copy"] / in_turn({"copy": measures["copy"]}, 5 * options.seconds)["copy"].best / 1e6
        fma, flops = measures.get("fma"), amounts.get("fma", 0)
        rows = [measure(case, workers, fma, flops, options.seconds) for case in cases]
    head = ["operation", "ours ms", "PyTorch ms", "ratio", "GFLOP/s", "% of ceiling", "GB/s"]
    print(table(head, [line for row in rows for line in lines(row)]))
    found_ceilings = [row.ceiling for row in rows if row.ceiling]
    multiplied = max(found_ceilings, default=None)
    if multiplied:
        print(f"ceiling: {min(found_ceilings):.0f} to {multiplied:.0f} GFLOP/s of multiply-adds, measured in every row")
    print(f"ceiling: {copied:.1f} GB/s of copying")
    warn_of_others(times for row in rows for times in row.times.values())
    ratios = [ratio for row in rows if (ratio := row.ratio(OURS)) is not None]
    if ratios:
        print(f"geometric mean of {len(ratios)} ratios: {geometric_mean(ratios):.2f}")
    found = {
        "ceilings": {"GFLOP/s": multiplied, "GB/s": copied},
        "operations": {
            row.case.name: {
                "ms": row.ms,
                "variant": row.variant,
                "flops": row.case.flops,
                "floats": row.case.floats,
                "ceiling GFLOP/s": row.ceiling,
            }
            for row in rows
        },
    }
    results.write(options, "ops", found, lambda: picture(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
