"""One probe's analytic derivatives against its slopes, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import DTypeError, GradientError
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.reports import Finding, GradientReport, Verdict
from tinygrad_cnn.testing.slopes import Slopes, slopes

Array: TypeAlias = NDArray[np.float64]

_KINKED_OUTPUTS = 4  # how many outputs are looked at one by one where a line meets several kinks


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is compared: coordinates at most, random joint directions, and the relative difference allowed."""

    coordinates: int = 200
    directions: int = 8
    rtol: float = 1e-6
    seed: int = 0


class Comparison:
    """Compares a probe's gradients with differences, and enters every verdict into a report."""

    def __init__(self, probe: Probe, report: GradientReport, effort: Effort) -> None:
        self.probe, self.report, self.effort = probe, report, effort
        self.generator = np.random.default_rng(effort.seed)

    def run(self) -> None:
        """Compare coordinates, then directions."""
        here = self.probe.evaluate(self.probe.point)
        # Away from 0, so that each output counts; of both signs, so that errors do not cancel systematically.
        self.cotangent = self.generator.uniform(0.5, 1.5, here.shape) * self.generator.choice([-1.0, 1.0], here.shape)
        try:
            self.gradients = self.probe.pull(self.cotangent)
        except DTypeError as error:
            return self.report.add(Finding("dtype", detail=str(error)))
        except GradientError as error:
            return self.report.add(Finding("shape", detail=str(error)))
        self._check_repeatability(here)
        if not self.report.ok:
            return None
        self.scale = max((float(np.abs(g).max(initial=0.0, where=np.isfinite(g))) for g in self.gradients), default=0.0)
        for i, index in self._coordinates():
            self._compare(self._unit(i, index), i, index)
        for direction in self._directions() if here.size else ():
            self._compare(direction, None, None)
        return None

    def _check_repeatability(self, here: Array) -> None:
        probe = self.probe
        point = [array.copy() for array in probe.point]
        if not np.allclose(here, probe.evaluate(point), rtol=1e-9, atol=0, equal_nan=True):  # the last bits may differ
            self.report.add(Finding("non-deterministic", detail="two calls at the same point differ"))
        for i, before, after in zip(probe.checked, probe.point, point, strict=True):
            if not np.array_equal(before, after, equal_nan=True):
                self.report.add(Finding("input-mutated", probe.names[i], detail="the call changed its argument"))

    def _coordinates(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        every = [(i, flat) for i, x in enumerate(self.probe.point) for flat in range(x.size)]
        if len(every) > self.effort.coordinates:
            chosen = self.generator.choice(len(every), self.effort.coordinates, replace=False)
            every = [every[k] for k in sorted(chosen)]
        for i, flat in every:
            index = np.unravel_index(flat, self.probe.point[i].shape)
            if np.isfinite(self.probe.point[i][index]):
                yield i, tuple(int(k) for k in index)

    def _directions(self) -> Iterator[list[Array]]:
        """Each argument shifted as a whole, along which ties stay ties; then random joint directions."""
        finite = [np.isfinite(x).astype(np.float64) for x in self.probe.point]
        for shifted in finite:
            yield [x if x is shifted else np.zeros_like(x) for x in finite]
        for _ in range(self.effort.directions):
            yield [self.generator.choice([-1.0, 1.0], x.shape) * x for x in finite]

    def _unit(self, i: int, index: tuple[int, ...]) -> list[Array]:
        direction = [np.zeros_like(x) for x in self.probe.point]
        direction[i][index] = 1.0
        return direction

    def _compare(self, direction: list[Array], i: int | None, index: tuple[int, ...] | None) -> None:
        found = slopes(self.probe.line(direction))
        name = "joint direction" if i is None else self.probe.names[self.probe.checked[i]]
        self.report.add(self._judge(name, index, direction, self.cotangent, self.gradients, found))
        # A sum over several kinks leaves much room between the slopes; one output at a time leaves none.
        for k in np.flatnonzero(found.kinked)[:_KINKED_OUTPUTS] if found.kinked.sum() > 1 else ():
            single = np.zeros_like(self.cotangent)
            single[k] = 1.0
            self.report.add(self._judge(name, index, direction, single, self.probe.pull(single), found))

    def _judge(
        self,
        name: str,
        index: tuple[int, ...] | None,
        direction: list[Array],
        cotangent: Array,
        gradients: list[Array],
        found: Slopes,
    ) -> Finding:
        """The analytic slope <gradients, direction> against the interval <cotangent, slopes>."""
        counts = cotangent != 0  # 0 times a NaN elsewhere is not a NaN here
        v, kinked = cotangent[counts], found.kinked[counts]
        left, right = v * np.where(kinked, found.left[counts], 0), v * np.where(kinked, found.right[counts], 0)
        smooth = float((v * np.where(kinked, 0.0, found.value[counts])).sum())
        error = float((np.abs(v) * np.where(kinked, 0.0, found.error[counts])).sum())
        low, high = smooth + float(np.minimum(left, right).sum()), smooth + float(np.maximum(left, right).sum())
        analytic = float(sum((g[d != 0] * d[d != 0]).sum() for g, d in zip(gradients, direction, strict=True)))
        # One-sided slopes are exact to first order only, so a kink's interval is a little wider.
        size = max(abs(analytic), abs(low), abs(high))
        slack = self.effort.rtol * size + 1e-9 * self.scale + 2 * error + (1e-5 * size if kinked.any() else 0.0)
        verdict: Verdict
        if low - slack <= analytic <= high + slack:
            verdict = "kink-ok" if kinked.any() else "ok"
        elif not np.isfinite(low + high + error) or error > 0.05 * size:
            verdict = "imprecise"
        else:
            verdict = "kink-wrong" if kinked.any() else "wrong"
        return Finding(verdict, name, index, analytic, (low, high))


def jacobian(probe: Probe, i: int) -> Array:
    """d(outputs)/d(checked input i) by differences. Shapes: (outputs, elements of the input)."""
    columns = []
    for flat in range(probe.point[i].size):
        direction = [np.zeros_like(x) for x in probe.point]
        direction[i].reshape(-1)[flat] = 1.0
        found = slopes(probe.line(direction))
        columns.append(np.where(found.kinked, (found.left + found.right) / 2, found.value))
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))
