"""One image, or one signal, where an operation expects a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from tinygrad_cnn.ops.shapes import _reshape

Function = TypeVar("Function", bound=Callable[..., Any])


def also_unbatched(ndim: int) -> Callable[[Function], Function]:
    """Let an operation whose input has `ndim` dimensions take one without the batch's too, and return it so."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def widened(input: Any, *args: Any, **kwargs: Any) -> Any:
            if len(input.shape) != ndim - 1:
                return function(input, *args, **kwargs)
            result = function(_reshape(input, (1, *input.shape)), *args, **kwargs)
            return tuple(_first(part) for part in result) if isinstance(result, tuple) else _first(result)

        return cast(Function, widened)

    return decorate


def _first(batch: Any) -> Any:
    return _reshape(batch, batch.shape[1:])
