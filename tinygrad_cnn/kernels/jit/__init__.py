"""The kernels that Numba compiles: those of `kernels.numpy` again, faster. What is missing here, NumPy does."""

from __future__ import annotations

from tinygrad_cnn.kernels.jit.activations import (
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
from tinygrad_cnn.kernels.jit.affine import linear, linear_grads
from tinygrad_cnn.kernels.jit.arithmetic import add_to, combine
from tinygrad_cnn.kernels.jit.channels import channel_sums, pixel_sums
from tinygrad_cnn.kernels.jit.classification import cross_entropy, cross_entropy_grad
from tinygrad_cnn.kernels.jit.convolution import (
    conv2d,
    conv2d_input_grad,
    conv2d_relu,
    conv2d_relu_max_pool2d,
    conv2d_weight_grad,
)
from tinygrad_cnn.kernels.jit.normalisation import (
    normalise,
    normalise_grads,
    normalise_relu,
    normalise_relu_grads,
    scale_channels,
)
from tinygrad_cnn.kernels.jit.pooling import (
    avg_pool2d,
    avg_pool2d_input_grad,
    max_pool2d,
    max_pool2d_gather,
    max_pool2d_scatter,
    relu_max_pool2d,
    relu_max_pool2d_grad,
)
from tinygrad_cnn.kernels.jit.updates import adam_step, momentum_step, sgd_step

__all__ = [
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
    "elu",
    "elu_grad",
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
    "max_pool2d",
    "max_pool2d_gather",
    "max_pool2d_scatter",
    "momentum_step",
    "normalise",
    "normalise_grads",
    "normalise_relu",
    "normalise_relu_grads",
    "pixel_sums",
    "relu",
    "relu_grad",
    "relu_max_pool2d",
    "relu_max_pool2d_grad",
    "scale_channels",
    "sgd_step",
    "sigmoid",
    "sigmoid_grad",
    "silu",
    "silu_grad",
    "tanh",
    "tanh_grad",
]
