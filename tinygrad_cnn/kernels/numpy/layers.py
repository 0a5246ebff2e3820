"""A convolution and what follows it in most networks, as one function.

It goes through the batch in the chunks of the convolution: what follows reads each output while that is in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.memory import empty
from tinygrad_cnn.kernels.numpy.convolution import chunks, conv2d
from tinygrad_cnn.kernels.numpy.pooling import relu_max_pool2d


def conv2d_relu(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any] | None, window: Window, groups: int = 1
) -> NDArray[Any]:
    """relu(conv2d(x, w, b))."""
    y = empty((len(x), len(w), *window.output_size), x.dtype)
    for images in chunks(x, window):
        np.maximum(conv2d(x[images], w, b, window, groups), 0, out=y[images])
    return y


def conv2d_relu_max_pool2d(
    x: NDArray[Any], w: NDArray[Any], b: NDArray[Any] | None, window: Window, groups: int, pool: Window
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """relu_max_pool2d(conv2d(x, w, b), pool), which also says which pixels of `pool` it takes.

    Where a maximum is 0 no gradient passes, and any tap may stand: other backends may look for it after relu.
    """
    y = empty((len(x), len(w), *pool.output_size), x.dtype)
    taps = np.empty(y.shape, np.uint8)
    for images in chunks(x, window):
        y[images], taps[images] = relu_max_pool2d(conv2d(x[images], w, b, window, groups), pool)
    return y, taps
