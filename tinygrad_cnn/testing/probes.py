"""A function of arrays and Tensors, seen by a gradient check as a map between flat float64 vectors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.gradients import grad
from tinygrad_cnn.core.modes import enable_grad, no_grad
from tinygrad_cnn.core.tensors import Tensor, wrap
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, GradientError

Array = NDArray[np.float64]


class Probe:
    """`function` at `inputs`: evaluated anywhere, and pulled back at the point itself.

    Floating-point arrays, and Tensors that require a gradient, are checked: copied, as float64. Everything else
    (integers, constants, options) is passed as it is.
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any], names: Sequence[str] | None = None) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.inputs = list(inputs)
        self.checked = [i for i, value in enumerate(inputs) if _is_checked(value)]
        if not self.checked:
            raise _nothing_to_check(self.name, inputs)
        self.names = list(names) if names else _argument_names(function, len(self.inputs))
        self.point: list[Array] = [np.array(_plain(inputs[i]), dtype=np.float64, order="C") for i in self.checked]
        self.forward: Probe | None = None  # where this is the derivative of another, that other

    def call(self, arrays: Sequence[Any], requires_grad: bool) -> tuple[list[Tensor], list[Tensor]]:
        """The checked inputs as Tensors, and the outputs."""
        tensors = [Tensor(array, requires_grad) for array in arrays]
        return tensors, self._outputs(tensors)

    def _outputs(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        result = self.function(*self.arguments(tensors))
        outputs = result if isinstance(result, tuple | list) else [result]
        for output in outputs:
            if not isinstance(output, Tensor):
                raise ArgumentTypeError(
                    f"{self.name}: expects a function that returns a Tensor, it returned {type(output).__name__}"
                )
        return [output for output in outputs if output.dtype.kind == "f"]

    def arguments(self, checked: Sequence[Any]) -> list[Any]:
        """All arguments, with others in place of the checked ones."""
        arguments = list(self.inputs)
        for i, value in zip(self.checked, checked, strict=True):
            arguments[i] = value
        return arguments

    def evaluate(self, arrays: Sequence[Array]) -> Array:
        """All outputs, flat, in memory of their own."""
        with no_grad():
            outputs = self._outputs([wrap(array, None, [0]) for array in arrays])
        if len(outputs) == 1:
            return np.array(outputs[0].data, np.float64).reshape(-1)
        return np.concatenate([np.ravel(output.data).astype(np.float64) for output in outputs] or [np.zeros(0)])

    def line(self, direction: Sequence[Array]) -> Callable[[float], Array]:
        """t -> f(x + t d)."""
        return lambda t: self.evaluate([x + t * d for x, d in zip(self.point, direction, strict=True)])

    def unit(self, i: int, flat: int) -> list[Array]:
        """The direction that moves one element of the checked input number i."""
        direction = [np.zeros_like(x) for x in self.point]
        direction[i].reshape(-1)[flat] = 1.0
        return direction

    def pull(self, cotangent: Array, create_graph: bool = False) -> list[Array]:
        """The gradients of <f(x), cotangent> with respect to the checked inputs."""
        tensors, outputs = self.call([array.copy() for array in self.point], requires_grad=True)
        recorded, seeds, start = [], [], 0
        for output in outputs:
            seed = cotangent[start : start + output.numel()].reshape(output.shape)
            start += output.numel()
            if output.requires_grad:
                recorded.append(output)
                seeds.append(seed)
        if not recorded:
            return [np.zeros_like(array) for array in self.point]
        gradients = grad(recorded, tensors, seeds, allow_unused=True, create_graph=create_graph)
        return [
            np.zeros_like(array) if gradient is None else np.array(gradient.data)
            for gradient, array in zip(gradients, self.point, strict=True)
        ]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the one output; of several, their number of elements together."""
        with no_grad():
            _, outputs = self.call(self.point, requires_grad=False)
        return outputs[0].shape if len(outputs) == 1 else (sum(output.numel() for output in outputs),)

    def at(self, point: Sequence[Array]) -> Probe:
        """The same function at another point."""
        moved = Probe(self.function, self.arguments(point), self.names)
        moved.forward = self.forward
        return moved

    def derivative(self, towards: int | None = None) -> Probe | None:
        """The probe of (inputs, cotangents) -> gradients: checking it to first order checks this one to second.

        None where no output depends on an input, so that there is nothing to differentiate.

        towards: the one checked input that the gradient is taken for; by default all.
        """
        _, outputs = self.call([array.copy() for array in self.point], requires_grad=True)
        recorded = [i for i, output in enumerate(outputs) if output.requires_grad]
        if not recorded:
            return None
        shapes = [outputs[i].shape for i in recorded]
        generator = np.random.default_rng(7)
        count = len(self.inputs)

        @enable_grad()  # a gradient is recorded even where its value is all that is asked for
        def gradients(*arguments: Any) -> list[Tensor]:
            tensors = [_recording(arguments[i]) for i in self.checked]
            inputs = list(arguments[:count])
            for i, tensor in zip(self.checked, tensors, strict=True):
                inputs[i] = tensor
            result = self.function(*inputs)
            every = [y for y in (result if isinstance(result, tuple | list) else [result]) if y.dtype.kind == "f"]
            found = grad(
                [every[i] for i in recorded], tensors, list(arguments[count:]), create_graph=True, allow_unused=True
            )
            return [g for i, g in enumerate(found) if g is not None and towards in (None, i)]

        gradients.__name__ = f"gradient of {self.name}"
        cotangents = [generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape) for shape in shapes]
        names = [*self.names, *(f"cotangent {i}" if len(shapes) > 1 else "cotangent" for i in range(len(shapes)))]
        derivative = Probe(gradients, [*self.arguments(self.point), *cotangents], names)
        derivative.forward = self
        return derivative


def _recording(value: Any) -> Tensor:
    """A Tensor that gradients can be asked for, in whichever mode the caller is."""
    return value if isinstance(value, Tensor) and value.requires_grad else Tensor(_plain(value), requires_grad=True)


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _is_checked(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.requires_grad
    return isinstance(value, np.ndarray | np.floating) and value.dtype.kind == "f"


def _nothing_to_check(name: str, inputs: Sequence[Any]) -> Exception:
    constants = [value for value in inputs if isinstance(value, Tensor) and value.dtype.kind == "f"]
    if constants:
        return GradientError(f"{name}: no input requires a gradient; make one with requires_grad=True")
    kinds = ", ".join(str(getattr(value, "dtype", type(value).__name__)) for value in inputs) or "none"
    return DTypeError(f"{name}: expects at least one floating-point array or Tensor among its inputs, got {kinds}")


def _argument_names(function: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return [*names, *(f"{parameter.name}[{i}]" for i in range(count - len(names)))]
        names.append(parameter.name)
    return [*names, *(f"input {i}" for i in range(len(names), count))][:count]
