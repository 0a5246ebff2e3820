"""Gradients that are right for something else: turned, shifted, or those of another argument."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

import numpy as np

from tinygrad_cnn.testing.evidence import Array, Evidence, close

_MOST_PERMUTED = 4  # dimensions up to which all permutations of the axes are tried
_FARTHEST_SHIFT = 3


def another_argument(evidence: Evidence) -> str:
    """The gradient of another argument."""
    call = evidence.call
    for k, point in enumerate(call.point):
        if k != evidence.i and point.shape == evidence.analytic.shape:
            other = Evidence(call, k)
            if evidence.matches(other.numeric):
                return f"this is the gradient of {other.argument}: two gradients are exchanged"
    return ""


def rearranged(evidence: Evidence) -> str:
    """Transposed, reversed or shifted."""
    analytic, numeric = evidence.analytic, evidence.numeric
    for axes in _axis_orders(analytic.shape):
        if evidence.matches(numeric.transpose(axes)):
            return f"transposed: {_order_in_words(axes)}"
    for axes, words in _flips(analytic.ndim):
        if evidence.matches(np.flip(numeric, axes)):
            return f"reversed along {words}"
    return next((words for shift in _shifts(analytic.ndim) if (words := _shifted(analytic, numeric, shift))), "")


def _shifted(analytic: Array, numeric: Array, shift: tuple[int, ...]) -> str:
    """What is shifted out at one end may come in again at the other, or be lost: only what stays inside is compared."""
    if any(abs(step) > max(0, size - 2) for step, size in zip(shift, analytic.shape, strict=True)):
        return ""
    here = tuple(slice(max(0, step), size + min(0, step)) for step, size in zip(shift, analytic.shape, strict=True))
    there = tuple(slice(max(0, -step), size + min(0, -step)) for step, size in zip(shift, analytic.shape, strict=True))
    if not numeric[there].any() or not close(analytic[here], numeric[there]).all():
        return ""
    return "shifted by " + " and ".join(f"{step} along axis {axis}" for axis, step in enumerate(shift) if step)


def _shifts(ndim: int) -> Iterator[tuple[int, ...]]:
    """Along one axis, then along both of the last two."""
    steps = [step for k in range(1, _FARTHEST_SHIFT + 1) for step in (k, -k)]
    for axis, step in product(range(ndim), steps):
        yield tuple(step if k == axis else 0 for k in range(ndim))
    if ndim >= 2:
        yield from ((*(0,) * (ndim - 2), down, across) for down, across in product(steps, steps))


def of_another_cotangent(evidence: Evidence) -> str:
    """What a transposed or reversed cotangent would give."""
    g = evidence.cotangent
    for axes in _axis_orders(g.shape):
        if evidence.matches(evidence.expected(g.transpose(axes))):
            return (
                f"right for a transposed cotangent, {_order_in_words(axes)}: summed or broadcast over the wrong axis?"
            )
    for axis in range(g.ndim):
        turned = evidence.expected(np.flip(g, axis))
        for back in ((), *((k,) for k in range(turned.ndim))):
            if evidence.matches(np.flip(turned, back)):
                return f"reversed along axis {axis} of the output"
    return ""


def of_other_inputs(evidence: Evidence) -> str:
    """What transposed or reversed inputs would give, as where a matrix or a kernel was not turned."""
    call = evidence.call
    for k, point in enumerate(call.point):
        if k == evidence.i or point.ndim < 2:
            continue
        name = call.names[call.checked[k]]
        square = point.shape[-1] == point.shape[-2]
        turned = {"transposed": np.swapaxes(point, -1, -2)} if square else {}
        turned |= {f"reversed along {words}": np.flip(point, axes) for axes, words in _flips(point.ndim, 2)}
        for words, other in turned.items():
            if evidence.matches(evidence.expected_at([other if i == k else x for i, x in enumerate(call.point)])):
                return f"as if {name} were {words}"
    return ""


def permuted(evidence: Evidence) -> str:
    """The right numbers, in an order that no other pattern knows."""
    a, b = (np.sort(x, axis=None) for x in (evidence.analytic, evidence.numeric))
    return "the right values in the wrong places" if a.size > 2 and close(a, b).all() else ""


def _axis_orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The permutations of the axes that leave the shape as it is."""
    if 2 <= len(shape) <= _MOST_PERMUTED:
        for axes in permutations(range(len(shape))):
            if axes != tuple(range(len(shape))) and tuple(shape[i] for i in axes) == shape:
                yield axes


def _order_in_words(axes: tuple[int, ...]) -> str:
    moved = [i for i, axis in enumerate(axes) if i != axis]
    if len(moved) > 2:
        return f"the axes stand in the order {axes}"
    last = "the last two axes" if moved == [len(axes) - 2, len(axes) - 1] else f"axes {moved[0]} and {moved[1]}"
    return f"{last} are exchanged"


def _flips(ndim: int, last: int = 4) -> Iterator[tuple[tuple[int, ...], str]]:
    if ndim >= 2:
        yield (-2, -1), "the last two axes: a kernel turned half round (convolution against correlation)"
    for axis in range(max(0, ndim - last), ndim):
        yield (axis,), f"axis {axis}"
