"""What a gradient check found, for a person to act on."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal[
    "ok",
    "wrong",
    "kink-ok",
    "kink-wrong",
    "imprecise",
    "non-deterministic",
    "input-mutated",
    "shape",
    "dtype",
]

FAILURES: tuple[Verdict, ...] = ("wrong", "kink-wrong", "non-deterministic", "input-mutated", "shape", "dtype")
_ROWS = 8  # of the worst findings are shown
_HEADER = ("argument", "analytic", "numeric", "difference", "ratio", "verdict")


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: a coordinate of an argument, a whole direction (index None), or a whole call (argument '')."""

    verdict: Verdict
    argument: str = ""
    index: tuple[int, ...] | None = None
    analytic: float = float("nan")
    numeric: tuple[float, float] = (float("nan"), float("nan"))  # the interval it should lie in; a point where smooth
    detail: str = ""

    @property
    def difference(self) -> float:
        """How far the analytic value lies outside the numeric interval."""
        low, high = self.numeric
        return max(low - self.analytic, self.analytic - high, 0.0)

    @property
    def place(self) -> str:
        """Where it is, as a person would write it: `weight[0, 2]`."""
        if self.index is None:
            return self.argument or "(whole call)"
        return f"{self.argument}[{', '.join(map(str, self.index))}]"

    def row(self) -> tuple[str, ...]:
        """Its line in the table of the worst."""
        low, high = self.numeric
        numeric = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
        ratio = f"{self.analytic / low:.4g}" if low == high and low != 0 else "-"
        return (self.place, f"{self.analytic:.6g}", numeric, f"{self.difference:.3g}", ratio, self.verdict)


@dataclass(slots=True, repr=False)
class GradientReport:
    """The outcome of a gradient check.

    counts: how many comparisons ended in which verdict; faults: the failures among them.
    operation, argument, line, layer: the primitive whose rule fails on its own, for which input, where the user's code
    called it and in which module, as far as they could be found; hint: what the pattern of the difference looks like.
    """

    name: str
    order: int
    counts: Counter[Verdict] = field(default_factory=Counter)
    faults: list[Finding] = field(default_factory=list)
    operation: str = ""
    argument: str = ""
    line: str = ""
    layer: str = ""
    hint: str = ""
    reproduction: str = ""

    @property
    def ok(self) -> bool:
        """Whether no comparison failed, and not all of them were imprecise, which would have decided nothing."""
        return not self.faults and self.counts["imprecise"] < max(self.checked, 1)

    @property
    def checked(self) -> int:
        """How many comparisons were made."""
        return self.counts.total()

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it if it is a failure."""
        self.counts[finding.verdict] += 1
        if finding.verdict in FAILURES:
            self.faults.append(finding)

    def worst(self, count: int = _ROWS) -> list[Finding]:
        """The failures farthest off: single coordinates, or whole directions where no coordinate failed."""
        coordinates = [finding for finding in self.faults if finding.index is not None]
        different = dict.fromkeys(coordinates or self.faults)
        return sorted(different, key=lambda finding: -finding.difference)[:count]

    def _facts(self) -> list[tuple[str, str]]:
        at_fault = f"the rule of {self.operation} for {self.argument}" if self.operation else ""
        details = [f"{finding.place}: {finding.detail}" for finding in self.faults if finding.detail][:1]
        facts = [("at fault", at_fault), ("called at", self.line), ("in layer", self.layer), ("hint", self.hint)]
        return [(name, text) for name, text in [*facts, *(("because", detail) for detail in details)] if text]

    def _headline(self) -> str:
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.most_common())
        order = "first order" if self.order == 1 else "second order"
        outcome = "fine" if self.ok else "WRONG" if self.faults else "UNDECIDED"
        return f"{self.name}, {order}: {outcome} ({verdicts})"

    def __str__(self) -> str:
        lines = [self._headline(), *(f"  {name}: {text}" for name, text in self._facts())]
        rows = [finding.row() for finding in self.worst() if not finding.detail]
        if rows:
            lines += [f"  {line}" for line in _columns([_HEADER, *rows])]
        if self.faults and self.reproduction:
            lines += ["  to see it again:", *(f"    {line}" for line in self.reproduction.splitlines())]
        return "\n".join(lines)

    __repr__ = __str__  # what a session shows

    def _repr_html_(self) -> str:
        """The report as a table, for notebooks."""
        facts = "".join(f"<br><b>{name}</b>: {html.escape(text)}" for name, text in self._facts())
        cells = [[html.escape(cell) for cell in finding.row()] for finding in self.worst() if not finding.detail]
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
        head = "".join(f"<th>{name}</th>" for name in _HEADER)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if cells else ""
        return f"<div><b>{html.escape(self._headline())}</b>{facts}{table}</div>"


class GradientMismatch(AssertionError):
    """Raised by the checks; carries the `report`."""

    def __init__(self, report: GradientReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
