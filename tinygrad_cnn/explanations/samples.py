"""Small examples, of whole numbers where the operation lets them stay whole, and the arguments of a user as float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError

Array = NDArray[Any]
IMAGE_SIZE, KERNEL_SIZE, POOL_SIZE = 5, 3, 2

_PIXELS = (1, 3, 0, 2, 1, 2, 0, 4, 4, 1, 0, 2, 4, 1, 3, 3, 1, 2, 0, 2, 1, 0, 3, 1)
_FILTER = (1, 0, -1, 2, 1, 0, -1, 2, 1, 0, 1, -2)
_WEIGHTS = (1, 2, -1, 3, -2, 1, 2)
_REALS = (-1.5, -0.5, 0.0, 0.5, 2.0)


def whole(shape: tuple[int, ...], pattern: tuple[float, ...]) -> Array:
    """An array filled with a pattern, again and again."""
    return np.resize(np.array(pattern, np.float64), shape)


def image(size: int = IMAGE_SIZE) -> Array:
    """(1, 1, size, size), with equal pixels side by side, so that max pooling meets a tie."""
    return whole((1, 1, size, size), _PIXELS)


def filters(kernel: int = KERNEL_SIZE) -> Array:
    """(1, 1, kernel, kernel)."""
    return whole((1, 1, kernel, kernel), _FILTER)


def bias() -> Array:
    """(1,)."""
    return np.ones(1)


def loss_weights(shape: tuple[int, ...]) -> Array:
    """G, the derivative of the loss in each output; none is 0."""
    return whole(shape, _WEIGHTS)


def reals() -> Array:
    """Some numbers below, at and above 0."""
    return np.array(_REALS)


def array_of(operation: str, name: str, value: Any, *ndims: int) -> Array:
    """An argument as a float64 array, of one of the numbers of dimensions, where those are given.

    Raises: DTypeError for what holds no numbers, ShapeError for another number of dimensions, ArgumentError where
    there are none at all, or NaN and infinities.
    """
    array = np.asarray(value.data if isinstance(value, Tensor) else value)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"explain: {operation} expects numbers as {name}, got {array.dtype}")
    if ndims and array.ndim not in ndims:
        expected = " or ".join(map(str, ndims))
        raise ShapeError(f"explain: {operation} expects {name} of {expected} dimensions, got shape {array.shape}")
    if array.size == 0:
        raise ArgumentError(f"explain: {operation} expects elements in {name}, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ArgumentError(f"explain: {operation} expects finite numbers in {name}, got NaN or infinity")
    return array.astype(np.float64)


def batch_of(operation: str, name: str, value: Any) -> Array:
    """Images (N, C, H, W); one image (C, H, W) is a batch of one."""
    array = array_of(operation, name, value, 3, 4)
    return array[None] if array.ndim == 3 else array
