"""What the kernels are told to do, by the environment or by `use` and `set_num_threads`."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError

BACKENDS = ("numpy", "jit")


@dataclass(slots=True)
class Settings:
    """backend: a name of BACKENDS, or None to take the fastest that is installed. threads: None for one a core."""

    backend: str | None
    threads: int | None
    winograd: bool = True


def from_environment() -> Settings:
    """The settings of TINYGRAD_CNN_KERNELS and TINYGRAD_CNN_THREADS.

    Raises: ArgumentError where one of them holds what it cannot mean.
    """
    backend = os.environ.get("TINYGRAD_CNN_KERNELS") or None
    threads = os.environ.get("TINYGRAD_CNN_THREADS") or None
    if backend is not None:
        checked_backend(backend, "TINYGRAD_CNN_KERNELS")
    if threads is not None and (not threads.isdecimal() or int(threads) < 1):
        raise ArgumentError(f"TINYGRAD_CNN_THREADS must be a positive integer, got {threads!r}")
    return Settings(backend, None if threads is None else int(threads))


def checked_backend(name: object, what: str) -> str:
    """Raises: ArgumentError for what is not the name of a backend."""
    if name not in BACKENDS:
        raise ArgumentError(f"{what} must be one of {', '.join(BACKENDS)}, got {name!r}")
    return str(name)


def available_cores() -> int:
    """The cores this process may run on, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def checked_threads(count: object) -> int:
    """Raises: ArgumentTypeError or ArgumentError for what is not a positive integer."""
    if type(count) is not int:
        raise ArgumentTypeError(f"set_num_threads: expects an int, got {count!r}")
    if count < 1:
        raise ArgumentError(f"set_num_threads: expects at least 1 thread, got {count}")
    return count


SETTINGS = from_environment()


def num_threads() -> int:
    """How many threads one kernel runs on."""
    return SETTINGS.threads or available_cores()
