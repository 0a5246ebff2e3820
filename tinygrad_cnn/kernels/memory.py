"""Memory for the results of kernels, used again from step to step.

A large array from the operating system costs a page fault for every 4 KiB that is first written, often more than the
arithmetic on it; and one that does not start at a line of the cache makes every vector of it lie in two lines, which
halves the speed of a product. The pool therefore starts its arrays at a line, and keeps the blocks that it has handed
out. A block goes to the next caller only when nobody holds an array of it, nor a view of one: each view of an array
refers to the block it lies in, so that the block's reference count says so.

Memory is given back: a block that has not been asked for while ROUND others were is let go, and `empty_cache` lets all
idle blocks go at once.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALL = 1 << 12  # bytes: below, the allocator of the C library is as good, and where an array starts matters little
ROUND = 512  # requests, several training steps
ALIGNMENT = 64  # bytes, one line of the cache
IDLE = 2  # references to the memory of an idle block: its own, and the argument of getrefcount

Shape = tuple[int, ...]


class _Memory(np.ndarray[Any, Any]):
    """All bytes of a block.

    The array handed out refers to it and is of another type, past which NumPy does not look for the base of a view: so
    views refer to the array, and who asks who holds the array learns of them (`core.ownership.is_sole`).
    """

    lent_whole = True


class _Block:
    """Memory of which at most one array is handed out at a time."""

    __slots__ = ("asked", "memory", "offset")

    def __init__(self, size: int) -> None:
        self.memory = _Memory(size + ALIGNMENT, np.uint8)
        self.offset = -self.memory.ctypes.data % ALIGNMENT
        self.asked = True  # for, since the last round

    def is_idle(self) -> bool:
        return sys.getrefcount(self.memory) == IDLE


class Pool:
    """Blocks by size, in powers of 2 and three quarters of them, so that sizes that differ a little share."""

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Block]] = {}
        self._requests = 0
        self._lock = threading.Lock()

    def empty(self, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
        """An uninitialised C-contiguous array."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < SMALL:
            return np.empty(shape, dtype)
        with self._lock:
            block = self._idle_block(_rounded(size))
            return np.ndarray(shape, dtype, block.memory, block.offset)

    def empty_cache(self) -> None:
        """Let all blocks go that nobody holds."""
        with self._lock:
            for blocks in self._blocks.values():
                blocks[:] = [block for block in blocks if not block.is_idle()]

    def start_anew(self) -> None:
        """After a fork: the thread that held the lock may be no more."""
        self._lock = threading.Lock()

    @property
    def idle_bytes(self) -> int:
        """What the pool holds and nobody else does."""
        with self._lock:
            blocks = [block for same_size in self._blocks.values() for block in same_size]
            return sum(block.memory.nbytes for block in blocks if block.is_idle())

    def _idle_block(self, size: int) -> _Block:
        self._requests += 1
        if self._requests >= ROUND:
            self._end_round()
        blocks = self._blocks.setdefault(size, [])
        for block in blocks:
            if block.is_idle():
                block.asked = True
                return block
        blocks.append(_Block(size))
        return blocks[-1]

    def _end_round(self) -> None:
        self._requests = 0
        for blocks in self._blocks.values():
            blocks[:] = [block for block in blocks if block.asked or not block.is_idle()]
            for block in blocks:
                block.asked = False


def _rounded(size: int) -> int:
    power = 1 << (size - 1).bit_length()
    return power * 3 // 4 if size <= power * 3 // 4 else power


POOL = Pool()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.start_anew)


def empty(shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
    """An uninitialised C-contiguous array of the pool that all kernels share."""
    return POOL.empty(shape, dtype)


def empty_images(n: int, channels: int, size: tuple[int, int], dtype: DTypeLike) -> NDArray[Any]:
    """An uninitialised batch (N, C, H, W), channels-last in memory: its transpose (N, H, W, C) is contiguous."""
    return POOL.empty((n, *size, channels), dtype).transpose(0, 3, 1, 2)


def empty_cache() -> None:
    """Give back the memory that kernels keep for their next results."""
    POOL.empty_cache()
