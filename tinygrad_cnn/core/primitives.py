"""Primitives: an array function, and beside it one backward rule per differentiable input."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, NoReturn

import numpy as np

from tinygrad_cnn.core.dtypes import settled
from tinygrad_cnn.core.edges import EDITS, Edge, Node, Version
from tinygrad_cnn.core.modes import MODE, OBSERVED, SILENT, Event, report, users_line
from tinygrad_cnn.core.plans import Plan, requests
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentTypeError, GradientError, ShapeError, TinygradCnnError

_new_tensor = Tensor.__new__
_new_node = Node.__new__
_ndarray = np.ndarray


class Primitive:
    """An operation with a hand-derived backward rule. Made by the decorator `primitive`; called like the function.

    Arrays in give an array out; one Tensor among the inputs makes the output a Tensor, recorded where an input needs a
    gradient.
    """

    def __init__(
        self, function: Callable[..., Any], *, saves: Iterable[str] = (), elementwise: bool = False, views: bool = False
    ) -> None:
        signature = inspect.signature(function).parameters
        self.function = _by_position(function, list(signature.values()))
        self.name = function.__name__.lstrip("_")  # a public function may wrap the primitive of its name
        self.saves = tuple(saves)
        self.elementwise = elementwise
        self.views = views  # the output may share memory with the first input
        self.parameters = list(signature)
        self.defaults = [parameter.default for parameter in signature.values()]
        self.arity = len(self.parameters)
        self.rules: dict[str, Callable[..., Any]] = {}
        self.joint_rule: Callable[..., Any] | None = None
        self.definition: Callable[..., Any] | None = None
        self.costs: dict[str, Callable[..., Any]] = {}
        self.differentiable: list[str] = []
        self._bits = [0] * len(self.parameters)  # 1 << i for a differentiable input, 0 for a constant
        self._plans: dict[int, Plan] = {}
        self.__name__ = self.__qualname__ = self.name
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._refuse_name_clashes()

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.parameters)})>"

    # ---- rules

    def defvjp(
        self,
        joint: Callable[..., Any] | None = None,
        /,
        *,
        inputs: Sequence[str] = (),
        **rules: Callable[..., Any],
    ) -> Primitive:
        """Add the backward rules: one by the name of each differentiable input, or one joint rule for `inputs`.

        A rule maps the cotangent g = dJ/dy to dJ/dx = (dy/dx)^T g. Its first parameter is g; every further parameter is
        asked for by name: an input, a keyword parameter, `y` (the output), a residual named in `saves`, `x_shape` (the
        shape of input x) or `needs` (which inputs a joint rule must serve, as booleans).

        Raises: ArgumentTypeError where a rule is for, or asks for, something that the primitive does not have.
        """
        if joint is not None:
            if rules or not inputs:
                raise ArgumentTypeError(
                    f"{self.name}: give a rule for each input by its name, or one joint rule and the inputs that it "
                    'serves, defvjp(rule, inputs=["x", "weight"])'
                )
            self.joint_rule = joint
            self.differentiable = list(inputs)
        else:
            self.joint_rule = None
            self.rules.update(rules)
            self.differentiable = [name for name in self.parameters if name in self.rules]
        for name in [*inputs, *rules]:
            if name not in self.parameters:
                raise ArgumentTypeError(f"{self.name}: a rule for {name}, which is none of {self.parameters}")
        for rule in [joint] if joint else rules.values():
            self._refuse_unknown_requests(rule)
        self._bits = [1 << i if name in self.differentiable else 0 for i, name in enumerate(self.parameters)]
        self._plans.clear()
        return self

    def define(self, definition: Callable[..., Any]) -> Callable[..., Any]:
        """Say the operation again in plain primitives: what a derivative of its derivative is taken through.

        A fused primitive, whose rule reads floating-point residuals, needs one; it takes the same arguments.
        """
        self.definition = definition
        self._plans.clear()
        return definition

    def defcost(self, **costs: Callable[..., Any]) -> Primitive:
        """Say what a call costs (`y`), and what the rule for each input does (by the input's name), for profiles.

        A cost asks by name for inputs, `y` or `needs`, as rules do, gets the shapes and dtypes of arrays, and returns a
        `profiling.Cost`; that of a rule may ask for its own input and for what the rule asks for. Without one, every
        array is read or written once, and an elementwise operation does one thing for each element.
        """
        self.costs.update(costs)
        return self

    def _refuse_name_clashes(self) -> None:
        names = [*self.parameters, *self.saves]
        for name in names:
            if name in ("y", "needs", "inputs") or names.count(name) > 1:
                raise ArgumentTypeError(
                    f"{self.name}: {name!r} means something else to rules (y the output); rename it"
                )

    def _refuse_unknown_requests(self, rule: Callable[..., Any]) -> None:
        known = [*self.parameters, "y", "needs", *self.saves, *(f"{name}_shape" for name in self.parameters)]
        first = next(iter(inspect.signature(rule).parameters), "nothing")
        if first in known or first == "nothing":
            raise ArgumentTypeError(
                f"{self.name}: a rule's first parameter is the cotangent dJ/dy, not {first}; "
                f"write `lambda g, {first}: ...`"
            )
        unknown = [name for name in requests(rule) if name not in known]
        if unknown:
            raise ArgumentTypeError(f"{self.name}: its rule asks for {unknown[0]}, which is none of {', '.join(known)}")

    def _plan(self, mask: int) -> Plan:
        plan = self._plans[mask] = Plan(self, tuple(i for i in range(len(self.parameters)) if mask >> i & 1))
        return plan

    # ---- calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self.arity:
            args = self._bind(args, kwargs)
        flags = MODE.flags
        if flags & OBSERVED:
            return self._observed_call(args, flags)
        arrays: list[Any] = []
        parents: list[Edge | None] = []
        versions: dict[int, Version] | None = None  # of the arguments that can be edited
        mask = 0
        first = None  # the array of the first Tensor
        for arg, bit in zip(args, self._bits):  # noqa: B905  (bound above)
            if isinstance(arg, Tensor):
                array = arg._data
                arrays.append(array)
                if first is None:
                    first = array
                edge = arg._edge
                if edge is not None:
                    if bit:
                        mask |= bit
                        parents.append(edge)
                    elif self.differentiable and not flags & SILENT:
                        self._refuse_gradient(args)
                version = arg._version
                if version is not None:
                    if versions is None:
                        versions = {}
                    versions[len(arrays) - 1] = version
            else:
                arrays.append(arg)
        try:
            y = self.function(*arrays)
        except Exception as error:
            self._explain(error, arrays)
            raise
        if first is None:
            return self._split(y)[0] if self.saves else y
        residuals = None
        if self.saves:
            y, *residuals = self._split(y)
        if type(y) is not _ndarray:
            y = np.asarray(y)
        if self.elementwise and (y.dtype is not first.dtype or (not first.ndim and y.ndim)):
            cast = settled(self, y, arrays)
            if cast is not arrays:
                arrays = cast
                y, *residuals = self._split(self.function(*arrays)) if self.saves else [self.function(*arrays)]
                y = np.asarray(y)

        tensor = _new_tensor(Tensor)
        tensor._data = y
        shared = self.views and (y.base is not None or y is first) and isinstance(args[0], Tensor)
        tensor._version = args[0]._version if shared else None
        if not mask or flags & SILENT:
            tensor._edge = None
            return tensor
        plan = self._plans.get(mask) or self._plan(mask)
        arrays.append(y)
        if residuals:
            arrays += residuals
        tensor._edge = node = _new_node(Node)
        node.plan = plan
        node.parents = parents
        node.kept = plan.keep(arrays)
        node.shape = y.shape
        node.dtype = y.dtype
        node.versions = versions
        if versions is not None:
            node.clock = EDITS.now
        return tensor

    def _split(self, result: Any) -> tuple[Any, ...]:
        if not isinstance(result, tuple) or len(result) != 1 + len(self.saves):
            raise ArgumentTypeError(f"{self.name}: its function must return (y, {', '.join(self.saves)})")
        return result

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if len(args) > self.arity:
            raise ArgumentTypeError(f"{self.name}: takes {self.arity} arguments, got {len(args)}")
        bound = [*args, *self.defaults[len(args) :]]
        for name, value in kwargs.items():
            if name not in self.parameters:
                raise ArgumentTypeError(f"{self.name}: no parameter {name}; it takes {', '.join(self.parameters)}")
            position = self.parameters.index(name)
            if position < len(args):
                raise ArgumentTypeError(f"{self.name}: {name} is given twice")
            bound[position] = value
        self._refuse_missing(dict(zip(self.parameters, bound, strict=True)))
        return tuple(bound)

    def _observed_call(self, args: tuple[Any, ...], flags: int, **kwargs: Any) -> Any:
        line = users_line()
        MODE.flags = flags & ~OBSERVED
        try:
            start = perf_counter()
            output = self(*args, **kwargs)
            seconds = perf_counter() - start
        finally:
            MODE.flags = flags
        if not isinstance(output, Tensor):
            return output
        node = output._edge
        modules = tuple(MODE.modules)
        if isinstance(node, Node):
            node.trace = (line, modules)
        report(Event("forward", self, args, output, node, start, seconds, line, modules, kwargs))
        return output

    # ---- refusals

    def _refuse_missing(self, bound: dict[str, Any]) -> None:
        for name, value in bound.items():
            if value is inspect.Parameter.empty:
                raise ArgumentTypeError(f"{self.name}: {name} is missing")

    def _refuse_gradient(self, args: Sequence[Any]) -> NoReturn:
        name = next(
            name
            for name, bit, arg in zip(self.parameters, self._bits, args, strict=True)
            if not bit and isinstance(arg, Tensor) and arg._edge is not None
        )
        raise GradientError(
            f"{self.name}: no rule for {name}, which requires a gradient; add one with defvjp({name}=...), "
            f"or pass {name}.detach()"
        )

    def _explain(self, error: Exception, arrays: Sequence[Any]) -> None:
        """Say in `error` which operation it came from, with what; a failed broadcast becomes our own error."""
        shapes = ", ".join(f"{name} {_brief(array)}" for name, array in zip(self._labels(arrays), arrays, strict=True))
        # Comparisons have no rules; their elements pair up too.
        if (
            (self.elementwise or not self.differentiable)
            and isinstance(error, ValueError)
            and "broadcast" in str(error)
        ):
            raise ShapeError(f"{self.name}: shapes do not broadcast against each other: {shapes}") from error
        if not isinstance(error, TinygradCnnError):  # those of this package name the operation themselves
            error.add_note(f"in {self.name}({shapes})")

    def _labels(self, arrays: Sequence[Any]) -> list[str]:
        return self.parameters


def _by_position(function: Callable[..., Any], parameters: list[inspect.Parameter]) -> Callable[..., Any]:
    """The function with its keyword-only parameters by position too, as every call is bound."""
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    count = len(parameters) - len(names)
    return (lambda *args: function(*args[:count], **dict(zip(names, args[count:], strict=True)))) if names else function


def _brief(value: Any) -> str:
    if isinstance(value, _ndarray):
        return f"{value.dtype} {value.shape}"
    text = repr(value)
    return text if len(text) < 40 else f"{text[:37]}..."
