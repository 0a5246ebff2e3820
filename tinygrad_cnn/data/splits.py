"""Taking a stated number of samples, and saying so clearly where there are fewer."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError


class Labelled(NamedTuple):
    """Images and their labels, with the words that an error uses for them ("the 60000 training images of ...")."""

    images: NDArray[Any]
    labels: NDArray[np.int64]
    what: str


def first(operation: str, part: Labelled, argument: str, count: int | None) -> Labelled:
    """The first `count` samples of a part, or all of them where count is None."""
    if count is None:
        return part
    available = len(part.images)
    if count > available:
        raise ArgumentError(
            f"{operation}: {argument}={count} asks for more than the {available} {part.what}; "
            f"pass {argument}={available} or fewer"
        )
    return part._replace(images=part.images[:count], labels=part.labels[:count])


def first_then_next(operation: str, part: Labelled, *, test: int, train: int) -> tuple[Labelled, Labelled]:
    """(training, test): the test set is the first `test` samples of one part, the training set the next `train`."""
    available = len(part.images)
    if test + train > available:
        raise ArgumentError(
            f"{operation}: test={test} and train={train} ask together for {test + train} of the {available} "
            f"{part.what}; pass numbers that add up to {available} or less"
        )
    rows = slice(test, test + train)
    return (
        part._replace(images=part.images[rows], labels=part.labels[rows]),
        part._replace(images=part.images[:test], labels=part.labels[:test]),
    )


def check_count(operation: str, argument: str, count: int | None) -> int | None:
    """The count, where it is None or a whole number of at least 1.

    Raises: ArgumentTypeError or ArgumentError where it is not.
    """
    if count is None:
        return None
    try:
        value = operator.index(count)
    except TypeError:
        raise ArgumentTypeError(
            f"{operation}: {argument} expects a whole number of images or None, got {type(count).__name__}"
        ) from None
    if value < 1:
        raise ArgumentError(f"{operation}: {argument} expects at least 1 image, got {value}; leave it out to take all")
    return value
