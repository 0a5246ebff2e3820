"""Why a check failed: whose rule, for which input, called from where, and what the difference looks like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tinygrad_cnn.nn.paths import path_of
from tinygrad_cnn.testing.comparisons import Array, Comparison, Effort, jacobian
from tinygrad_cnn.testing.faults import Fault, call_of, recorded_calls
from tinygrad_cnn.testing.hints import hint
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.reports import GradientReport

_LARGEST = 1500  # elements of an argument up to which its whole numeric gradient is computed for a hint
_LOCAL = Effort(coordinates=60, directions=4)
_AT_TIES = "right everywhere but at a kink: where elements tie, share the gradient among them or give it to one"
_OUTSIDE = (
    "every operation is right on its own: part of the function leaves the graph (.data, .detach(), item(), plain NumPy)"
)
_UNDIFFERENTIABLE = (
    "its rule is right, but not as a function: it must compute with operations on g and its inputs, not on their arrays"
)


def diagnose(report: GradientReport, probe: Probe, effort: Effort, forward: Probe | None = None) -> None:
    """Fill in who is at fault and the hint; forgive what only the meeting of several kinks explains.

    probe: what failed; forward: where `probe` is the derivative of another, that other.
    """
    if any(fault.verdict in ("non-deterministic", "input-mutated") for fault in report.faults):
        return
    fault = _first_fault(probe, 1)
    if fault is None and forward is not None:
        fault = _first_fault(forward, 2)
        report.hint = _UNDIFFERENTIABLE if fault else ""
    if fault is None:
        if _fine_nearby(probe, effort):
            _forgive(report)
        else:
            report.hint = _OUTSIDE
        return
    report.operation, report.argument = fault.operation, fault.argument
    report.line = str(fault.line) if fault.line else ""
    report.layer = path_of(fault.modules) if fault.modules else ""
    report.hint = report.hint or _hint_for(fault)


def _first_fault(probe: Probe, order: int) -> Fault | None:
    for event in recorded_calls(probe):
        call = call_of(event)
        local = GradientReport(call.name, order)
        Comparison(call, local, _LOCAL).run()
        if order == 2 and local.ok and (derivative := call.derivative()) is not None:
            Comparison(derivative, local, _LOCAL).run()
        if not local.ok:
            worst = local.worst(1)[0]
            argument = worst.argument if worst.index is not None else _blamed(call, worst.detail)
            return Fault(event.primitive.name, argument, event.line, event.modules, local, call)
    return None


def _blamed(call: Probe, detail: str) -> str:
    """The argument that an error of the engine names, or the only one there is."""
    names = [call.names[i] for i in call.checked]
    return next((name for name in names if f"for {name} " in detail), names[0])


def _hint_for(fault: Fault) -> str:
    detail = next((finding.detail for finding in fault.report.faults if finding.detail), "")
    if detail:
        return "sum the cotangent over the axes along which the input was broadcast" if "shape" in detail else ""
    if all(finding.index is None for finding in fault.report.faults) and fault.report.counts["kink-ok"]:
        return _AT_TIES
    call = fault.probe
    names = [call.names[i] for i in call.checked]
    i = names.index(fault.argument) if fault.argument in names else 0
    if call.point[i].size > _LARGEST:
        return ""
    generator = np.random.default_rng(1)
    slope = jacobian(call, i)
    cotangent = generator.uniform(0.5, 1.5, len(slope)) * generator.choice([-1.0, 1.0], len(slope))
    shape = call.point[i].shape
    analytic, numeric = call.pull(cotangent)[i], (cotangent @ slope).reshape(shape)
    output = call.output_shape

    def masked(axis: int, k: int) -> Array:
        kept = np.zeros(output)
        np.moveaxis(kept, axis, 0)[k] = 1.0
        gradient: Array = (cotangent * kept.reshape(-1)) @ slope
        return gradient.reshape(shape)

    return hint(analytic, numeric, masked, output)


def _fine_nearby(probe: Probe, effort: Effort) -> bool:
    """Whether the check passes beside the point: then only kinks that meet in it were to blame.

    Where several kinks meet, as in relu(x) - relu(-x) at 0, each operation's subgradient is right and their sum is not.
    """
    generator = np.random.default_rng(effort.seed + 1)
    beside = [x + generator.uniform(1e-3, 2e-3, x.shape) * generator.choice([-1.0, 1.0], x.shape) for x in probe.point]
    report = GradientReport(probe.name, 1)
    Comparison(probe.at(beside), report, replace(effort, coordinates=60)).run()
    return report.ok and report.counts["ok"] > 0


def _forgive(report: GradientReport) -> None:
    report.counts += Counter({"kink-ok": len(report.faults)})
    for finding in report.faults:
        report.counts[finding.verdict] -= 1
    report.counts = +report.counts
    report.faults.clear()
