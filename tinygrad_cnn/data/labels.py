"""Class labels as numbers, and as one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.errors import ArgumentError, DTypeError


def one_hot(labels: ArrayLike, num_classes: int, dtype: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
    """Labels as rows of zeros with a single 1.

    y[..., k] = 1 where labels[...] = k, else 0.

    Shapes: labels (...), result (..., num_classes); for classification (N,) and (N, num_classes).
    Raises: DTypeError where labels are not integers; ArgumentError for a label outside 0..num_classes-1.

    Example:
        >>> one_hot([2, 0], num_classes=3)
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """
    indices = np.asarray(labels)
    if indices.size == 0 and not isinstance(labels, np.ndarray):
        indices = indices.astype(np.int64)  # NumPy reads an empty list as floats
    if not np.issubdtype(indices.dtype, np.integer):
        raise DTypeError(f"one_hot: labels expects integers, got {indices.dtype}; pass labels.astype('int64')")
    if num_classes < 1:
        raise ArgumentError(f"one_hot: num_classes expects at least 1, got {num_classes}")
    if indices.size and (indices.min() < 0 or indices.max() >= num_classes):
        raise ArgumentError(
            f"one_hot: labels expects values in 0..{num_classes - 1}, got {indices.min()}..{indices.max()}; "
            "pass a larger num_classes or renumber the labels"
        )
    rows = np.zeros((*indices.shape, num_classes), dtype)
    np.put_along_axis(rows, indices[..., np.newaxis].astype(np.intp), 1, axis=-1)
    return rows
