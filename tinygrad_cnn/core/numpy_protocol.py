"""NumPy meets Tensors: `array * tensor` and `np.exp(tensor)` record, or refuse; nothing detaches silently."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.core.registry import OPS
from tinygrad_cnn.errors import ArgumentTypeError

_NAMES = {  # NumPy's name -> ours, where they differ
    "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div", "negative": "neg", "power": "pow",
    "absolute": "abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "rint": "round",
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor", "invert": "logical_not",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq", "not_equal": "ne",
}  # fmt: skip


def call_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The registered operation behind a ufunc. Raises: ArgumentTypeError where there is none, or options were given."""
    name = _NAMES.get(ufunc.__name__, ufunc.__name__)
    if method == "__call__" and not kwargs and name in OPS:
        return OPS[name](*inputs)
    if "out" in kwargs:
        raise ArgumentTypeError(
            f"np.{ufunc.__name__}: a Tensor cannot be written into an array in place (array += tensor, out=); "
            "write array = array + tensor, or use tensor.detach().numpy()"
        )
    call = f"np.{ufunc.__name__}" + (f".{method}" if method != "__call__" else "")
    raise ArgumentTypeError(
        f"{call}: not an operation on Tensors{_options(kwargs)}; use x.detach().numpy() for the array"
    )


def call_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function on constants, computed on their arrays; `__array__` refuses Tensors that require a gradient."""
    return function(*map(_unwrapped, args), **{name: _unwrapped(value) for name, value in kwargs.items()})


def _unwrapped(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return (list if isinstance(value, list) else tuple)(map(_unwrapped, value))
    return np.asarray(value) if hasattr(value, "__array_function__") and not isinstance(value, np.ndarray) else value


def _options(kwargs: dict[str, Any]) -> str:
    return f" with {', '.join(kwargs)}" if kwargs else ""
