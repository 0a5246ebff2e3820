"""Mini-batches of arrays that belong together."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.random import generator as named_generator


class BatchLoader:
    """Mini-batches of one or more arrays along their first axis; every iteration is one epoch.

    With `shuffle`, each iteration draws a new order and yields contiguous copies: from `generator`, which implies it,
    or else from the generator named "shuffle". Without, the batches come in order and are views: editing a batch edits
    the array. `drop_last` leaves out a last batch that is not full.

    Shapes: every array (N, ...); a batch is a tuple of (batch_size, ...), the last one smaller where N leaves a rest.
    Raises: ShapeError where the first axes differ; ArgumentError for batch_size < 1 or no array; ArgumentTypeError
    where batch_size is no integer or generator no `numpy.random.Generator`.

    Example:
        >>> images, labels = np.zeros((5, 1, 8, 8)), np.arange(5)
        >>> for x, y in BatchLoader(images, labels, batch_size=2):
        ...     print(x.shape, y)
        (2, 1, 8, 8) [0 1]
        (2, 1, 8, 8) [2 3]
        (1, 1, 8, 8) [4]
    """

    def __init__(
        self,
        *arrays: ArrayLike,
        batch_size: int,
        shuffle: bool = False,
        generator: np.random.Generator | None = None,
        drop_last: bool = False,
    ) -> None:
        self.batch_size = _checked_batch_size(batch_size)
        self.generator = _checked_generator(named_generator("shuffle") if shuffle and generator is None else generator)
        self.arrays = tuple(np.asarray(array) for array in arrays)
        if self.generator is not None:  # of an array in another layout, `take` would first copy all, for every batch
            self.arrays = tuple(np.asarray(array, order="C") for array in self.arrays)
        self.drop_last = drop_last
        _check_lengths(self.arrays)

    def __len__(self) -> int:
        """The number of batches in one epoch."""
        samples = len(self.arrays[0])
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[tuple[NDArray[Any], ...]]:
        samples = len(self.arrays[0])
        order = None if self.generator is None else self.generator.permutation(samples)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = slice(start, start + self.batch_size)
            if order is None:
                yield tuple(array[rows] for array in self.arrays)
            else:
                yield tuple(array.take(order[rows], axis=0) for array in self.arrays)


def _checked_batch_size(batch_size: int) -> int:
    try:
        size = operator.index(batch_size)
    except TypeError:
        raise ArgumentTypeError(
            f"BatchLoader: batch_size expects an integer, got {type(batch_size).__name__}"
        ) from None
    if size < 1:
        raise ArgumentError(f"BatchLoader: batch_size expects at least 1, got {size}")
    return size


def _checked_generator(generator: np.random.Generator | None) -> np.random.Generator | None:
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise ArgumentTypeError(
            f"BatchLoader: generator expects a numpy.random.Generator, got {type(generator).__name__}; "
            "pass e.g. tinygrad_cnn.random.fork(0, 'shuffle')"
        )
    return generator


def _check_lengths(arrays: tuple[NDArray[Any], ...]) -> None:
    if not arrays:
        raise ArgumentError("BatchLoader: expects at least one array, got none; pass e.g. images, labels")
    shapes = ", ".join(str(array.shape) for array in arrays)
    if any(array.ndim == 0 for array in arrays):
        raise ShapeError(f"BatchLoader: expects arrays with a first axis to batch along, got the shapes {shapes}")
    if len({len(array) for array in arrays}) > 1:
        raise ShapeError(f"BatchLoader: expects arrays of one length, got the shapes {shapes}; pair them up first")
