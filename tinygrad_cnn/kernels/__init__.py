"""Arrays in, arrays out: the loops of a convolutional network, as plain functions on ndarrays.

They know no Tensor and no graph, and trust their callers: sizes come in a `Window` that `tinygrad_cnn.geometry` has
validated, and all the float arrays of one call share a dtype, which is the result's. Any memory layout will do, a batch
may be empty, no input is written to, and no result shares memory with one.
"""

from __future__ import annotations

from tinygrad_cnn.kernels.numpy.convolution import conv2d, conv2d_input_grad, conv2d_weight_grad
from tinygrad_cnn.kernels.numpy.pooling import (
    avg_pool2d,
    avg_pool2d_input_grad,
    max_pool2d,
    max_pool2d_gather,
    max_pool2d_scatter,
)

__all__ = [
    "avg_pool2d",
    "avg_pool2d_input_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "max_pool2d",
    "max_pool2d_gather",
    "max_pool2d_scatter",
]
