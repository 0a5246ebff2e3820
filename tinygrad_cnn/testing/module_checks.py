"""The check of a whole Module: its loss, differentiated in every Parameter and in the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.random import generator as named_generator
from tinygrad_cnn.testing.comparisons import Effort
from tinygrad_cnn.testing.gradient_checks import report_on
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.reports import GradientMismatch, GradientReport


def check_module(
    model: Module, x: Any, y: Any, loss: Callable[[Any, Any], Any], *, order: int = 1, **effort: Any
) -> GradientReport:
    """Check the gradients of `loss(model(x), y)` in the Parameters that are learned, and in x where it is floating.

    Everything is computed on float64 copies, in the mode that the model is in: its Parameters, buffers, attributes and
    generators are afterwards what they were. The generators, which Dropout draws its masks from, are set back before
    each evaluation; a Module that is random otherwise gets the verdict non-deterministic. `effort` as in `check_grad`.

    Raises: GradientMismatch, with the report, where a gradient is wrong: a finding's argument is then the path of a
    Parameter, such as "features.0.weight", or "input".

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))
        >>> check_module(model, np.ones((5, 3), np.float32), np.array([0, 1, 1, 0, 1]), nn.CrossEntropyLoss()).ok
        True
    """
    if order not in (1, 2):
        raise ArgumentError(f"check_module: order must be 1 or 2, got {order}")
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    run = _Run(model, list(learned.values()), _constant(y), loss)
    inputs = [_plain(x), *(parameter.data for parameter in learned.values())]
    report = report_on(Probe(run, inputs, ["input", *learned]), order, Effort(**effort))
    report.reproduction = ""  # it would hold the arrays, but not the model
    if not report.ok:
        raise GradientMismatch(report)
    return report


class _Run:
    """(x, parameters) -> loss: one evaluation of the model, which leaves no trace in it."""

    def __init__(self, model: Module, learned: Sequence[Parameter], y: Any, loss: Callable[[Any, Any], Any]) -> None:
        self.model, self.learned, self.y, self.loss = model, learned, y, loss
        self.__name__ = type(model).__name__
        own = (value for module in model.modules() for value in vars(module).values())
        self.generators = [value for value in own if isinstance(value, np.random.Generator)]
        self.generators.append(named_generator("dropout"))

    def __call__(self, x: Any, *parameters: Any) -> Any:
        with _as_it_was(self.model), _generators_as_they_were(self.generators):
            _substitute(self.model, dict(zip(map(id, self.learned), parameters, strict=True)))
            return self.loss(self.model(x if isinstance(x, Tensor) else Tensor(x)), self.y)


def _substitute(model: Module, tensors: dict[int, Any]) -> None:
    """Put Tensors in the places of Parameters, by their ids, and float64 copies in those of all other Tensors."""
    for module in model.modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor) and value.dtype.kind == "f":
                vars(module)[name] = tensors.setdefault(id(value), Tensor(value.data.astype(np.float64)))


@contextmanager
def _as_it_was(model: Module) -> Iterator[None]:
    before = [(module, dict(vars(module))) for module in model.modules()]
    try:
        yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


@contextmanager
def _generators_as_they_were(generators: Sequence[np.random.Generator]) -> Iterator[None]:
    before = [generator.bit_generator.state for generator in generators]
    try:
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.bit_generator.state = state


def _constant(y: Any) -> Any:
    """A target as a constant; a floating-point one in float64."""
    array = np.asarray(_plain(y))
    return Tensor(array.astype(np.float64) if array.dtype.kind == "f" else array)


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
