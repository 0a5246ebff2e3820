"""Which kernels run: those of NumPy, always there, or those that Numba compiles, where it is installed.

The choice is made when the first kernel is asked for, not at import: importing Numba takes a third of a second.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn.errors import MissingDependencyError
from tinygrad_cnn.kernels.settings import SETTINGS, num_threads

Functions = dict[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Info:
    """What runs, and why. vector_bits: of the registers that the compiled kernels use; None for NumPy's kernels."""

    backend: str
    reason: str
    threads: int
    winograd: bool
    vector_bits: int | None

    def __str__(self) -> str:
        width = f", {self.vector_bits}-bit vectors" if self.vector_bits else ""
        winograd = "" if self.winograd else ", without Winograd"
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"kernels: {self.backend} ({self.reason}), {threads}{width}{winograd}"


def chosen() -> tuple[str, str]:
    """The backend that runs, and the reason.

    Raises: MissingDependencyError where compiled kernels are asked for and Numba is missing.
    """
    if SETTINGS.backend == "numpy":
        return "numpy", "as asked for"
    try:
        importlib.import_module("tinygrad_cnn.kernels.jit")
    except ImportError as error:  # missing, or not made for this NumPy
        if SETTINGS.backend == "jit":
            raise MissingDependencyError(
                f"the jit kernels need numba, which does not import ({error}): pip install 'tinygrad_cnn[fast]'"
            ) from error
        return "numpy", f"numba does not import: {error}; pip install 'tinygrad_cnn[fast]' for faster ones"
    return "jit", "as asked for" if SETTINGS.backend == "jit" else "numba is installed"


def functions(names: list[str]) -> Functions:
    """The kernels of those names in the backend that runs; what it does not have itself is NumPy's."""
    reference = importlib.import_module("tinygrad_cnn.kernels.numpy")
    backend = importlib.import_module(f"tinygrad_cnn.kernels.{chosen()[0]}")
    return {name: getattr(backend, name, None) or getattr(reference, name) for name in names}


def info() -> Info:
    """What runs, and why.

    Example:
        >>> from tinygrad_cnn import kernels
        >>> with kernels.use("numpy"):
        ...     kernels.info().backend
        'numpy'
    """
    backend, reason = chosen()
    bits = None
    if backend == "jit":
        bits = 8 * importlib.import_module("tinygrad_cnn.kernels.jit.vectors").HOST.size
    return Info(backend, reason, num_threads(), SETTINGS.winograd, bits)
