"""Where a classifier errs: which classes it takes for which, and on which images it is surest and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError


def confusion_matrix(labels: ArrayLike, scores: ArrayLike | Tensor) -> NDArray[np.int64]:
    """How many images of each class (row) were taken for each class (column).

    scores: what the model gives, logits or probabilities; the class with the largest one is what it says.

    Shapes: labels (N,) class numbers; scores (N, classes) -> (classes, classes).

    Raises: ShapeError where the two do not fit; ArgumentError for a label that is no class, or for no images.

    Example:
        >>> confusion_matrix([0, 1, 1], [[2.0, 1.0], [0.0, 3.0], [5.0, 0.0]])
        array([[1, 0],
               [1, 1]])
    """
    truth, given = checked("confusion_matrix", labels, scores)
    counts = np.zeros((given.shape[1],) * 2, np.int64)
    np.add.at(counts, (truth, given.argmax(axis=1)), 1)
    return counts


def worst_mistakes(labels: ArrayLike, scores: ArrayLike | Tensor, count: int = 8) -> NDArray[np.int64]:
    """The numbers of the images that were misclassified with the largest loss -log p(label), the worst first.

    scores: logits, before any softmax.

    Shapes: labels (N,) class numbers; scores (N, classes) -> (at most count,).

    Raises: as `confusion_matrix`; ArgumentError for a count below 1.

    Example:
        >>> worst_mistakes([0, 0, 1], [[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
        array([1, 2])
    """
    if count < 1:
        raise ArgumentError(f"worst_mistakes: count must be at least 1, got {count}")
    truth, given = checked("worst_mistakes", labels, scores)
    loss = -np.log(np.maximum(probabilities(given)[np.arange(len(truth)), truth], 1e-300))
    wrong = np.flatnonzero(given.argmax(axis=1) != truth)
    return wrong[np.argsort(-loss[wrong], kind="stable")][:count].astype(np.int64)


def probabilities(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """The softmax of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.floating] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def checked(feature: str, labels: Any, scores: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels and scores as arrays that fit each other."""
    truth = np.asarray(labels.data if isinstance(labels, Tensor) else labels)
    given = np.asarray(scores.data if isinstance(scores, Tensor) else scores)
    if given.ndim != 2 or truth.shape != given.shape[:1]:
        raise ShapeError(
            f"{feature}: expects labels (N,) and scores (N, classes), got shapes {truth.shape} and {given.shape}"
        )
    if not len(truth):
        raise ArgumentError(f"{feature}: expects at least one image, got none")
    if truth.dtype.kind not in "iu" or given.dtype.kind not in "fiu":
        raise ArgumentTypeError(
            f"{feature}: expects class numbers and scores, got arrays of {truth.dtype} and {given.dtype}"
        )
    outside = truth[(truth < 0) | (truth >= given.shape[1])]
    if len(outside):
        raise ArgumentError(f"{feature}: labels expect classes from 0 to {given.shape[1] - 1}, got {outside[0]}")
    return truth.astype(np.int64), given.astype(np.float64)
