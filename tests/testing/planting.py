"""How a fault is planted: a right operation, with one of its rules exchanged for a wrong one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, update_wrapper
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from tinygrad_cnn.core.plans import requests
from tinygrad_cnn.core.primitives import Primitive

Array = NDArray[np.float64]
Rule = Callable[..., Any]


@dataclass(frozen=True)
class PlantedFault:
    """One realistic slip in one operation.

    operation, argument: whose rule is at fault, for which input (by default those that `slip` replaces).
    hint: what the report's hint must say; '' where no pattern is known. order: at which it shows.
    tags: 'rare' (fewer than 5 % of the elements are wrong), 'geometry' (not to be seen at `plain`, where the kernel is
    square, and there is no remainder, group or dilation).
    """

    name: str
    primitive: Primitive
    slip: Mapping[str, Rule]
    inputs: tuple[Any, ...]
    hint: str
    operation: str = ""
    argument: str = ""
    order: int = 1
    tags: tuple[str, ...] = ()
    plain: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    definition: Rule | None = None

    def right(self) -> Callable[..., Any]:
        """The operation as it should be."""
        return _called(self.primitive, self.options)

    def faulty(self) -> Callable[..., Any]:
        """The operation with the slip."""
        return _called(slipped(self.primitive, self.slip, self.definition), self.options)

    def expected_operation(self) -> str:
        return self.operation or self.primitive.name

    def expected_argument(self) -> str:
        return self.argument or next(iter(self.slip), "")


def slipped(primitive: Primitive, slip: Mapping[str, Rule], definition: Rule | None = None) -> Primitive:
    """The same operation with other rules for some of its inputs, or another definition."""
    make: Any = tg.primitive
    if any(parameter == "xs" for parameter in primitive.parameters):
        copy = make(primitive.__wrapped__)
    else:
        options = {name: getattr(primitive, name) for name in ("saves", "elementwise", "views")}
        copy = make(**options)(primitive.__wrapped__)
    if primitive.joint_rule:
        copy.defvjp(jointly_slipped(primitive, slip), inputs=primitive.differentiable)
    else:
        copy.defvjp(**{**primitive.rules, **slip})
    if definition or primitive.definition:
        copy.define(definition or primitive.definition)
    return copy  # type: ignore[no-any-return]


def jointly_slipped(primitive: Primitive, slip: Mapping[str, Rule]) -> Rule:
    """The joint rule of `primitive`, with the cotangents of some inputs from other rules."""
    rules = [primitive.joint_rule, *slip.values()]
    asked = list(dict.fromkeys(name for rule in rules for name in requests(rule)))  # type: ignore[arg-type]

    def joint(g: Any, *values: Any) -> list[Any]:
        right, *wrong = (rule(g, *(values[asked.index(name)] for name in requests(rule))) for rule in rules)  # type: ignore[arg-type, misc]
        exchanged = dict(zip(slip, wrong, strict=True))
        return [exchanged.get(name, cotangent) for name, cotangent in zip(primitive.differentiable, right, strict=True)]

    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("g", *asked)]
    joint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return joint


def in_company(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The operation in the middle of a longer function, each of whose other rules is right."""

    def between(*inputs: Any) -> Any:
        before = [x * 1.1 if isinstance(x, tg.Tensor) else x for x in inputs]
        return tg.tanh(operation(*before) * 0.3) * 2.0

    return between


def numbers(x: Any) -> Any:
    """The bare array, whose derivative is lost: in a rule a slip that only the second order shows."""
    return x.data if isinstance(x, tg.Tensor) else x


def _called(primitive: Primitive, options: Mapping[str, Any]) -> Callable[..., Any]:
    if not options:
        return primitive
    return update_wrapper(partial(primitive, **options), primitive)
