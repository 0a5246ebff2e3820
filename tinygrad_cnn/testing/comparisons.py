"""One probe's analytic derivatives against its slopes, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.reports import Finding, GradientReport, Verdict
from tinygrad_cnn.testing.slopes import Slopes, slopes_along

Array: TypeAlias = NDArray[np.float64]

_ROUNDING = 4 * float(np.finfo(np.float64).eps)  # by how much of the output's size a rule may round
_KINKED_OUTPUTS = 4  # how many outputs are looked at one by one where a line meets several kinks


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is compared: coordinates at most, random joint directions, and the relative difference allowed."""

    coordinates: int = 200
    directions: int = 8
    rtol: float = 1e-6
    seed: int = 0

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Effort:
        """From keyword arguments. Raises: ArgumentTypeError for another name, ArgumentError for a negative number."""
        names = [field.name for field in fields(cls)]
        for name, value in options.items():
            if name not in names:
                raise ArgumentTypeError(
                    f"check_grad: no option {name}; there are order, {', '.join(names)}. An argument of the function "
                    f"goes into a lambda: check_grad(lambda x: f(x, {name}={value!r}), [x])"
                )
            if value < 0:
                raise ArgumentError(f"check_grad: {name} must not be negative, got {value}")
        return cls(**options)


class Comparison:
    """Compares a probe's gradients with differences, and enters every verdict into a report."""

    def __init__(self, probe: Probe, report: GradientReport, effort: Effort) -> None:
        self.probe, self.report, self.effort = probe, report, effort
        self.generator = np.random.default_rng(effort.seed)

    def run(self) -> None:
        """Compare coordinates, then directions."""
        with np.errstate(all="ignore"):  # a gradient that is no number is a finding
            self._run()

    def _run(self) -> None:
        try:
            here = self.probe.evaluate([x.copy() for x in self.probe.point])
        except Exception as error:
            if self.probe.forward is None:
                raise  # the function itself does not take these inputs
            return self.report.add(Finding("wrong", detail=f"its derivative cannot be recorded: {error}"))
        finite = np.isfinite(here)
        if here.size and not finite.any():
            return self.report.add(Finding("imprecise", detail="no output is a finite number here"))
        # Away from 0, so that each output counts; of both signs, so that errors do not cancel systematically.
        self.cotangent = np.where(finite, self._random_cotangent(here.shape), 0.0)
        try:
            self.gradients = self.probe.pull(self.cotangent)
        except DTypeError as error:
            return self.report.add(Finding("dtype", detail=str(error)))
        except GradientError as error:
            return self.report.add(Finding("shape", detail=str(error)))
        self.here = here
        self._check_repeatability()
        if self.probe.forward is not None:
            self._check_definition(self.probe.forward)
        if not self.report.ok:
            return None
        self.scale = max((float(np.abs(g).max(initial=0.0, where=np.isfinite(g))) for g in self.gradients), default=0.0)
        for i, flat in self._coordinates():
            index = tuple(int(k) for k in np.unravel_index(flat, self.probe.point[i].shape))
            if np.isfinite(self.probe.point[i][index]):
                self._compare(self.probe.unit(i, flat), i, index)
        for j, direction in self._directions() if here.size else ():
            self._compare(direction, j, None)
        return None

    def _random_cotangent(self, shape: tuple[int, ...]) -> Array:
        cotangent: Array = self.generator.uniform(0.5, 1.5, shape) * self.generator.choice([-1.0, 1.0], shape)
        return cotangent

    def _check_repeatability(self) -> None:
        probe = self.probe
        point = [array.copy() for array in probe.point]
        again = probe.evaluate(point)
        if not np.allclose(self.here, again, rtol=1e-9, atol=0, equal_nan=True):  # the last bits may differ
            self.report.add(Finding("non-deterministic", detail="two calls at the same point differ"))
        for i, before, after in zip(probe.checked, probe.point, point, strict=True):
            if not np.array_equal(before, after, equal_nan=True):
                self.report.add(Finding("input-mutated", probe.names[i], detail="the call changed its argument"))

    def _check_definition(self, forward: Probe) -> None:
        """A recorded pass goes through definitions, where operations have one: it must find what their rules find."""
        apart = self._apart(forward)
        if apart:  # at a kink the two may choose another subgradient
            nearby = [x + self.generator.uniform(1e-3, 2e-3, x.shape) for x in forward.point]
            with suppress(Exception):  # it may lie outside the domain
                apart &= self._apart(forward.at(nearby))
        for i in sorted(apart):
            name = forward.names[forward.checked[i]]
            self.report.add(Finding("wrong", name, detail="the recorded gradient is another than the rule's"))

    def _apart(self, probe: Probe) -> set[int]:
        """The inputs whose gradient is another when it is recorded."""
        cotangent = self._random_cotangent(probe.evaluate(probe.point).shape)
        pulls = zip(probe.pull(cotangent), probe.pull(cotangent, create_graph=True), strict=True)
        return {i for i, (rule, recorded) in enumerate(pulls) if not _alike(rule, recorded)}

    def _coordinates(self) -> Iterator[tuple[int, int]]:
        """(input, flat index): all elements, or equally many of each input, the small ones wholly."""
        left, sizes = self.effort.coordinates, [x.size for x in self.probe.point]
        chosen = {}
        for inputs_left, i in zip(range(len(sizes), 0, -1), np.argsort(sizes, kind="stable").tolist(), strict=True):
            count = min(sizes[i], left // inputs_left)
            chosen[i] = np.sort(self.generator.permutation(sizes[i])[:count])
            left -= count
        for i in range(len(sizes)):
            yield from ((i, flat) for flat in chosen[i].tolist())

    def _directions(self) -> Iterator[tuple[int | None, list[Array]]]:
        """(the one input that moves, direction): each input shifted as a whole, along which ties stay ties.

        Where not every coordinate is compared each input is also moved at random. At last come random joint directions.
        """
        finite = [np.isfinite(x).astype(np.float64) for x in self.probe.point]
        everything = sum(x.size for x in finite) <= self.effort.coordinates
        for i in range(len(finite)):
            yield i, [x if k == i else np.zeros_like(x) for k, x in enumerate(finite)]
            if not everything:
                yield i, [self._random_signs(x) if k == i else np.zeros_like(x) for k, x in enumerate(finite)]
        for _ in range(self.effort.directions):
            yield None, [self._random_signs(x) for x in finite]

    def _random_signs(self, size: Array) -> Array:
        return self.generator.choice([-1.0, 1.0], size.shape) * size

    def _compare(self, direction: list[Array], i: int | None, index: tuple[int, ...] | None) -> None:
        found = slopes_along(self.probe.line(direction), self.here)
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
        left, right = v * np.where(kinked, found.low[counts], 0), v * np.where(kinked, found.high[counts], 0)
        smooth = float((v * np.where(kinked, 0.0, found.value[counts])).sum())
        error = float((np.abs(v) * found.error[counts]).sum())
        low, high = smooth + float(np.minimum(left, right).sum()), smooth + float(np.maximum(left, right).sum())
        analytic = float(sum((g[d != 0] * d[d != 0]).sum() for g, d in zip(gradients, direction, strict=True)))
        size = max(abs(analytic), abs(low), abs(high))
        rounding = 1e-9 * self.scale + _ROUNDING * float((np.abs(v) * np.abs(self.here[counts])).sum())
        # One-sided slopes are exact to first order only, so a kink's interval is a little wider.
        slack = self.effort.rtol * size + rounding + 2 * error + (1e-5 * size if kinked.any() else 0.0)
        verdict: Verdict
        if low - slack <= analytic <= high + slack:
            verdict = "kink-ok" if kinked.any() else "ok"
        elif not np.isfinite(low + high + error) or error > 0.05 * size:
            verdict = "imprecise"
        else:
            verdict = "kink-wrong" if kinked.any() else "wrong"
        return Finding(verdict, name, index, analytic, (low, high))


def _alike(a: Array, b: Array) -> bool:
    scale = np.abs(a).max(initial=0.0, where=np.isfinite(a))
    return np.allclose(a, b, rtol=1e-6, atol=1e-9 * scale, equal_nan=True)
