"""Gradients that are off by a factor: a number, a variable, or one for each slice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, permutations

import numpy as np

from tinygrad_cnn.testing.evidence import Array, Evidence, axes_in_words, close, slices
from tinygrad_cnn.testing.places import place


def constant_factor(evidence: Evidence) -> str:
    """One number too large or too small everywhere; a sign, a mean for a sum, a sum for a mean."""
    factor = _ratio(evidence.analytic, evidence.numeric)
    if factor is None or not evidence.matches(factor * evidence.numeric):
        return ""
    if abs(factor + 1) < 1e-3:
        return "the sign is wrong"
    words = f"off by a constant factor of {factor:.4g}"
    for name, value in evidence.values().items():
        if value.size == 1:
            for missing, number in _factors(name, value):
                if abs(factor * float(number.item()) - 1) < 1e-4:
                    return f"{words}: the factor {missing} is missing"
    if evidence.output == evidence.analytic.shape:
        return words  # nothing was summed
    for size in sorted(_sizes(evidence.analytic.shape) | _sizes(evidence.output)):
        if abs(factor * size - 1) < 1e-3:
            return f"{words}: too small by the size {size} of an axis, as a mean where a sum belongs"
        if abs(factor / size - 1) < 1e-3:
            return f"{words}: too large by the size {size} of an axis, as a sum where a mean belongs"
    return words


def missing_factor(evidence: Evidence) -> str:
    """What the rule has not multiplied by: a variable, or a simple function of it."""
    if evidence.analytic.size < 2:
        return ""
    for name, value in evidence.values().items():
        if _fits(value, evidence.analytic):
            for words, factor in _factors(name, value):
                if close(evidence.analytic * factor, evidence.numeric).all():
                    return f"the factor {words} is missing"
    return ""


def factor_of_another(evidence: Evidence) -> str:
    """One variable taken for another, such as x for y."""
    values = [(name, value) for name, value in evidence.values().items() if _fits(value, evidence.analytic)]
    kinds = zip(*(_factors(name, value) for name, value in values), strict=True)
    for (right, factor), (wrong, other) in chain.from_iterable(permutations(kind, 2) for kind in kinds):
        if factor.all() and other.all() and close(evidence.analytic * factor, evidence.numeric * other).all():
            return f"{right} belongs where {wrong} stands"
    return ""


def factor_of_each_slice(evidence: Evidence) -> str:
    """A factor of its own for each slice, as normalisations have."""
    analytic, numeric = evidence.analytic, evidence.numeric
    if min(analytic.shape, default=0) < 2 or analytic.ndim < 2 or not numeric.all():
        return ""
    ratio = analytic / numeric
    for axes in slices(analytic.ndim):
        if close(ratio, ratio.mean(axis=axes, keepdims=True)).all():
            return f"off by a factor that is constant along {axes_in_words(axes)}: what the slices are divided by?"
    return ""


def factor_in_places(evidence: Evidence) -> str:
    """A number too large or too small in a part of the gradient."""
    wrong = evidence.wrong
    factor = _ratio(evidence.analytic[wrong], evidence.numeric[wrong])
    if factor is None or wrong.sum() < 2:
        return ""
    words = "the sign is wrong" if abs(factor + 1) < 1e-3 else f"off by a constant factor of {factor:.4g}"
    return f"{words} in part: {place(evidence) or 'right elsewhere'}"


def _ratio(analytic: Array, numeric: Array) -> float | None:
    """analytic / numeric where it is the same, and not 0, everywhere."""
    counts = np.abs(numeric) > 1e-6 * np.abs(numeric).max(initial=0.0)
    if counts.sum() < min(2, analytic.size):
        return None
    ratios = analytic[counts] / numeric[counts]
    if not ratios.size or np.ptp(ratios) > 1e-3 * np.abs(ratios).max():
        return None
    return float(np.median(ratios)) or None


def _sizes(shape: tuple[int, ...]) -> set[int]:
    """The sizes that a sum or mean over neighbouring axes can have."""
    sizes = {int(np.prod(shape[i:j])) for i in range(len(shape)) for j in range(i + 1, len(shape) + 1)}
    return sizes - {1}


def _fits(value: Array, gradient: Array) -> bool:
    """Whether it broadcasts to the gradient's shape."""
    padded = (1,) * (gradient.ndim - value.ndim) + value.shape
    return value.ndim <= gradient.ndim and all(a in (1, b) for a, b in zip(padded, gradient.shape, strict=True))


def _factors(name: str, v: Array) -> Iterator[tuple[str, Array]]:
    """What derivatives of elementary functions are made of."""
    with np.errstate(all="ignore"):
        yield name, v
        yield f"{name}^2", v * v
        yield f"1 / {name}", 1 / v
        yield f"1 / {name}^2", 1 / (v * v)
        yield f"1 - {name}", 1 - v
        yield f"1 + {name}", 1 + v
        yield f"1 - {name}^2", 1 - v * v
        yield f"log {name}", np.log(v)
        yield f"exp {name}", np.exp(v)
        yield f"exp -{name}", np.exp(-v)
        yield f"cos {name}", np.cos(v)
        yield f"sin {name}", np.sin(v)
