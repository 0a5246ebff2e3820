"""Arrays in, arrays out: the loops of a convolutional network, as plain functions on ndarrays.

They know no Tensor and no graph, and trust their callers: sizes come in a `Window` that `tinygrad_cnn.geometry` has
validated, and all the float arrays of one call share a dtype, which is the result's. Any memory layout will do, a batch
may be empty, no input is written to, and no result shares memory with one.
"""

from __future__ import annotations

from tinygrad_cnn.kernels.numpy.convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, fold, unfold
from tinygrad_cnn.kernels.numpy.normal_distribution import normal_cdf
from tinygrad_cnn.kernels.numpy.normalisation import Layout, normalise, normalise_grads
from tinygrad_cnn.kernels.numpy.padding import BORDERS, fold_border, pad_around
from tinygrad_cnn.kernels.numpy.pooling import (
    avg_pool2d,
    avg_pool2d_input_grad,
    max_pool2d,
    max_pool2d_gather,
    max_pool2d_scatter,
)
from tinygrad_cnn.kernels.numpy.selection import select
from tinygrad_cnn.kernels.numpy.spans import dual, max_of_spans, sum_spans

__all__ = [
    "BORDERS",
    "Layout",
    "avg_pool2d",
    "avg_pool2d_input_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "dual",
    "fold",
    "fold_border",
    "max_of_spans",
    "max_pool2d",
    "max_pool2d_gather",
    "max_pool2d_scatter",
    "normal_cdf",
    "normalise",
    "normalise_grads",
    "pad_around",
    "select",
    "sum_spans",
    "unfold",
]
