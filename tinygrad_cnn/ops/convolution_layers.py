"""A convolution with the relu, and the max pooling, that follow it in most networks: each as one operation.

    y = relu(conv2d(x, w, b))               dJ/d conv2d = g where y > 0, 0 elsewhere
    y = max_pool2d(relu(conv2d(x, w, b)))   dJ/d conv2d = g at the first maximum of each window where y > 0, 0 elsewhere

The derivatives in x, w and b then are those of `conv2d`. Neither the convolution's own output nor that of relu is kept,
or, in most kernels, ever written; of the pooling only which of a window's taps was the maximum, one byte for each.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.geometry import Pair, Sizes, window
from tinygrad_cnn.ops.convolution import _check, _conv2d
from tinygrad_cnn.ops.functions import _relu
from tinygrad_cnn.ops.pooling import _max_pool2d


@primitive
def _conv2d_relu(x, w, b, window, groups):
    return kernels.conv2d_relu(x, w, b, window, groups)


@primitive(saves=("taps",))
def _conv2d_relu_max_pool2d(x, w, b, window, groups, pool):
    return kernels.conv2d_relu_max_pool2d(x, w, b, window, groups, pool)


def _conv2d_relu_rule(g, x, w, y, window, groups, needs):
    return _conv2d_grads(kernels.relu_grad(g, y), x, w, window, groups, needs)


def _conv2d_relu_max_pool2d_rule(g, x, w, y, taps, window, groups, pool, needs):
    return _conv2d_grads(kernels.relu_max_pool2d_grad(g, y, taps, pool), x, w, window, groups, needs)


def _conv2d_grads(g, x, w, window, groups, needs):
    return (
        kernels.conv2d_input_grad(g, w, window, groups) if needs[0] else None,
        kernels.conv2d_weight_grad(x, g, window, groups) if needs[1] else None,
        kernels.channel_sums(g) if needs[2] else None,
    )


_conv2d_relu.defvjp(_conv2d_relu_rule, inputs=["x", "w", "b"])
_conv2d_relu_max_pool2d.defvjp(_conv2d_relu_max_pool2d_rule, inputs=["x", "w", "b"])


@_conv2d_relu.define
def _conv2d_relu_definition(x, w, b, window, groups):
    return _relu(_conv2d(x, w, b, window, groups))


@_conv2d_relu_max_pool2d.define
def _conv2d_relu_max_pool2d_definition(x, w, b, window, groups, pool):
    return _max_pool2d(_relu(_conv2d(x, w, b, window, groups)), pool)


def conv2d_relu(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """`relu(conv2d(...))` as one operation.

    Shapes, Units and Raises: as `conv2d` has them, for a batch. Gradient: derived at the top of this file.
    """
    _check("conv2d", input, weight, bias, groups)
    frame = window("conv2d", input.shape[2:], weight.shape[2:], stride, padding, dilation)
    return _conv2d_relu(input, weight, bias, frame, groups)


def conv2d_relu_max_pool2d(
    input: Any,
    weight: Any,
    bias: Any,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
    pool: Pair,
) -> Tensor | None:
    """`max_pool2d(relu(conv2d(...)), pool)` as one operation; None where the pooling does not fit.

    pool: the size of windows that do not overlap, and of at most 256 pixels.

    Shapes, Units and Raises: as `conv2d` has them, for a batch. Gradient: derived at the top of this file.
    """
    _check("conv2d", input, weight, bias, groups)
    frame = window("conv2d", input.shape[2:], weight.shape[2:], stride, padding, dilation)
    (KH, KW), (OH, OW) = pool, frame.output_size
    if KH > OH or KW > OW or KH * KW > 256:
        return None
    pooled = window("max_pool2d", frame.output_size, pool, pool, 0)
    return _conv2d_relu_max_pool2d(input, weight, bias, frame, groups, pooled)
