"""Arrays in, arrays out: the loops of a convolutional network, as plain functions on ndarrays.

They know no Tensor and no graph, and trust their callers: sizes come in a `Window` that `tinygrad_cnn.geometry` has
validated, and all the float arrays of one call share a dtype, which is the result's. Any memory layout will do, a batch
may be empty, no input is written to, and no result shares memory with one.

There are two backends of the same functions: `numpy`, the readable reference, and `jit`, compiled by Numba and taken
where that is installed. Callers write `kernels.conv2d(...)`, by the module: the name stands for the backend's function
from the first use on, and for another one's after `use`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.kernels import backends
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.backends import Info, info
from tinygrad_cnn.kernels.memory import empty_cache
from tinygrad_cnn.kernels.numpy.normalisation import Layout
from tinygrad_cnn.kernels.numpy.padding import BORDERS
from tinygrad_cnn.kernels.settings import SETTINGS, checked_backend, checked_threads, num_threads

if TYPE_CHECKING:
    from tinygrad_cnn.kernels.numpy import *  # noqa: F403

KERNELS = reference.__all__

__all__ = [
    *KERNELS,
    "BORDERS",
    "Info",
    "Layout",
    "empty_cache",
    "info",
    "num_threads",
    "set_num_threads",
    "use",
]


def __getattr__(name: str) -> Any:
    if name in KERNELS:
        globals().update(backends.functions(KERNELS))
        return globals()[name]
    raise AttributeError(f"module 'tinygrad_cnn.kernels' has no attribute {name!r}")


class use:  # noqa: N801  (a call for its effect, or a block)
    """Let the kernels of `backend` run from now on, or, as a context manager, until its block ends; for all threads.

    backend: "numpy", "jit", or None to keep the one that runs.
    winograd: whether 3x3 convolutions of float32 may take Winograd's algorithm, about twice as fast as the direct one
    and less exact by half a digit (relative errors of 1e-6 instead of 3e-7); None to keep what is set.

    Raises: ArgumentError for another backend; MissingDependencyError for "jit" where Numba is missing.

    Example:
        >>> from tinygrad_cnn import kernels
        >>> with use("numpy"):
        ...     print(kernels.info().backend)
        numpy
    """

    def __init__(self, backend: str | None = None, *, winograd: bool | None = None) -> None:
        if winograd is not None and not isinstance(winograd, bool):
            raise ArgumentTypeError(f"use: winograd expects a bool, got {winograd!r}")
        self._before = SETTINGS.backend, SETTINGS.winograd
        self._set(
            SETTINGS.backend if backend is None else checked_backend(backend, "use: backend"),
            SETTINGS.winograd if winograd is None else winograd,
        )

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._set(*self._before)

    def _set(self, backend: str | None, winograd: bool) -> None:
        before = SETTINGS.backend
        SETTINGS.backend = backend
        try:
            globals().update(backends.functions(KERNELS))
        except BaseException:
            SETTINGS.backend = before
            raise
        SETTINGS.winograd = winograd


def set_num_threads(count: int) -> None:
    """How many threads one compiled kernel runs on: by default TINYGRAD_CNN_THREADS, or one for each core.

    The same number gives the same bits. NumPy's own products run on the threads of its BLAS library.

    Raises: ArgumentTypeError or ArgumentError for what is not a positive integer.
    """
    SETTINGS.threads = checked_threads(count)
