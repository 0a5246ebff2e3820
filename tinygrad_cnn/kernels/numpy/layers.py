"""A convolution and what follows it in most networks, as one function: other backends do it in one go over memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.numpy.convolution import conv2d
from tinygrad_cnn.kernels.numpy.pooling import relu_max_pool2d


def conv2d_relu(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any] | None, window: Window, groups: int = 1
) -> NDArray[Any]:
    """relu(conv2d(x, w, b))."""
    y = conv2d(x, w, b, window, groups)
    np.maximum(y, 0, out=y)
    return y


def conv2d_relu_max_pool2d(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any] | None, window: Window, groups: int, pool: Window
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """relu_max_pool2d(conv2d(x, w, b), pool), which also says which pixels of `pool` it takes.

    Where a maximum is 0 no gradient passes, and any tap may stand: other backends may look for it after relu.
    """
    return relu_max_pool2d(conv2d(x, w, b, window, groups), pool)
