"""Derivatives along a line by finite differences, with their uncertainty, from both sides.

For F(t) = f(x + t d), an array, the central difference (F(h) - F(-h)) / 2h has an error of order h^2, which
Richardson's extrapolation from h and h/2 removes; halving h until two extrapolations agree chooses the step by itself.

The one-sided differences tell a kink: where f is smooth they differ by h f'', so the gap between them halves with h; at
a kink it stays. A gap that stays is believed only once the step is so small that no kink beside the point can be meant.
At a jump the slopes grow without end.

Source: Richardson 1911, "The approximate arithmetical solution by finite differences of physical problems", section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FIRST_STEP = 2.0**-7
_STEPS = 17  # the smallest step is 2^-23, about 1e-7
_EPSILON = float(np.finfo(np.float64).eps)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slopes:
    """The derivative of each output along one line.

    value: extrapolated central difference; error: how far it can be trusted (truncation and rounding).
    left, right: the one-sided slopes, -inf and inf at a jump; kinked: where they keep apart however small the step.
    """

    value: Array
    error: Array
    left: Array
    right: Array
    kinked: NDArray[np.bool_]


def slopes(line: Callable[[float], Array], *, rtol: float = 1e-8) -> Slopes:
    """The slopes at t = 0 of `line`, a function t -> f(x + t d) as a flat float64 array.

    rtol: the relative agreement at which halving stops.
    """
    with np.errstate(all="ignore"):  # a step may leave f's domain; a smaller one then returns to it
        return _slopes(line, rtol)


def _slopes(line: Callable[[float], Array], rtol: float) -> Slopes:
    here = line(0.0)
    h = _FIRST_STEP
    value = np.full(here.shape, np.nan)
    error = np.full(here.shape, np.inf)
    before: Any = None  # (central, extrapolated, gap, steepness) at twice the step
    for _ in range(_STEPS):
        ahead, behind = line(h), line(-h)
        right, left, central = (ahead - here) / h, (here - behind) / h, (ahead - behind) / (2 * h)
        moved = (ahead != here) | (behind != here)
        size = np.maximum(np.maximum(np.abs(ahead), np.abs(behind)), np.abs(here))
        rounding = np.where(moved, 4 * _EPSILON * size / h, 0.0)
        gap, steepness = np.abs(right - left), np.abs(right) + np.abs(left)
        extrapolated = central
        if before is not None:
            extrapolated = (4 * central - before[0]) / 3
            trust = np.abs(extrapolated - before[1]) + rounding
            better = trust < error
            value, error = np.where(better, extrapolated, value), np.where(better, trust, error)
            stays = (gap > 0.6 * before[2]) & (gap > 8 * rounding + 1e-6 * steepness)
            grows = (steepness > 1.5 * before[3]) & (steepness > 64 * rounding)
            settled = (trust <= rtol * (np.abs(central) + steepness) + 2 * rounding) & ~stays
            if settled.all():
                return Slopes(value, error, left, right, np.zeros(here.shape, np.bool_))
        before = central, extrapolated, gap, steepness
        h /= 2
    kinked = grows | (stays & (gap > 64 * rounding))
    # Where the slopes grow without end the value itself jumps, and there is no slope to compare with.
    return Slopes(value, error, np.where(grows, -np.inf, left), np.where(grows, np.inf, right), kinked)
