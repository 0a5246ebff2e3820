"""How an update runs over an array: in place, in blocks that stay in the cache, with memory that is used again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

BLOCK = 16384  # elements: six float32 arrays of this size fit into the L2 cache of one core


class Blocks:
    """Runs elementwise updates, and owns the two scratch arrays that they may overwrite."""

    def __init__(self) -> None:
        self._memory: dict[str, Array] = {}
        self._scratch: dict[tuple[tuple[int, ...], str], tuple[Array, Array]] = {}

    def __reduce__(self) -> tuple[type[Blocks], tuple[()]]:
        return Blocks, ()  # a copy of an optimiser makes scratch memory of its own

    def run(
        self, update: Callable[..., None], first: Array, others: tuple[Array | None, ...], *coefficients: float
    ) -> None:
        """Call `update(s, t, first, *others, *coefficients)`, with scratch arrays s and t, block of rows by block.

        The arrays have one shape and dtype, and what the update does to one row does not depend on the others. It makes
        several passes over its arrays; over a block that fits into the cache all passes but the first are fast. None
        stands for an array that this update does without.
        """
        if first.size <= BLOCK:
            update(*self._scratch_like(first), first, *others, *coefficients)
            return
        rows = max(1, BLOCK * len(first) // first.size)
        for start in range(0, len(first), rows):
            block = first[start : start + rows]
            blocks = [None if other is None else other[start : start + rows] for other in others]
            update(*self._scratch_like(block), block, *blocks, *coefficients)

    def _scratch_like(self, array: Array) -> tuple[Array, Array]:
        dtype = array.dtype.char
        views = self._scratch.get((array.shape, dtype))
        if views is None:
            if dtype not in self._memory or self._memory[dtype].shape[1] < array.size:
                self._memory[dtype] = np.empty((2, array.size), array.dtype)
                self._scratch.clear()  # views of the memory that is given up
            s, t = self._memory[dtype][:, : array.size]
            views = self._scratch[array.shape, dtype] = s.reshape(array.shape), t.reshape(array.shape)
        return views


def with_decay(gradient: Array, parameter: Array, decay: float, out: Array) -> Array:
    """gradient + decay parameter, the gradient of the loss with decay / 2 |parameter|^2 added to it."""
    if not decay:
        return gradient
    np.multiply(parameter, decay, out=out)
    out += gradient
    return out


def buffer(state: dict[str, Any], name: str, like: Array, value: float = 0) -> Array:
    """The array of that name in the state of a parameter, made, filled with `value`, at its first use."""
    if name not in state:
        state[name] = np.full_like(like, value)
    array: Array = state[name]
    return array
