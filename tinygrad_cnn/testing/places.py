"""Where a gradient is wrong: rows, borders, every s-th index, or where an input is negative."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tinygrad_cnn.testing.evidence import Array, Evidence, Mask

_LARGEST_STRIDE = 5


def place(evidence: Evidence) -> str:
    """The wrong elements in words, such as "only the last index of axis 0 is wrong"; '' where there is no pattern."""
    wrong = evidence.wrong
    if wrong.all():
        return ""
    for found in (
        _alone(wrong),
        _by_value(evidence),
        _by_first(wrong),
        _by_axis(wrong),
        _by_border(wrong),
        _by_diagonal(wrong),
    ):
        if found:
            return found
    return ""


def _alone(wrong: Mask) -> str:
    if wrong.sum() != 1:
        return ""
    index = [int(i) for i in np.argwhere(wrong)[0]]
    ends = [
        f"the {'first' if i == 0 else 'last'} index of axis {axis}"
        for axis, (i, size) in enumerate(zip(index, wrong.shape, strict=True))
        if size > 1 and i in (0, size - 1)
    ]
    return f"only element {index} is wrong" + (f", at {' and '.join(ends)}" if ends else "")


def _by_first(wrong: Mask) -> str:
    """Right at the first tap only: the others lie elsewhere than the rule takes them from."""
    if wrong.ndim == 4 and wrong[..., 1:, 1:].any() and not wrong[..., 0, 0].any():
        rest = wrong.copy()
        rest[..., 0, 0] = True
        if rest.any(axis=(0, 1)).all():
            return "only the first tap of the kernel is right: look at the dilation"
    return ""


def _by_axis(wrong: Mask) -> str:
    for axis in range(wrong.ndim - 1, -1, -1):
        bad = np.flatnonzero(wrong.any(axis=tuple(i for i in range(wrong.ndim) if i != axis))).tolist()
        size = wrong.shape[axis]
        if len(bad) < size and (words := _regular(bad, size) or _ends(bad, size, wrong.ndim == 4 and axis >= 2)):
            return words.format(axis=_axis_name(axis, wrong.ndim))
    return ""


def _regular(bad: list[int], size: int) -> str:
    steps = {b - a for a, b in pairwise(bad)}
    if len(steps) != 1 or min(steps) not in range(2, _LARGEST_STRIDE + 1):
        return ""
    step = steps.pop()
    if bad[0] >= step or bad[-1] + step < size or bad == [0, size - 1]:
        return ""  # some are left out
    return f"only every {_ordinal(step)} index of {{axis}} is wrong: look at the stride"


def _ends(bad: list[int], size: int, spatial: bool) -> str:
    good = set(range(size)) - set(bad)
    if not spatial and len(bad) > len(good):
        return ""  # most are wrong, and the few that are right may be so by chance
    if all(i < min(good) or i > max(good) for i in bad):
        end = "first" if max(bad) < min(good) else "last" if min(bad) > max(good) else "first and last"
        which = "index of {axis} is" if len(bad) == 1 else "indices of {axis} are"
        cause = ": look at the padding" + (", or at what the stride leaves over" if end == "last" else "")
        return f"only the {end} {which} wrong" + (cause if spatial else "")
    return f"only index {bad[0]} of {{axis}} is wrong" if len(bad) == 1 else ""


def _by_border(wrong: Mask) -> str:
    if wrong.ndim < 2:
        return ""
    for width in range(1, (min(wrong.shape[-2:]) - 1) // 2 + 1):
        inside = (..., slice(width, -width), slice(width, -width))
        border = np.ones(wrong.shape, np.bool_)
        border[inside] = False
        if not wrong[inside].any():
            return "only border rows and columns are wrong: look at the padding" if wrong[border].mean() > 0.6 else ""
    return ""


def _by_diagonal(wrong: Mask) -> str:
    if wrong.ndim < 2 or wrong.shape[-1] < 3:
        return ""
    rows, columns = np.nonzero(wrong.any(axis=tuple(range(wrong.ndim - 2))))
    offsets = set((columns - rows).tolist())
    return f"only the diagonal {offsets.pop()} of the last two axes is wrong" if len(offsets) == 1 else ""


def _by_value(evidence: Evidence) -> str:
    counts = evidence.wrong | (evidence.numeric != 0)  # where the gradient is 0 anyway, a wrong rule may be right
    right = counts & ~evidence.wrong
    if min(evidence.wrong.sum(), right.sum()) < 2:
        return ""
    for name, value in evidence.values().items():
        if value.shape != evidence.wrong.shape:
            continue
        for words, holds in _signs(value).items():
            if np.array_equal(holds & counts, evidence.wrong):
                return f"only where {name} {words} is it wrong"
        for what, size in ((name, value), (f"-{name}", -value), (f"|{name}|", np.abs(value))):
            if size[evidence.wrong].min() > size[right].max():
                return f"only where {what} is large is it wrong, from {size[evidence.wrong].min():.4g} on"
    return ""


def _signs(value: Array) -> dict[str, Mask]:
    return {"< 0": value < 0, "> 0": value > 0, "= 0": value == 0, "<= 0": value <= 0, ">= 0": value >= 0}


def _axis_name(axis: int, ndim: int) -> str:
    names = {ndim - 2: "the rows", ndim - 1: "the columns"} if ndim == 4 else {}
    return f"{names[axis]} (axis {axis})" if axis in names else f"axis {axis}"


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third"}.get(n, f"{n}th")
