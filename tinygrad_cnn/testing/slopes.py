"""Derivatives along a line by finite differences, with their uncertainty, from both sides.

For F(t) = f(x + t d), an array, the central difference (F(h) - F(-h)) / 2h has an error of order h^2, which
Richardson's extrapolation from 2h and h removes; halving h until two extrapolations agree chooses the step by itself.

The one-sided differences tell a kink: where f is smooth they differ by h f'', so the gap between them halves with h; at
a kink it stays. A gap that stays is believed only at the smallest step, where no kink beside the point can be meant. A
kink about as far away as that step leaves the slope in doubt between those that the last steps have seen. At a jump the
slopes grow without end.

Source: Richardson 1911, "The approximate arithmetical solution by finite differences of physical problems", section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FIRST_STEP = 2.0**-7
_LAST_STEP = 2.0**-23  # about 1e-7
_MEMORY = 3  # for how many steps after a gap that stays a kink is suspected
_EPSILON = float(np.finfo(np.float64).eps)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slopes:
    """The derivative of each output along one line.

    value: extrapolated central difference; error: how far it can be trusted (truncation and rounding).
    kinked: where the one-sided slopes keep apart however small the step; low, high: the slopes between which it lies
    there, -inf and inf at a jump.
    """

    value: Array
    error: Array
    kinked: Mask
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class _Quotients:
    """The differences over one step h, divided by it."""

    left: Array
    right: Array
    central: Array
    rounding: Array  # what each may be off by

    gap: Array  # |right - left|
    steepness: Array  # |right| + |left|


def slopes_along(line: Callable[[float], Array], here: Array, *, rtol: float = 1e-8) -> Slopes:
    """The slopes at t = 0 of `line`, a function t -> f(x + t d) as a flat float64 array; `here` is f(x).

    rtol: the relative agreement at which halving stops.
    """
    with np.errstate(all="ignore"):  # a step may leave f's domain; a smaller one then returns to it
        return _searched(line, here, rtol)


def _searched(line: Callable[[float], Array], here: Array, rtol: float) -> Slopes:
    search = _Search(here, rtol)
    first = last = _quotients(line, here, _FIRST_STEP)
    seen, estimate, h, looked = [last, last], last.central, _FIRST_STEP / 2, False
    while h >= _LAST_STEP and search.open.any():
        now = _quotients(line, here, h)
        stays, estimate = search.compare(last, now, estimate)
        seen, last, h = [*seen[1 - _MEMORY :], now], now, h / 2
        if not looked and search.open.any() and (stays == search.open).all():  # only kinks are left, here or nearby
            looked = True
            nearly_last, closest = _quotients(line, here, 2 * _LAST_STEP), _quotients(line, here, _LAST_STEP)
            stays, _ = search.compare(nearly_last, closest, nearly_last.central)
            search.close(stays, first, [nearly_last, closest])
    search.close(search.open & (search.suspicion > 0), first, seen)
    return search.slopes


class _Search:
    """What is known so far: the slopes, and where they are open, neither settled nor known for a kink."""

    def __init__(self, here: Array, rtol: float) -> None:
        self.rtol = rtol
        nowhere = np.zeros(here.shape, np.bool_)
        nan, inf = np.full(here.shape, np.nan), np.full(here.shape, np.inf)
        self.slopes = Slopes(nan.copy(), inf, nowhere, nan.copy(), nan.copy())
        self.open = ~nowhere
        self.suspicion = np.zeros(here.shape, np.int8)  # for how many more steps a kink is suspected

    def compare(self, last: _Quotients, now: _Quotients, estimate: Array) -> tuple[Mask, Array]:
        """Where the gap stays as the step is halved, and the extrapolation, which the next one is held against."""
        extrapolated = (4 * now.central - last.central) / 3
        trust = np.abs(extrapolated - estimate) + now.rounding
        shrinks = now.gap <= 0.6 * last.gap
        stays: Mask = self.open & ~shrinks & (now.gap > 64 * now.rounding + 1e-6 * now.steepness)
        self.suspicion = np.where(stays, _MEMORY, self.suspicion - (shrinks & (self.suspicion > 0)))
        value, error = self.slopes.value, self.slopes.error
        better = self.open & ~stays & (trust < error)
        value[better], error[better] = extrapolated[better], trust[better]
        error[stays] = np.inf  # what was found so far reached across a kink
        self.open &= stays | (trust > self.rtol * (np.abs(now.central) + now.steepness) + 2 * now.rounding)
        return stays, extrapolated

    def close(self, kinks: Mask, first: _Quotients, seen: list[_Quotients]) -> None:
        """Enter kinks, whose slopes lie between those that were seen."""
        if not kinks.any():
            return
        low, high = _range(first, seen)
        found = self.slopes
        found.kinked[kinks], found.error[kinks] = True, 2 * seen[-1].rounding[kinks]
        found.low[kinks], found.high[kinks] = low[kinks], high[kinks]
        self.open &= ~kinks


def _quotients(line: Callable[[float], Array], here: Array, h: float) -> _Quotients:
    ahead, behind = line(h), line(-h)
    right, left = (ahead - here) / h, (here - behind) / h
    moved = (ahead != here) | (behind != here)
    rounding = moved * (np.abs(ahead) + np.abs(behind)) * (2 * _EPSILON / h)
    return _Quotients(left, right, (right + left) / 2, rounding, np.abs(right - left), np.abs(right) + np.abs(left))


def _range(first: _Quotients, seen: list[_Quotients]) -> tuple[Array, Array]:
    """The smallest and the largest one-sided slope of the last steps."""
    low = np.minimum.reduce([slope for step in seen for slope in (step.left, step.right)])
    high = np.maximum.reduce([slope for step in seen for slope in (step.left, step.right)])
    grows = seen[-1].steepness > np.maximum(1.5 * seen[-2].steepness, 4 * first.steepness)
    # Where the slopes grow without end the value itself jumps, and there is no slope to compare with.
    return np.where(grows, -np.inf, low), np.where(grows, np.inf, high)
