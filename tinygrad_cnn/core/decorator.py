"""The decorator that makes an array function an operation."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, overload

from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.core.variadic import VariadicPrimitive
from tinygrad_cnn.errors import ArgumentTypeError


@overload
def primitive(function: Callable[..., Any], /) -> Primitive: ...
@overload
def primitive(
    *, saves: Iterable[str] = (), elementwise: bool = False, views: bool = False
) -> Callable[[Callable[..., Any]], Primitive]: ...
def primitive(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make an array function an operation of its own: write it, add its rule, use it in a model.

    saves: names of residuals; the function then returns `(y, *residuals)` and rules may ask for them.
    elementwise: the function broadcasts; the engine sums cotangents back over the axes along which an input was copied.
    views: the output may share memory with the first input.

    A rule may be ordinary code over arrays and primitives; it then differentiates again, to any order.

    Raises: ArgumentTypeError where a parameter is named `y` or `needs`, which mean something else to rules.

    Example:
        >>> import numpy as np
        >>> import tinygrad_cnn as tg
        >>> @tg.primitive
        ... def cube(x):
        ...     return x**3
        >>> _ = cube.defvjp(x=lambda g, x: g * 3 * x**2)
        >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> cube(x).sum().backward()
        >>> x.grad.numpy().tolist()
        [3.0, 12.0]
    """
    if function is None:
        return lambda f: primitive(f, **options)
    first = next(iter(inspect.signature(function).parameters.values()), None)
    variadic = first is not None and first.kind is first.VAR_POSITIONAL
    if variadic and options:
        raise ArgumentTypeError(
            f"{function.__name__}: an operation of any number of inputs takes no {', '.join(options)}"
        )
    return (VariadicPrimitive if variadic else Primitive)(function, **options)
