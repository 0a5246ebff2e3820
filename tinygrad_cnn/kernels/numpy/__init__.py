"""The kernels in plain NumPy: readable, always there, and the reference for every other backend."""

from __future__ import annotations

from tinygrad_cnn.kernels.numpy.activations import (
    elu,
    elu_grad,
    gelu,
    gelu_grad,
    gelu_tanh,
    gelu_tanh_grad,
    hardswish,
    hardswish_grad,
    leaky_relu,
    leaky_relu_grad,
    relu,
    relu_grad,
    sigmoid,
    sigmoid_grad,
    silu,
    silu_grad,
    tanh,
    tanh_grad,
)
from tinygrad_cnn.kernels.numpy.arithmetic import add_to, combine
from tinygrad_cnn.kernels.numpy.channels import channel_sums, pixel_sums
from tinygrad_cnn.kernels.numpy.classification import cross_entropy, cross_entropy_grad
from tinygrad_cnn.kernels.numpy.convolution import conv2d, conv2d_input_grad, conv2d_weight_grad, fold, unfold
from tinygrad_cnn.kernels.numpy.layers import conv2d_relu, conv2d_relu_max_pool2d
from tinygrad_cnn.kernels.numpy.normal_distribution import normal_cdf
from tinygrad_cnn.kernels.numpy.normalisation import (
    normalise,
    normalise_grads,
    normalise_relu,
    normalise_relu_grads,
    scale_channels,
)
from tinygrad_cnn.kernels.numpy.padding import fold_border, pad_around
from tinygrad_cnn.kernels.numpy.pooling import (
    avg_pool2d,
    avg_pool2d_input_grad,
    max_pool2d,
    max_pool2d_gather,
    max_pool2d_scatter,
    relu_max_pool2d,
    relu_max_pool2d_grad,
)
from tinygrad_cnn.kernels.numpy.products import linear, linear_grads
from tinygrad_cnn.kernels.numpy.selection import select
from tinygrad_cnn.kernels.numpy.spans import dual, max_of_spans, sum_spans
from tinygrad_cnn.kernels.numpy.updates import adagrad_step, adam_step, momentum_step, rmsprop_step, sgd_step

__all__ = [
    "adagrad_step",
    "adam_step",
    "add_to",
    "avg_pool2d",
    "avg_pool2d_input_grad",
    "channel_sums",
    "combine",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_relu",
    "conv2d_relu_max_pool2d",
    "conv2d_weight_grad",
    "cross_entropy",
    "cross_entropy_grad",
    "dual",
    "elu",
    "elu_grad",
    "fold",
    "fold_border",
    "gelu",
    "gelu_grad",
    "gelu_tanh",
    "gelu_tanh_grad",
    "hardswish",
    "hardswish_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "linear",
    "linear_grads",
    "max_of_spans",
    "max_pool2d",
    "max_pool2d_gather",
    "max_pool2d_scatter",
    "momentum_step",
    "normal_cdf",
    "normalise",
    "normalise_grads",
    "normalise_relu",
    "normalise_relu_grads",
    "pad_around",
    "pixel_sums",
    "relu",
    "relu_grad",
    "relu_max_pool2d",
    "relu_max_pool2d_grad",
    "rmsprop_step",
    "scale_channels",
    "select",
    "sgd_step",
    "sigmoid",
    "sigmoid_grad",
    "silu",
    "silu_grad",
    "sum_spans",
    "tanh",
    "tanh_grad",
    "unfold",
]
