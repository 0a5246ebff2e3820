"""What is measured for each box: arithmetic, what the backward pass keeps, and how values and gradients are spread."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core import Event, Tensor
from tinygrad_cnn.core.edges import Leaf, Node
from tinygrad_cnn.ops.costs import Outline, forward_cost, outlined
from tinygrad_cnn.viz.descriptions import Gradient, Health, Histogram, Statistics

# Of a gradient's norm, as a multiple of the norm at the results: beyond, nothing is learnt, or a step goes far astray.
VANISHING, EXPLODING = 1e-5, 1e4

_BINS = 16
_SAMPLE = 1 << 16  # values that a histogram is made of; of more, every k-th one


# ---- arithmetic


def multiply_adds(event: Event) -> int:
    """Of one forward call."""
    primitive = event.primitive
    if primitive.arity >= 0:
        arguments = dict(zip(primitive.parameters, map(outlined, event.inputs), strict=True))
    else:
        name, *others = primitive.parameters
        defaults = dict(zip(others, primitive.defaults[1:], strict=True))
        arguments = {name: outlined(event.inputs), **defaults, **event.options}
    return forward_cost(primitive, arguments, outlined(event.output)).multiply_adds


def multiply_adds_of(node: Node) -> int | None:
    """Of the call that left `node`; None where what remains of it does not tell."""
    primitive = node.plan.primitive
    if "y" not in primitive.costs:
        return 0
    known: dict[str, Any] = {"y": Outline(node.shape, node.dtype)}
    if primitive.arity >= 0:
        outlines = [None if parent is None else Outline(parent.shape, parent.dtype) for parent in node.parents]
        known |= dict(zip(node.plan.arguments, outlines, strict=True))
    if node.kept is not None:
        known |= dict(zip(node.plan.kept, map(outlined, node.kept), strict=True))
    cost = primitive.costs["y"]
    asked = inspect.signature(cost).parameters
    if any(name not in known for name in asked):
        return None
    amount: int = cost(**{name: known[name] for name in asked}).multiply_adds
    return amount


# ---- memory


def memory_of(array: NDArray[Any]) -> NDArray[Any]:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def kept_arrays(node: Any) -> list[NDArray[Any]]:
    """What the rules of this call keep, without the leaves, which are there anyway."""
    if not isinstance(node, Node) or node.kept is None:
        return []
    plan = node.plan
    leaves = {plan.argument(i) for i, parent in enumerate(node.parents) if isinstance(parent, Leaf)}
    named = zip(plan.kept, node.kept, strict=True)
    return list(_arrays(value for name, value in named if name not in leaves))


class KeptBytes:
    """Counts every array once: with the first that keeps it."""

    def __init__(self) -> None:
        self._known: dict[int, NDArray[Any]] = {}  # alive, so that nothing else gets their ids

    def know(self, array: NDArray[Any]) -> None:
        """Do not count what is there anyway, a parameter."""
        memory = memory_of(array)
        self._known[id(memory)] = memory

    def count(self, arrays: Iterable[NDArray[Any]]) -> int:
        total = 0
        for array in arrays:
            memory = memory_of(array)
            if id(memory) not in self._known:
                self._known[id(memory)] = memory
                total += min(array.nbytes, memory.nbytes)
        return total


def _arrays(values: Iterable[Any]) -> Iterator[NDArray[Any]]:
    for value in values:
        if isinstance(value, Tensor):
            yield value.data
        elif isinstance(value, np.ndarray):
            yield value
        elif type(value) is tuple:
            yield from _arrays(value)


# ---- values and gradients


def statistics(array: NDArray[Any]) -> Statistics:
    """Of the finite values; the histogram of a large array is made of a sample of them.

    Example:
        >>> found = statistics(np.array([1.0, 3.0, np.nan]))
        >>> found["mean"], found["std"], found["max"], found["not_finite"]
        (2.0, 1.0, 3.0, 1)
    """
    values = array.ravel()
    bad = 0
    if array.dtype.kind == "f" and array.size and not (np.isfinite(array.max()) and np.isfinite(array.min())):
        values = values[np.isfinite(values)]
        bad = array.size - values.size
    if not values.size:
        return {"mean": None, "std": None, "min": None, "max": None, "not_finite": bad, "histogram": None}
    low, high = float(values.min()), float(values.max())
    return {
        "mean": float(values.mean(dtype=np.float64)),
        "std": float(values.std(dtype=np.float64)),
        "min": low,
        "max": high,
        "not_finite": bad,
        "histogram": _histogram(values[:: max(1, values.size // _SAMPLE)], low, high),
    }


def _histogram(values: NDArray[Any], low: float, high: float) -> Histogram | None:
    if not math.isfinite(high - low):
        return None
    counts, _ = np.histogram(values.astype(np.float64), _BINS, (low, high))
    return {"low": low, "high": high, "counts": counts.tolist()}


def norm(array: NDArray[Any]) -> float:
    """The Euclidean norm, without overflow on the way."""
    largest = float(np.abs(array).max()) if array.size else 0.0
    if largest == 0 or not math.isfinite(largest):
        return largest
    scaled = (array / largest).ravel()
    return largest * math.sqrt(float(np.dot(scaled, scaled)))


def gradient(array: NDArray[Any], reference: float, with_statistics: bool) -> Gradient:
    """The norm of a gradient and its health, judged by the norm at the results, `reference`."""
    size = norm(array)
    found: Gradient = {"norm": size if math.isfinite(size) else None, "health": _health(size, reference)}
    if with_statistics:
        found["statistics"] = statistics(array)
    return found


def _health(size: float, reference: float) -> Health:
    if math.isnan(size):
        return "nan"
    if size == 0:
        return "zero"
    if size > EXPLODING * reference:
        return "exploding"
    return "vanishing" if size < VANISHING * reference else "healthy"
