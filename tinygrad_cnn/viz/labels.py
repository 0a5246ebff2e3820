"""What drawings call things: shapes, numbers, and values by the names that users gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core import Tensor
from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.nn import Module


def facts(shape: Sequence[int], dtype: str) -> str:
    """The shape and the dtype.

    Example:
        >>> facts((64, 10), "float32"), facts((), "int64")
        ('(64, 10) float32', 'scalar int64')
    """
    return f"{tuple(shape) if shape else 'scalar'} {dtype}"


def sizes(shape: Sequence[int]) -> str:
    """The shape as an arrow bears it.

    Example:
        >>> sizes((64, 10)), sizes(())
        ('64\N{MULTIPLICATION SIGN}10', 'scalar')
    """
    return "\N{MULTIPLICATION SIGN}".join(map(str, shape)) or "scalar"


def counted(number: int) -> str:
    """A number digit by digit, from a million on with three of them.

    Example:
        >>> [counted(number) for number in (1, 1234, 999_999, 1_234_567, 15_470_264_320)]
        ['1', '1,234', '999,999', '1.23 M', '15.5 G']
    """
    for unit, size in (("G", 10**9), ("M", 10**6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,}"


def in_bytes(number: int) -> str:
    """A number of bytes in decimal units.

    Example:
        >>> [in_bytes(number) for number in (12, 2704, 1_234_567)]
        ['12 B', '2.7 kB', '1.23 MB']
    """
    if number < 1000:
        return f"{number} B"
    unit, size = next(
        ((unit, size) for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)) if number < 999.5 * size), ("TB", 1e12)
    )
    return f"{number / size:.3g} {unit}"


def keys_of(value: Any) -> tuple[int, ...]:
    """What tells a value from others: its edge in the graph, for two Tensors may share an array, and its array."""
    if not isinstance(value, Tensor):
        return (id(value),)
    return (id(value.data),) if value._edge is None else (id(value._edge), id(value.data))


def names_by_key(named: Mapping[str, Any]) -> dict[int, str]:
    """The name of each Tensor or array by its keys; where two names mean one value the first is kept."""
    names: dict[int, str] = {}
    for name, value in named.items():
        if not isinstance(value, Tensor | np.ndarray):
            raise ArgumentTypeError(f"graph: names[{name!r}] must be a Tensor or an array, got {type(value).__name__}")
        for key in keys_of(value):
            names.setdefault(key, name)
    return names


def names_in(model: Any) -> dict[str, Any]:
    """The parameters and buffers of a module by name; nothing for what is no module."""
    return dict([*model.named_parameters(), *model.named_buffers()]) if isinstance(model, Module) else {}
