"""How the kernels are compiled: by Numba, without Python's lock, once for each dtype, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba

from tinygrad_cnn.kernels.jit.disk_cache import DiskCache, stamp

# Sums may be taken in another order and products fused with sums, but NaN, infinities and signed zeros are kept.
FAST_MATH = {"contract", "reassoc"}

FUNCTIONS: list[Any] = []  # all that Python calls


def compiled(function: Callable[..., Any]) -> Any:
    """The function, compiled at its first call with arguments of new types."""
    dispatcher = numba.njit(nogil=True, fastmath=FAST_MATH, error_model="numpy", boundscheck=False)(function)
    if stamp() is not None:
        with suppress(RuntimeError):  # there is no folder that may be written to: each process compiles anew
            dispatcher._cache = DiskCache(function)
    FUNCTIONS.append(dispatcher)
    return dispatcher


def inlined(function: Callable[..., Any], fast_math: Any = FAST_MATH) -> Any:
    """A function that only compiled ones call: LLVM sees it with its callers, and nothing is kept of it alone."""
    return numba.njit(nogil=True, fastmath=fast_math, error_model="numpy", boundscheck=False)(function)


def cache_folder() -> str | None:
    """Where compiled functions are kept, if they are."""
    folder: str | None = getattr(FUNCTIONS[0]._cache, "cache_path", None)
    return folder
