"""What a wrong gradient looks like: hints read from the pattern of analytic against numeric values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_RTOL = 1e-4


def hint(analytic: Array, numeric: Array, masked: Callable[[int, int], Array] | None = None, output: Any = ()) -> str:
    """One sentence on what the difference looks like, or '' where no pattern is known.

    analytic, numeric: the gradient of one argument, from the rule and by differences.
    masked: (axis, i) -> the numeric gradient that counts only index i of that output axis; output: the output's shape.
    """
    wrong = ~_close(analytic, numeric)
    if not wrong.any():
        return ""
    for found in (
        _factor(analytic, numeric, output),
        _rearranged(analytic, numeric),
        _missing_sum(analytic, masked, output),
        _zeros(analytic, numeric, wrong),
        _where(wrong),
    ):
        if found:
            return found
    return ""


def _close(a: Array, b: Array) -> NDArray[np.bool_]:
    scale = float(np.abs(b).max(initial=0.0)) or 1.0
    return np.abs(a - b) <= _RTOL * np.maximum(np.abs(b), 0.01 * scale)


def _factor(analytic: Array, numeric: Array, output: Any) -> str:
    counts = np.abs(numeric) > 1e-6 * np.abs(numeric).max(initial=0.0)
    if counts.sum() < 2 and analytic.size > 1:
        return ""
    ratios = analytic[counts] / numeric[counts]
    if not ratios.size or np.ptp(ratios) > 1e-3 * np.abs(ratios).max(initial=0.0):
        return ""
    factor = float(np.median(ratios))
    if factor == 0.0 or not _close(analytic, factor * numeric).all():
        return ""
    if abs(factor + 1) < 1e-3:
        return "the sign is wrong"
    for size in sorted({n for n in _sizes(analytic.shape) | _sizes(tuple(output)) if n > 1}):
        if abs(factor * size - 1) < 1e-3:
            return f"too small by a factor of {size}: a mean over {size} elements where a sum belongs"
        if abs(factor / size - 1) < 1e-3:
            return f"too large by a factor of {size}: a sum over {size} elements where a mean belongs"
    return f"off by a constant factor of {factor:.4g}"


def _sizes(shape: tuple[int, ...]) -> set[int]:
    """The sizes that a sum or mean over neighbouring axes can have."""
    return {int(np.prod(shape[i:j])) for i in range(len(shape)) for j in range(i + 1, len(shape) + 1)}


def _rearranged(analytic: Array, numeric: Array) -> str:
    square = analytic.ndim >= 2 and analytic.shape[-1] == analytic.shape[-2]
    if square and _close(analytic, np.swapaxes(numeric, -1, -2)).all():
        return "transposed: the last two axes are exchanged"
    for axes, words in _flips(analytic.ndim):
        if _close(analytic, np.flip(numeric, axes)).all():
            return f"reversed along {words}"
    for axis in range(analytic.ndim):
        for shift in (1, -1):
            if analytic.shape[axis] > 2 and _close(analytic, np.roll(numeric, shift, axis)).all():
                return f"shifted by one along axis {axis}"
    return ""


def _flips(ndim: int) -> Iterator[tuple[tuple[int, ...], str]]:
    for axis in range(ndim):
        yield (axis,), f"axis {axis}"
    if ndim >= 2:
        yield (-2, -1), "the last two axes: a kernel turned half round (convolution against correlation)"


def _missing_sum(analytic: Array, masked: Callable[[int, int], Array] | None, output: Any) -> str:
    if masked is None:
        return ""
    for axis, size in enumerate(output):
        for i in {0, size - 1} if size > 1 else ():
            if _close(analytic, masked(axis, i)).all():
                batch = " (the batch)" if axis == 0 and len(output) > 1 else ""
                return f"the sum over axis {axis}{batch} of the output is missing: only index {i} counts"
    return ""


def _zeros(analytic: Array, numeric: Array, wrong: NDArray[np.bool_]) -> str:
    if not (analytic[wrong] == 0).all():
        return ""
    place = "" if wrong.all() else _where(wrong)
    return "the gradient is zero where one flows" + (f" ({place})" if place else "")


def _where(wrong: NDArray[np.bool_]) -> str:
    """Which rows, columns or slices are wrong, where the others are fine."""
    if wrong.all():
        return ""
    for axis in range(wrong.ndim - 1, -1, -1):
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        bad = np.flatnonzero(wrong.any(axis=others))
        size = wrong.shape[axis]
        if len(bad) == size:
            continue
        name = _axis_name(axis, wrong.ndim)
        inner = set(range(size)) - set(bad.tolist())
        steps = {b - a for a, b in pairwise(bad.tolist())}
        if len(steps) == 1 and min(steps) > 1 and len(bad) > 1 and {0, size - 1} != set(bad.tolist()):
            step = steps.pop()
            return f"only every {_ordinal(step)} index of {name} is wrong: look at the stride"
        if inner and all(i < min(inner) or i > max(inner) for i in bad):
            end = "first" if max(bad) < min(inner) else "last" if min(bad) > max(inner) else "first and last"
            remainder = ", or at the rows that the stride leaves over" if end == "last" else ""
            return f"only the {end} indices of {name} are wrong: look at the padding{remainder}"
        if len(bad) == 1:
            return f"only index {bad[0]} of {name} is wrong"
    if wrong.ndim >= 2 and wrong.shape[-1] > 2 and wrong.shape[-2] > 2 and not wrong[..., 1:-1, 1:-1].any():
        return "only border rows and columns are wrong: look at the padding"
    return ""


def _axis_name(axis: int, ndim: int) -> str:
    names = {ndim - 2: "the rows", ndim - 1: "the columns"} if ndim == 4 else {}
    return f"{names[axis]} (axis {axis})" if axis in names else f"axis {axis}"


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third"}.get(n, f"{n}th")
