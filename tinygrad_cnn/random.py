"""Named random generators: one stream per purpose, so that no purpose shifts the numbers of another.

Seeding: the bits of a generator depend on the seed and on its name only. Drawing more initial weights therefore
changes neither the shuffling nor the dropout masks of the same seed.
"""

from __future__ import annotations

import hashlib
import operator
import secrets
import threading

import numpy as np

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError


def fork(seed: int, name: str) -> np.random.Generator:
    """A new generator for (seed, name) that shares no state with any other.

    The entropy is SHA-256("seed:name"): stable across runs, machines and Python's hash randomisation.

    Raises: ArgumentError for a negative seed; ArgumentTypeError where seed is no integer or name no string.

    Example:
        >>> bool(fork(0, "shuffle").random() == fork(0, "shuffle").random())
        True
        >>> bool(fork(0, "shuffle").random() == fork(0, "weights").random())
        False
    """
    return np.random.Generator(_bit_generator(_checked_seed("fork", seed), _checked_name("fork", name)))


def manual_seed(seed: int) -> None:
    """Set the seed of the whole process and restart every named generator from it.

    A generator that somebody already holds restarts too: `generator(name)` stays the same object for the life of the
    process. Until the first call the seed is fresh entropy, so unseeded runs differ.

    Raises: ArgumentError for a negative seed; ArgumentTypeError where seed is no integer.

    Example:
        >>> manual_seed(7)
        >>> first = generator("dropout").random()
        >>> manual_seed(7)
        >>> bool(generator("dropout").random() == first)
        True
    """
    _named.restart(_checked_seed("manual_seed", seed))


def generator(name: str) -> np.random.Generator:
    """The process-wide generator of that name: made at first use, advanced by every draw.

    After `manual_seed(seed)` it gives the bits of `fork(seed, name)`. Threads may share it, but the order in which
    they draw is theirs: for reproducible threads give each its own `fork`. Its `spawn` method does not follow
    `manual_seed`; use `fork` for independent streams.

    Raises: ArgumentTypeError where name is no string.

    Example:
        >>> manual_seed(7)
        >>> bool(generator("dropout").random() == fork(7, "dropout").random())
        True
        >>> generator("dropout") is generator("dropout")
        True
    """
    return _named.get(_checked_name("generator", name))


class _NamedGenerators:
    """The process-wide seed and the generators made from it, behind one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seed = secrets.randbits(128)
        self._generators: dict[str, np.random.Generator] = {}

    def get(self, name: str) -> np.random.Generator:
        with self._lock:
            if name not in self._generators:
                self._generators[name] = np.random.Generator(_bit_generator(self._seed, name))
            return self._generators[name]

    def restart(self, seed: int) -> None:
        with self._lock:
            self._seed = seed
            for name, existing in self._generators.items():
                with existing.bit_generator.lock:  # a draw in another thread sees the old state or the new, no mixture
                    existing.bit_generator.state = _bit_generator(seed, name).state


_named = _NamedGenerators()


def _bit_generator(seed: int, name: str) -> np.random.PCG64:
    # PCG64 by its name, not default_rng: NumPy may change its default, and the bits of a seed with it.
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "little")))


def _checked_seed(operation: str, seed: int) -> int:
    try:
        value = operator.index(seed)
    except TypeError:
        raise ArgumentTypeError(
            f"{operation}: seed expects an integer, got {type(seed).__name__}; pass e.g. seed=0"
        ) from None
    if value < 0:
        raise ArgumentError(f"{operation}: seed expects an integer >= 0, got {value}; pass e.g. seed={-value}")
    return value


def _checked_name(operation: str, name: str) -> str:
    if not isinstance(name, str):
        raise ArgumentTypeError(
            f"{operation}: name expects a string, got {type(name).__name__}; pass e.g. name='shuffle'"
        )
    return name
