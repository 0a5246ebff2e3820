"""The four operations on large arrays that lie alike in memory; NumPy does all others.

NumPy takes one thread, and new memory for each result, whose page faults cost more than the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.jit.elementwise import in_one_pass
from tinygrad_cnn.kernels.jit.lanes import load, some, store, width
from tinygrad_cnn.kernels.jit.layouts import FLOATS
from tinygrad_cnn.kernels.jit.microkernel import pointer
from tinygrad_cnn.kernels.jit.sharing import shared

ADD, SUBTRACT, MULTIPLY, DIVIDE = range(4)

NUMBERS: dict[Any, int] = {np.add: ADD, np.subtract: SUBTRACT, np.multiply: MULTIPLY, np.divide: DIVIDE}

Array = NDArray[Any]


def combine(ufunc: np.ufunc, a: Array, b: Array) -> Array:
    """As in `kernels.numpy`."""
    number = NUMBERS.get(ufunc)
    if number is None or not _alike(a, b):
        result: Array = ufunc(a, b)
        return result
    return in_one_pass(_combine, (a, b), number)


def add_to(total: Array, addend: Array) -> None:
    """As in `kernels.numpy`."""
    if _alike(total, addend):
        in_one_pass(_combine, (total, addend), ADD, into=total)
    else:
        total += addend


def _alike(a: Array, b: Array) -> bool:
    """Whether both are of one shape and dtype, and both contiguous or both channels-last."""
    if a.shape != b.shape or a.strides != b.strides or a.dtype != b.dtype or a.dtype not in FLOATS:
        return False
    if not (a.flags.writeable and b.flags.writeable):
        return False
    return a.flags.c_contiguous or (a.ndim == 4 and a.transpose(0, 2, 3, 1).flags.c_contiguous)


@shared
def _combine(a, b, y, which, part, start, stop):
    A, B, Y = pointer(a, 0), pointer(b, 0), pointer(y, 0)
    for i in range(start, stop, width(Y)):
        here = some(stop - i, Y)
        u, v = load(A, i, here), load(B, i, here)
        if which == ADD:
            w = u + v
        elif which == SUBTRACT:
            w = u - v
        elif which == MULTIPLY:
            w = u * v
        else:
            w = u / v
        store(w, Y, i, here)
