"""Who else holds an array: what nobody else does may be written to, and given away without a copy.

Every variable, container and view that leads to an array counts as a reference to it, so CPython's counts know. How
many of them are due to the question itself differs between versions of Python; it is measured once, below.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

_of_array = _of_base = 1  # references while `is_sole` looks at an array held by one variable, and at its base


def is_sole(array: Any) -> bool:
    """Whether the one variable that is passed is all that leads to this array and its memory, and may write to it.

    The memory belongs to the array itself, to one that it is a view of all of, or to a pool that has lent all of it out
    (the attribute `lent_whole` of what it lies in says so).
    """
    if type(array) is not np.ndarray or getrefcount(array) != _of_array or not array.flags.writeable:
        return False
    owner, base = array, array.base
    if type(base) is np.ndarray:
        if getrefcount(base) != _of_base or base.size != array.size:
            return False
        owner, base = base, base.base
    return owner.flags.owndata if base is None else hasattr(base, "lent_whole")


def _measure() -> None:
    global _of_array, _of_base
    array, view = np.empty(2), np.empty(2).reshape(1, 2)
    while not is_sole(array):
        _of_array += 1
    while not is_sole(view):
        _of_base += 1


_measure()
