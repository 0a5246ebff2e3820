"""Why a check failed: whose rule, for which input, called from where, and what the difference looks like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tinygrad_cnn.core.modes import Event
from tinygrad_cnn.nn.paths import path_of
from tinygrad_cnn.testing.comparisons import Comparison, Effort
from tinygrad_cnn.testing.evidence import Evidence
from tinygrad_cnn.testing.faults import Fault, call_of, calls_without_rules, recorded_calls
from tinygrad_cnn.testing.hints import hint
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.reports import GradientReport

_LARGEST = 1500  # elements of an argument up to which its whole numeric gradient is computed for a hint
_GLANCE = Effort(coordinates=0, directions=4)  # enough for an operation that is right and has no kink near
_LOCAL = Effort(coordinates=60, directions=4)
_AT_TIES = "right everywhere but at a kink: where elements tie, share the gradient among them or give it to one"
_AT_KINKS = "right everywhere but at a kink: there it must lie between the slopes of both sides"
_UNSUMMED = "sum the cotangent over the axes along which the input was broadcast"
_RANDOM = "it draws random numbers, or keeps something from call to call: let each call begin with the same seed"
_WITHOUT_RULE = "{} has no rule, so no gradient passes it; add one with defvjp"
_OUTSIDE = (
    "every operation is right on its own: part of the function leaves the graph (.data, .detach(), item(), plain NumPy)"
)
_UNDIFFERENTIABLE = (
    "its rule is right, but not as a function: it must compute with operations on g and its inputs, not on their arrays"
)
_UNDEFINED = "its rule is right, but its definition, which a recorded derivative is taken through, is another function"


def diagnose(report: GradientReport, probe: Probe, effort: Effort, forward: Probe | None = None) -> None:
    """Fill in who is at fault and the hint; forgive what only the meeting of several kinks explains.

    probe: what failed; forward: where `probe` is the derivative of another, that other.
    """
    if any(fault.verdict == "input-mutated" for fault in report.faults):
        return
    if any(fault.verdict == "non-deterministic" for fault in report.faults):
        report.hint = _RANDOM
        return
    with np.errstate(all="ignore"):
        fault = _search(report, probe, forward)
        if fault is None and _fine_nearby(probe, effort):
            _forgive(report)
            return
    if fault is None:
        without = calls_without_rules(probe)
        report.hint = (
            f"{without[0]} has no rule, so no gradient passes it; add one with defvjp" if without else _OUTSIDE
        )
        return
    report.operation, report.argument, report.hint = fault.operation, fault.argument, fault.hint
    report.line = str(fault.line) if fault.line else ""
    report.layer = path_of(fault.modules) if fault.modules else ""


def _search(report: GradientReport, probe: Probe, forward: Probe | None) -> Fault | None:
    differs_when_recorded = any(finding.verdict == "wrong" and finding.detail for finding in report.faults)
    fault = None if differs_when_recorded else _first_fault(probe)
    return _first_second_order_fault(forward) if fault is None and forward is not None else fault


def _first_fault(probe: Probe) -> Fault | None:
    """The first operation whose rule is wrong on its own."""
    for event in recorded_calls(probe):
        call = call_of(event)
        report = _checked(call)
        if not report.ok:
            return _fault(event, *_explained(report, call))
    return None


def _first_second_order_fault(probe: Probe) -> Fault | None:
    """The first operation whose rule, right as it is, has a wrong derivative; every operation in it is right."""
    for event in recorded_calls(probe):
        call = call_of(event)
        for i, position in enumerate(call.checked):
            derivative = call.derivative(towards=i)
            if derivative is not None and not (report := _checked(derivative)).ok:
                named = next((finding.argument for finding in report.faults if finding.detail), "")
                words = _UNDEFINED if event.primitive.definition else _UNDIFFERENTIABLE
                return _fault(event, named or call.names[position], words)
    return None


def _checked(probe: Probe) -> GradientReport:
    for effort in (_GLANCE, _LOCAL):
        report = GradientReport(probe.name, 1)
        Comparison(probe, report, effort).run()
        if not report.ok or report.counts.keys() <= {"ok"}:
            break
    return report


def _fault(event: Event, argument: str, words: str) -> Fault:
    return Fault(event.primitive.name, argument, words, event.line, event.modules)


def _explained(report: GradientReport, call: Probe) -> tuple[str, str]:
    """The argument whose rule is wrong, and the hint."""
    names = [call.names[i] for i in call.checked]
    detail = next((finding.detail for finding in report.faults if finding.detail), "")
    if detail:  # the engine has refused what the rule returned, and named the argument
        named = next((name for name in names if f"for {name} " in detail), names[0])
        return named, _UNSUMMED if report.counts["shape"] and "returned shape" in detail else ""
    found = dict.fromkeys(finding.argument for finding in report.worst())
    suspects = [name for name in found if name in names] or names
    for name in suspects:
        i = names.index(name)
        if call.point[i].size <= _LARGEST:
            evidence = Evidence(call, i)
            if evidence.wrong.any():
                at_kinks = evidence.kinked[evidence.wrong].all()
                return name, _AT_KINKS if at_kinks else hint(evidence)
    return suspects[0], _AT_TIES if report.counts["kink-ok"] else ""


def _fine_nearby(probe: Probe, effort: Effort) -> bool:
    """Whether the check passes beside the point: then only kinks that meet in it were to blame.

    Where several kinks meet, as in relu(x) - relu(-x) at 0, each operation's subgradient is right and their sum is not.
    """
    generator = np.random.default_rng(effort.seed + 1)
    beside = [x + generator.uniform(1e-3, 2e-3, x.shape) * generator.choice([-1.0, 1.0], x.shape) for x in probe.point]
    report = GradientReport(probe.name, 1)
    try:
        Comparison(probe.at(beside), report, replace(effort, coordinates=60)).run()
    except Exception:
        return False  # what lies beside may be outside the domain
    return report.ok and report.counts["ok"] > 0


def _forgive(report: GradientReport) -> None:
    report.counts += Counter({"kink-ok": len(report.faults)})
    for finding in report.faults:
        report.counts[finding.verdict] -= 1
    report.counts = +report.counts
    report.faults.clear()
