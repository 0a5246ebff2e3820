"""Which dtype an elementwise operation has: PyTorch's promotion, on NumPy dtypes.

The highest category present (boolean, integer, floating) decides. Within it arrays with dimensions come before 0-d
arrays, and scalars, Python's and NumPy's alike, never promote an array of their own category. So no float32 array turns
into float64 because of a constant, a label or an index beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tinygrad_cnn.core.primitives import Primitive

DEFAULT_FLOAT = np.dtype(np.float32)
_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def as_array(value: Any) -> np.ndarray[Any, Any]:
    """`value` as an ndarray: arrays keep their dtype, Python floats become float32."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    array = np.asarray(value)
    return array.astype(DEFAULT_FLOAT) if array.dtype == np.float64 and not _holds_float64(value) else array


def _holds_float64(value: Any) -> bool:
    """Whether a nested list holds NumPy values that were float64 on purpose."""
    if isinstance(value, list | tuple):
        return any(map(_holds_float64, value))
    return isinstance(value, np.ndarray | np.generic) and value.dtype == np.float64


def promoted(values: Sequence[Any]) -> np.dtype[Any]:
    """The common dtype of arrays and scalars.

    Example:
        >>> promoted([np.ones(3, np.float32), np.float64(2)]), promoted([np.ones(3, np.int64), 0.5])
        (dtype('float32'), dtype('float32'))
    """
    best: tuple[int, int] = (-1, -1)  # (category, 2 with dimensions | 1 a 0-d array | 0 a scalar)
    dtypes: list[np.dtype[Any]] = []
    for value in values:
        array = as_array(value)
        tier = 2 if array.ndim else 1 if isinstance(value, np.ndarray) else 0
        rank = (_CATEGORY.get(array.dtype.kind, 4), tier)
        dtype = DEFAULT_FLOAT if tier == 0 and array.dtype.kind == "f" else array.dtype
        if rank > best:
            best, dtypes = rank, [dtype]
        elif rank == best:
            dtypes.append(dtype)
    return np.result_type(*dtypes)


def settled(primitive: Primitive, y: Any, arrays: list[Any]) -> list[Any]:
    """The arguments of an elementwise call in the dtype they ought to have; the same list where NumPy's `y` has it."""
    operands = [i for i, name in enumerate(primitive.parameters) if name in primitive.differentiable]
    if not operands:
        return arrays
    target = promoted([arrays[i] for i in operands])
    if y.dtype.kind == "f" and target.kind != "f":  # 1 / 2, exp(1): a fraction of integers
        target = DEFAULT_FLOAT
    if y.dtype == target or y.dtype.kind == "b":
        return arrays
    return [np.asarray(a, target) if i in operands or isinstance(a, np.floating) else a for i, a in enumerate(arrays)]
