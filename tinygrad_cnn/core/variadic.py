"""Primitives of any number of inputs: `op(*xs, key=...)`, such as concatenate and stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.edges import EDITS, Node, Version
from tinygrad_cnn.core.modes import MODE, OBSERVED, SILENT
from tinygrad_cnn.core.plans import Plan, Pull, counted
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.core.tensors import Tensor, wrap
from tinygrad_cnn.errors import ArgumentTypeError


class VariadicPlan(Plan):
    """The inputs are one argument, a tuple, and one rule returns a cotangent for each of the `count` inputs."""

    __slots__ = ("count",)

    count: int

    def argument(self, position: int) -> str:
        return f"{self.arguments[0]}[{position}]"

    def edited(self, versions: Mapping[int, Version], clock: int) -> bool:
        return 0 in self.watched and any(version[0] > clock for version in versions.values())

    def pull_towards(self, mask: tuple[bool, ...]) -> Pull:
        return self.pull  # the one rule serves all inputs

    def _compile_pull(self, mask: tuple[bool, ...]) -> Pull:
        pull = super()._compile_pull(mask)
        rule = f"{self.name}: its rule for {self.arguments[0]}"
        return lambda g, k: counted(rule, pull(g, k)[0], self.count)

    def _revived(self, name: str, value: Any, node: Node) -> Any:
        if name != self.arguments[0]:
            return super()._revived(name, value, node)
        versions = node.versions or {}
        inputs = enumerate(zip(value, node.parents, strict=True))
        return tuple([wrap(x, edge, versions.get(i)) if isinstance(x, np.ndarray) else x for i, (x, edge) in inputs])


class VariadicPrimitive(Primitive):
    """`op(*xs, key=...)`: what the decorator `primitive` makes of a function whose first parameter is `*xs`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self.function = function
        self.arity = -1  # every call is bound: whatever comes by position is an input

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        options = dict(zip(self.parameters[1:], self.defaults[1:], strict=True))
        for name in kwargs:
            if name not in options:
                raise ArgumentTypeError(f"{self.name}: no parameter {name}; it takes {', '.join(options)}")
        self._refuse_missing(options := options | kwargs)
        return (args, *options.values())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        flags = MODE.flags
        if flags & OBSERVED:
            return self._observed_call(args, flags, **kwargs)
        xs, *options = self._bind(args, kwargs)
        arrays = tuple([x._data if isinstance(x, Tensor) else x for x in xs])
        try:
            y = self.function(*arrays, **dict(zip(self.parameters[1:], options, strict=True)))
        except Exception as error:
            self._explain(error, [*arrays, *options])
            raise
        if not any(isinstance(x, Tensor) for x in xs):
            return y
        y = np.asarray(y)
        parents = [x._edge if isinstance(x, Tensor) else None for x in xs]
        if flags & SILENT or not self.differentiable or not any(parents):
            return wrap(y)
        plan = self._plans.get(len(xs)) or self._plan(len(xs))
        node = Node()
        node.plan = plan
        node.parents = parents
        node.kept = plan.keep([arrays, *options, y])
        node.shape = y.shape
        node.dtype = y.dtype
        node.versions = {i: x._version for i, x in enumerate(xs) if isinstance(x, Tensor) and x._version is not None}
        node.clock = EDITS.now
        return wrap(y, node)

    def _plan(self, mask: int) -> Plan:
        plan = self._plans[mask] = VariadicPlan(self, (0,))  # one for each number of inputs
        plan.count = mask
        return plan

    def _labels(self, arrays: Sequence[Any]) -> list[str]:
        count = len(arrays) - len(self.parameters) + 1
        return [*(f"{self.parameters[0]}[{i}]" for i in range(count)), *self.parameters[1:]]
