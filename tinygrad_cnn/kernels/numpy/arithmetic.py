"""Arithmetic between large arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def combine(ufunc: np.ufunc, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """ufunc(a, b), with NumPy's broadcasting and dtypes.

    Example:
        >>> combine(np.add, np.array([1.0, 2.0]), np.array([3.0])).tolist()
        [4.0, 5.0]
    """
    result: NDArray[Any] = ufunc(a, b)
    return result


def add_to(total: NDArray[Any], addend: NDArray[Any]) -> None:
    """total += addend, in place.

    Example:
        >>> total = np.array([1.0, 2.0])
        >>> add_to(total, np.array([3.0]))
        >>> total.tolist()
        [4.0, 5.0]
    """
    total += addend
