"""Sums over everything but the channels, the gradient of what is added to each channel, and over pixels alone."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


def channel_sums(g: NDArray[Any]) -> NDArray[Any]:
    """The sum of g over all axes but the second.

    Shapes: g (N, C) or (N, C, H, W) -> (C,). Dtype: that of g.

    Example:
        >>> import numpy as np
        >>> channel_sums(np.arange(8.0).reshape(2, 2, 2, 1)).tolist()
        [10.0, 18.0]
    """
    sums: NDArray[Any] = g.sum(axis=0) if g.ndim == 2 else g.sum(axis=(2, 3)).sum(axis=0)
    return sums


def pixel_sums(x: NDArray[Any]) -> NDArray[Any]:
    """The sum of x over its last two axes.

    Shapes: x (N, C, H, W) -> (N, C). Dtype: that of x.

    Example:
        >>> import numpy as np
        >>> pixel_sums(np.arange(8.0).reshape(2, 2, 2, 1)).tolist()
        [[1.0, 5.0], [9.0, 13.0]]
    """
    sums: NDArray[Any] = x.sum(axis=(2, 3))
    return sums
