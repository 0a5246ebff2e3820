"""What a wrong gradient looks like: hints read from the pattern of analytic against numeric values.

Each pattern looks for one slip that people make, and says what it has found in one sentence, or ''. The surest come
first: those in which the whole gradient is explained, then those in which only a part is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_cnn.testing.evidence import Array, Evidence, axes_in_words, close, slices
from tinygrad_cnn.testing.factors import (
    constant_factor,
    factor_in_places,
    factor_of_another,
    factor_of_each_slice,
    missing_factor,
)
from tinygrad_cnn.testing.places import place
from tinygrad_cnn.testing.rearrangements import (
    another_argument,
    of_another_cotangent,
    of_other_inputs,
    permuted,
    rearranged,
)


def hint(evidence: Evidence) -> str:
    """One sentence on what the difference looks like, or '' where no pattern is known."""
    if not evidence.wrong.any():
        return ""
    return next((found for pattern in PATTERNS if (found := pattern(evidence))), "")


# ---- something is left out


def _missing_sum(evidence: Evidence) -> str:
    for axis, size in enumerate(evidence.output):
        for i in {0, size - 1} if size > 1 else ():
            kept = np.zeros(evidence.output)
            np.moveaxis(kept, axis, 0)[i] = 1.0
            if evidence.matches(evidence.expected(evidence.cotangent * kept)):
                batch = " (the batch)" if axis == 0 and len(evidence.output) > 1 else ""
                return f"the sum over axis {axis}{batch} of the output is missing: only index {i} counts"
    return ""


def _one_of_several(evidence: Evidence) -> str:
    wrong = evidence.wrong.reshape(-1)
    parts = evidence.contributions()[:, wrong]
    if (np.count_nonzero(parts, axis=0) < 2).any():
        return ""
    if not close(evidence.analytic.reshape(-1)[wrong], parts).any(axis=0).all():
        return ""
    return "where several outputs read one element only one of them counts: add up (np.add.at), do not assign"


def _missing_term(evidence: Evidence) -> str:
    difference = evidence.numeric - evidence.analytic
    if min(difference.shape, default=0) < 2 or difference.size < 6:
        return ""
    for words, value in _bases(evidence):
        with np.errstate(all="ignore"):
            share = difference / value
        for axes in slices(difference.ndim):
            if np.isfinite(share).all() and close(share, share.mean(axis=axes, keepdims=True)).all():
                along = axes_in_words(axes)
                return f"a term is missing, {words} constant along {along}: how a sum or mean over it depends on x"
    return ""


def _bases(evidence: Evidence) -> Iterator[tuple[str, Array]]:
    yield "one", np.ones(1)
    for name, value in reversed(evidence.values().items()):  # the output first
        if value.shape == evidence.analytic.shape:
            yield f"{name} times something", value
            yield f"exp {name} times something", np.exp(value)


def _zeros(evidence: Evidence) -> str:
    if evidence.analytic[evidence.wrong].any():
        return ""
    where = place(evidence)
    return "the gradient is zero where one flows" + (f" ({where})" if where else "")


# ---- something is in the wrong place


def _ghosts(evidence: Evidence) -> str:
    if evidence.numeric[evidence.wrong].any():
        return ""
    where = place(evidence)
    return "a gradient where none flows: it should be zero there" + (f" ({where})" if where else "")


def _beside(evidence: Evidence) -> str:
    """What one element lacks, its neighbour has too much: the running sum of the difference ends at 0."""
    difference = np.where(evidence.wrong, evidence.analytic - evidence.numeric, 0.0)
    for axis in range(difference.ndim):
        running = np.cumsum(difference, axis=axis)
        off = np.abs(running) > 1e-4 * np.abs(difference).max()
        if not off.take(-1, axis).any() and 0 < 2 * off.sum() <= evidence.wrong.sum():
            return f"a part of it lies one index beside its place along axis {axis}"
    return ""


PATTERNS = (
    constant_factor,
    another_argument,
    rearranged,
    of_another_cotangent,
    missing_factor,
    _zeros,
    _ghosts,
    _missing_sum,
    _one_of_several,
    factor_of_each_slice,
    factor_of_another,
    _missing_term,
    of_other_inputs,
    _beside,
    permuted,
    factor_in_places,
    place,
)
