"""One derivative three times: from the terms that are written out, from the backward rule, by finite differences.

And one output twice: from its terms, and as the operation computes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.gradients import grad
from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.testing.slopes import slopes_along

Array = NDArray[Any]
_SUM_TOLERANCE = 1e-9  # between two sums of the same terms, in another order
_SLOPE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Check:
    """One element of the output, or the derivative of J in one element of an input.

    name: in LaTeX. terms: the sum of the terms written out. code: what the operation or its backward rule computes.
    difference: the central difference, NaN at a kink, None for an output; low, high: the bounds that it sets.
    """

    name: str
    terms: float
    code: float
    difference: float | None
    low: float
    high: float

    @property
    def kinked(self) -> bool:
        """Whether the slope to the left is not the slope to the right."""
        return self.difference is not None and bool(np.isnan(self.difference))

    @property
    def agrees(self) -> bool:
        """Whether terms and code are the same, and finite differences say the same, or allow it at a kink."""
        scale = max(1.0, abs(self.code))
        inside = self.low - _SLOPE_TOLERANCE * scale <= self.code <= self.high + _SLOPE_TOLERANCE * scale
        return abs(self.terms - self.code) <= _SUM_TOLERANCE * scale and inside


@dataclass(frozen=True)
class Measurement:
    """The operation at its inputs, in float64, with the loss J = sum of G times the output."""

    function: Callable[..., Any]  # of the inputs by name
    inputs: Mapping[str, Array]
    weights: Array  # G

    def gradients(self) -> dict[str, Array]:
        """dJ/d(input), as the backward rules give it."""
        tensors = {name: Tensor(array, requires_grad=True) for name, array in self.inputs.items()}
        with enable_grad():
            found = grad(self.function(**tensors), list(tensors.values()), self.weights)
        return {name: np.asarray(gradient) for name, gradient in zip(tensors, found, strict=True)}

    def loss(self, **inputs: Array) -> Array:
        """J, where some inputs are others than those measured at."""
        output = self.function(**{**self.inputs, **inputs})
        return np.array([np.vdot(self.weights, np.asarray(output))], np.float64)

    def check_output(self, name: str, place: tuple[int, ...], terms: float) -> Check:
        """The element of the output at `place`."""
        value = float(np.asarray(self.function(**self.inputs))[place])
        return Check(name, terms, value, None, value, value)

    def check(self, name: str, input: str, place: tuple[int, ...], terms: float) -> Check:
        """The derivative in the element of an input at `place`."""
        direction = np.zeros_like(self.inputs[input])
        direction[place] = 1
        rule = float(self.gradients()[input][place])
        low, high, slope = self.slopes(input, direction)
        return Check(name, terms, rule, slope, low, high)

    def slopes(self, input: str, direction: Array) -> tuple[float, float, float]:
        """Bounds of the slope of J along a direction, and the central difference, which is NaN at a kink."""
        point = self.inputs[input]
        found = slopes_along(lambda t: self.loss(**{input: point + t * direction}), self.loss())
        if found.kinked[0]:
            return float(found.low[0]), float(found.high[0]), float("nan")
        value, error = float(found.value[0]), float(found.error[0])
        return value - error, value + error, value
