"""The checker against `torch.autograd.gradcheck`, on the same planted faults and the same kinks.

Both judge the very same rules: each operation becomes a `torch.autograd.Function` whose forward, backward and double
backward hand the arrays to tinygrad_cnn and back.

    python -m benchmarks.gradcheck --out gradcheck.json
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.kink_cases import FUNCTIONS, cases
from tests.testing.planted_faults import FAMILIES
from tinygrad_cnn.testing import gradient_report
from tinygrad_cnn.testing.probes import Array, Probe

KINK_CASES = 120 * len(FUNCTIONS)


@dataclass
class Verdict:
    """What one checker said of one case. found: that a gradient is wrong."""

    found: bool
    message: str
    seconds: float


@dataclass
class Tally:
    """What one checker said of many cases."""

    caught: int = 0
    missed: list[str] = field(default_factory=list)
    named: int = 0
    false_alarms: list[str] = field(default_factory=list)
    right: int = 0
    seconds: float = 0.0

    def add(self, name: str, verdict: Verdict, faulty: bool, operation: str = "") -> None:
        self.seconds += verdict.seconds
        if not faulty:
            self.right += 1
            self.false_alarms += [name] if verdict.found else []
        elif verdict.found:
            self.caught += 1
            self.named += bool(operation) and operation in verdict.message
        else:
            self.missed.append(name)


# ---- the two checkers


def ours(function: Callable[..., Any], inputs: Sequence[Any], order: int) -> Verdict:
    start = perf_counter()
    report = gradient_report(function, inputs, order=order)
    return Verdict(not report.ok, str(report), perf_counter() - start)


def pytorchs(function: Callable[..., Any], inputs: Sequence[Any], order: int) -> Verdict:
    torch = importlib.import_module("torch")
    probe = Probe(function, inputs)
    apply = as_torch_function(probe).apply
    points = [torch.from_numpy(x.copy()).requires_grad_() for x in probe.point]
    start = perf_counter()
    message = ""
    try:
        torch.autograd.gradcheck(apply, points)
        if order == 2:
            torch.autograd.gradgradcheck(apply, points)
    except Exception as error:  # also what a rule raises
        message = str(error) or type(error).__name__
    return Verdict(message != "", message, perf_counter() - start)


def as_torch_function(probe: Probe) -> Any:
    """The probe's function as a torch.autograd.Function that can be differentiated twice; outputs are flat."""
    torch = importlib.import_module("torch")

    def arrays(tensors: Sequence[Any]) -> list[Array]:
        return [tensor.detach().numpy().copy() for tensor in tensors]

    class Gradient(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, g: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(g, *inputs)
            return tuple(map(torch.from_numpy, probe.at(arrays(inputs)).pull(g.detach().numpy())))

        @staticmethod
        def backward(ctx: Any, *u: Any) -> Any:
            g, *inputs = arrays(ctx.saved_tensors)
            return tuple(map(torch.from_numpy, second_pull(probe, inputs, g, arrays(u))))

    class Operation(torch.autograd.Function):  # type: ignore[name-defined,misc]
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Any:
            ctx.save_for_backward(*inputs)
            return torch.from_numpy(probe.evaluate(arrays(inputs)))

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return Gradient.apply(g, *ctx.saved_tensors)

    Operation.__name__ = Operation.__qualname__ = probe.name
    return Operation


def second_pull(probe: Probe, inputs: list[Array], g: Array, u: list[Array]) -> list[Array]:
    """The gradients of <gradient(g, inputs), u> in g and in the inputs."""
    tensors, outputs = probe.call(inputs, requires_grad=True)
    bounds = list(accumulate((output.numel() for output in outputs), initial=0))
    seeds = [
        tg.Tensor(g[start:stop].reshape(output.shape), requires_grad=True)
        for output, (start, stop) in zip(outputs, pairwise(bounds), strict=True)
    ]
    first = tg.grad(outputs, tensors, seeds, create_graph=True, allow_unused=True)
    pairs = [
        (gradient, v) for gradient, v in zip(first, u, strict=True) if gradient is not None and gradient.requires_grad
    ]
    wanted = [*seeds, *tensors]
    if pairs:
        found = tg.grad([gradient for gradient, _ in pairs], wanted, [v for _, v in pairs], allow_unused=True)
    else:
        found = (None,) * len(wanted)
    dense = [np.zeros(x.shape) if d is None else np.array(d.data) for d, x in zip(found, wanted, strict=True)]
    return [np.concatenate([d.reshape(-1) for d in dense[: len(seeds)]]), *dense[len(seeds) :]]


CHECKERS = {"tinygrad_cnn": ours, "torch.autograd.gradcheck": pytorchs}

# ---- the cases


def planted() -> dict[str, dict[str, Tally]]:
    """Tallies of the planted faults, and of the right operations, by family and checker."""
    tallies = {family: {name: Tally() for name in CHECKERS} for family in FAMILIES}
    for family, faults in FAMILIES.items():
        for fault in faults:
            for name, check in CHECKERS.items():
                tally = tallies[family][name]
                verdict = check(fault.faulty(), fault.inputs, fault.order)
                tally.add(fault.name, verdict, faulty=True, operation=fault.expected_operation())
                tally.add(fault.name, check(fault.right(), fault.inputs, fault.order), faulty=False)
    return tallies


def kinks(count: int) -> dict[str, dict[str, Tally]]:
    """Tallies of the kinks, by function and checker."""
    tallies = {function: {name: Tally() for name in CHECKERS} for function in FUNCTIONS}
    for case in cases(0, count):
        for name, check in CHECKERS.items():
            tally = tallies[case.name][name]
            tally.add(case.name, check(case.wrong, case.inputs, 1), faulty=True)
            tally.add(case.name, check(case.right, case.inputs, 1), faulty=False)
    return tallies


# ---- the tables


def total(tallies: dict[str, dict[str, Tally]], checker: str) -> Tally:
    result = Tally()
    for tally in (row[checker] for row in tallies.values()):
        result.caught += tally.caught
        result.missed += tally.missed
        result.named += tally.named
        result.false_alarms += tally.false_alarms
        result.right += tally.right
        result.seconds += tally.seconds
    return result


def table(title: str, tallies: dict[str, dict[str, Tally]], with_names: bool) -> str:
    """A markdown table: for each checker what it caught, missed and named, and its false alarms."""
    columns = ["caught", "missed", *(["operation named"] if with_names else []), "false alarms"]
    lines = [
        f"| {title} | " + " | ".join(f"{column}, {name}" for name in CHECKERS for column in columns) + " |",
        "| :-- |" + " --: |" * (len(columns) * len(CHECKERS)),
    ]
    rows = tallies | {"**together**": {name: total(tallies, name) for name in CHECKERS}}
    for label, row in rows.items():
        cells: list[str] = []
        for tally in row.values():
            cells += [str(tally.caught), str(len(tally.missed)), *([str(tally.named)] if with_names else [])]
            cells.append(f"{len(tally.false_alarms)} of {tally.right}")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def as_json(tallies: dict[str, dict[str, Tally]]) -> dict[str, Any]:
    return {
        label: {
            checker: {
                "caught": tally.caught,
                "named": tally.named,
                "missed": dict(Counter(tally.missed)),
                "false_alarms": dict(Counter(tally.false_alarms)),
                "right": tally.right,
                "seconds": round(tally.seconds, 3),
            }
            for checker, tally in row.items()
        }
        for label, row in tallies.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--cases", type=int, default=KINK_CASES, help=f"kink-heavy cases (default: {KINK_CASES})")
    options = parser.parse_args(arguments)
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        print("skipped: this benchmark needs PyTorch: pip install torch")
        return 0
    torch.set_num_threads(1)
    print(
        f"tinygrad_cnn {tg.__version__}, torch {torch.__version__}, NumPy {np.__version__}, {sys.version.split()[0]}\n"
    )
    figures: dict[str, Any] = {"torch": torch.__version__, "numpy": np.__version__}
    for title, tallies, with_names in (("planted faults", planted(), True), ("kinks", kinks(options.cases), False)):
        print(table(title, tallies, with_names))
        seconds = ", ".join(f"{name} {total(tallies, name).seconds:.1f} s" for name in CHECKERS)
        print(f"\n{seconds}\n")
        figures[title] = as_json(tallies)
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
