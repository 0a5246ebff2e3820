"""What is known about the gradient of one argument: the rule's, the numeric one, and how the latter would change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.slopes import slopes_along

Array: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

_RTOL = 1e-4


class Evidence:
    """One call of an operation, and its gradient in the checked input number `i`, for a random cotangent.

    analytic, numeric: the gradient by the rule and by differences (at a kink: of all slopes there the nearest to the
    rule's); wrong: where they differ; kinked: where the operation has a kink in this element.
    """

    def __init__(self, call: Probe, i: int) -> None:
        generator = np.random.default_rng(1)
        self.call, self.i = call, i
        self.argument = call.names[call.checked[i]]
        self.output = call.output_shape
        self.cotangent: Array = generator.uniform(0.5, 1.5, self.output) * generator.choice([-1.0, 1.0], self.output)
        self.analytic: Array = call.pull(self.cotangent.reshape(-1))[i]
        self.low, self.high = jacobian(call, i)
        self.numeric = self.expected(self.cotangent)
        self.wrong: Mask = ~close(self.analytic, self.numeric)
        self.kinked: Mask = (self.low != self.high).any(axis=0).reshape(self.analytic.shape)

    def expected(self, cotangent: Array) -> Array:
        """The numeric gradient for another cotangent."""
        return _pulled(cotangent, self.low, self.high, self.analytic)

    def expected_at(self, point: list[Array]) -> Array:
        """The numeric gradient if the inputs were others."""
        return _pulled(self.cotangent, *jacobian(self.call.at(point), self.i), self.analytic)

    def contributions(self) -> Array:
        """What each output adds to each element. Shapes: (outputs, elements)."""
        return self.cotangent.reshape(-1, 1) * (self.low + self.high) / 2

    def matches(self, gradient: Array) -> bool:
        """Whether the rule gives this, everywhere."""
        return gradient.shape == self.analytic.shape and bool(close(self.analytic, gradient).all())

    def values(self) -> dict[str, Array]:
        """The arrays among the inputs and the output, by their names in rules."""
        found = {}
        for name, value in zip(self.call.names, self.call.arguments(self.call.point), strict=False):
            array = value.data if isinstance(value, Tensor) else value
            if isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
                found[name] = array.astype(np.float64)
        return found | {"y": self.call.evaluate(self.call.point).reshape(self.output)}


def close(a: Array, b: Array) -> Mask:
    """Where `a` is `b`, up to the errors of differences."""
    scale = float(np.abs(b).max(initial=0.0, where=np.isfinite(b))) or 1.0
    near: Mask = np.abs(a - b) <= _RTOL * np.maximum(np.abs(b), 0.01 * scale)
    return near


def jacobian(probe: Probe, i: int) -> tuple[Array, Array]:
    """d(outputs)/d(checked input i) by differences: the smallest and the largest slope at kinks, else the same twice.

    Shapes: two of (outputs, elements of the input).
    """
    size, here = probe.point[i].size, probe.evaluate(probe.point)
    columns = [slopes_along(probe.line(probe.unit(i, flat)), here) for flat in range(size)]
    low = [np.where(found.kinked, found.low, found.value) for found in columns]
    high = [np.where(found.kinked, found.high, found.value) for found in columns]
    return np.array(low).reshape(size, here.size).T, np.array(high).reshape(size, here.size).T


def _pulled(cotangent: Array, low: Array, high: Array, wanted: Array) -> Array:
    """cotangent times the Jacobian; between its bounds the value nearest to `wanted`."""
    v = cotangent.reshape(-1, 1)
    ends = np.where(v == 0, 0.0, v * low), np.where(v == 0, 0.0, v * high)
    smallest, largest = np.minimum(*ends).sum(axis=0), np.maximum(*ends).sum(axis=0)
    middle = (smallest + largest) / 2
    near = np.where(np.isnan(wanted.reshape(-1)), middle, wanted.reshape(-1))
    return np.clip(near, smallest, largest).reshape(wanted.shape)


def slices(ndim: int) -> Iterator[tuple[int, ...]]:
    """The axes along which something may be constant: each one, all but one, all."""
    yield from ((axis,) for axis in range(ndim))
    if ndim > 2:
        yield from (tuple(k for k in range(ndim) if k != axis) for axis in range(ndim))
    if ndim > 1:
        yield tuple(range(ndim))


def axes_in_words(axes: tuple[int, ...]) -> str:
    """One axis or several, such as "axes (0, 2)"."""
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
