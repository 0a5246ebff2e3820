"""Compiled functions on disk: a file for each function and signature, named after all that the machine code depends on.

Numba's own cache forgets a function when the file it stands in changes. Ours call each other across files, and inline
what they call, so a name holds a stamp of all their sources. Numba's also has an index, which is written before what it
points to: a process that ends between the two leaves an index that points to another function. Here a file is written
whole or not at all, and one that cannot be read, or written, is as good as none.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import caching
from numba.core.serialize import dumps

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.kernels.jit.vectors import HOST

DIGITS = 16  # of a digest in a name

_KERNELS = Path(__file__).parent.parent  # constants of NumPy's kernels are compiled in


@lru_cache(1)
def stamp() -> str | None:
    """What changes with the source of any kernel, the compiler and the registers; None where there are no files."""
    digest = hashlib.sha256(repr((numba.__version__, llvmlite.__version__, HOST)).encode())
    sources = sorted(path for folder in ("jit", "numpy") for path in (_KERNELS / folder).glob("*.py"))
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGITS] if sources else None


class DiskCache(caching.FunctionCache):  # type: ignore[misc]
    """What a dispatcher of Numba's loads compiled functions from, and saves them to.

    Raises: RuntimeError where there is no folder that may be written to.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _Files(Path(self._cache_path), self._impl.filename_base)

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # a full disk costs a compilation in the next process
            super().save_overload(sig, data)


class _Files:
    """A file for each key, in the place of Numba's index."""

    def __init__(self, folder: Path, function: str) -> None:
        self._folder = folder
        self._function = function

    def load(self, key: Any) -> Any:
        with suppress(OSError, EOFError, pickle.UnpicklingError):
            return pickle.loads(self._path(key).read_bytes())
        return None

    def save(self, key: Any, data: Any) -> None:
        for path in self._folder.glob(f"{self._function}.*.nbc"):
            if f".{stamp()}." not in path.name:  # of sources that are no more
                path.unlink(missing_ok=True)
        with atomic_write(self._path(key)) as draft:
            draft.write_bytes(dumps(data))

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._function}.*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, key: Any) -> Path:
        digest = hashlib.sha256(repr(key).encode()).hexdigest()[:DIGITS]
        return self._folder / f"{self._function}.{stamp()}.{digest}.nbc"
