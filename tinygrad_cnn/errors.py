"""Every error this package raises on purpose: one hierarchy, each also a standard exception.

(`testing.GradientMismatch`, raised by the checks, stands apart: it is an AssertionError, as test runners expect.)

A message names the operation (inside a model also the layer's path), what it expects, what it got, and the mend.
"""

from __future__ import annotations

from typing import Any


class TinygradCnnError(Exception):
    """The root of the hierarchy: `except TinygradCnnError` catches whatever the package refuses."""


class ShapeError(TinygradCnnError, ValueError):
    """Arrays whose sizes do not fit the operation, or each other."""


class ArgumentError(TinygradCnnError, ValueError):
    """An argument outside its range: a stride of 0, a probability of 2, a class label of -1."""


class IndexOutOfRangeError(ArgumentError, IndexError):
    """An index beyond the size of its dimension; an IndexError, so that loops over a Tensor end as Python expects."""


class DivergenceError(ArgumentError):
    """Training that went astray: the loss is no longer a finite number.

    history: how training went until then, a `train.History`.
    """

    def __init__(self, message: str, history: Any) -> None:
        super().__init__(message)
        self.history = history


class ArgumentTypeError(TinygradCnnError, TypeError):
    """An argument of a kind that the operation does not take."""


class DTypeError(TinygradCnnError, TypeError):
    """An array whose dtype the operation does not take, or a gradient whose dtype is not its input's."""


class GradientError(TinygradCnnError, RuntimeError):
    """A gradient that cannot be computed: no path, no rule, or a rule that returned what does not fit."""


class GraphFreedError(GradientError):
    """A second backward pass through a graph that an earlier one freed."""


class EditedInPlaceError(GradientError):
    """An array that a backward rule needs was edited after the forward pass."""


class StateDictError(TinygradCnnError, KeyError):
    """A state dict that does not fit the module: it lists the missing and the unexpected keys."""

    def __str__(self) -> str:  # KeyError would print the repr, newlines escaped
        return str(self.args[0]) if self.args else ""


class DataError(TinygradCnnError, ValueError):
    """A data file that is damaged, or that does not belong to its neighbour."""


class DataNotFoundError(TinygradCnnError, FileNotFoundError):
    """A data set that is not where it was looked for."""


class MissingDependencyError(TinygradCnnError, ImportError):
    """A package that this feature needs is not installed; the message names the extra that brings it."""
