"""How the kernels are compiled: by Numba, without Python's lock, once for each dtype, and kept on disk.

Numba's own cache forgets a function when the file it stands in changes. Ours call each other across files, and inline
what they call, so here a function is forgotten when any file of this package changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

# Sums may be taken in another order and products fused with sums, but NaN, infinities and signed zeros are kept.
FAST_MATH = {"contract", "reassoc"}

FUNCTIONS: list[Any] = []  # all that Python calls


@lru_cache(1)
def _stamp() -> str:
    """What changes with the source of any kernel."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stamped(locator: Any) -> Any:
    """A locator of Numba's that looks in the same place, and heeds the stamp of the package."""
    return type(locator.__name__, (locator,), {"get_source_stamp": lambda self: _stamp()})


class _FilesOfOneStamp(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_stamped(locator) for locator in caching.CompileResultCacheImpl._locator_classes]  # noqa: RUF012


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _FilesOfOneStamp


def compiled(function: Callable[..., Any]) -> Any:
    """The function, compiled at its first call with arguments of new types."""
    dispatcher = numba.njit(nogil=True, fastmath=FAST_MATH, error_model="numpy", boundscheck=False)(function)
    with suppress(RuntimeError):  # there is no folder that may be written to: each process compiles anew
        dispatcher._cache = _Cache(function)
    FUNCTIONS.append(dispatcher)
    return dispatcher


def inlined(function: Callable[..., Any], fast_math: Any = FAST_MATH) -> Any:
    """A function that only compiled ones call: LLVM sees it with its callers, and nothing is kept of it alone."""
    return numba.njit(nogil=True, fastmath=fast_math, error_model="numpy", boundscheck=False)(function)


def cache_folder() -> str | None:
    """Where compiled functions are kept, if they are."""
    folder: str | None = getattr(FUNCTIONS[0]._cache, "cache_path", None)
    return folder
