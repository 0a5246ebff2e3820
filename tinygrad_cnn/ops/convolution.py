"""The 2-d convolution of CNNs (a cross-correlation), and its two gradients.

With X the padded input and F the filters, the bias b added once per output channel,

    y[n,o,i,j] = sum_c sum_k sum_l X[n, c, i S + k D, j S + l D] F[o,c,k,l] + b[o]

is one trilinear form T(x, w, g) = <conv2d(x, w), g>. Fixing two of its arguments leaves a linear function of the third,
so its partial gradients are three primitives that differentiate into each other:

    conv2d             (x, w) -> y      x: conv2d_input_grad(g, w)     w: conv2d_weight_grad(x, g)
    conv2d_input_grad  (g, w) -> x      g: conv2d(u, w)                w: conv2d_weight_grad(u, g)
    conv2d_weight_grad (x, g) -> w      x: conv2d_input_grad(g, u)     g: conv2d(x, u)

    dJ/dX[n,c,p,q] = sum_o sum_(i,k: i S + k D = p) sum_(j,l: j S + l D = q) g[n,o,i,j] F[o,c,k,l]
    dJ/dF[o,c,k,l] = sum_n sum_i sum_j g[n,o,i,j] X[n, c, i S + k D, j S + l D]
    dJ/db[o]       = sum_n sum_i sum_j g[n,o,i,j]

One frozen `Window` (the input's size included) passes along unchanged.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError
from tinygrad_cnn.geometry import window
from tinygrad_cnn.ops.reductions import _sum


@primitive
def _conv2d(x, w, b, window, groups):
    return kernels.conv2d(x, w, b, window, groups)


@primitive
def _conv2d_input_grad(g, w, window, groups):
    return kernels.conv2d_input_grad(g, w, window, groups)


@primitive
def _conv2d_weight_grad(x, g, window, groups):
    return kernels.conv2d_weight_grad(x, g, window, groups)


_conv2d.defvjp(
    x=lambda g, w, window, groups: _conv2d_input_grad(g, w, window, groups),
    w=lambda g, x, window, groups: _conv2d_weight_grad(x, g, window, groups),
    b=lambda g: _sum(g, (0, 2, 3), False),
)
_conv2d_input_grad.defvjp(
    g=lambda u, w, window, groups: _conv2d(u, w, None, window, groups),
    w=lambda u, g, window, groups: _conv2d_weight_grad(u, g, window, groups),
)
_conv2d_weight_grad.defvjp(
    x=lambda u, g, window, groups: _conv2d_input_grad(g, u, window, groups),
    g=lambda u, x, window, groups: _conv2d(x, u, None, window, groups),
)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | str = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
) -> Tensor:
    """The inner product of each filter with each window of the input.

    Shapes: input (N, C, H, W), weight (O, C / groups, KH, KW), bias (O) -> (N, O, OH, OW), where
    OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.

    Units: stride, padding and dilation in pixels, an int or a pair (along H, along W); padding also 'same' or 'valid'.

    Gradient: derived at the top of this file. Rows and columns that the stride leaves unread get 0.

    Raises: ShapeError where channels or sizes do not fit, ArgumentError for a stride of 0 and the like.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", sections 2 and 4.

    Example:
        >>> import numpy as np
        >>> x = Tensor(np.ones((1, 1, 4, 4), np.float32))
        >>> conv2d(x, Tensor(np.ones((2, 1, 3, 3), np.float32)), padding=1).shape
        (1, 2, 4, 4)
    """
    if len(input.shape) != 4 or len(weight.shape) != 4:
        raise ShapeError(
            "conv2d: expects an input (N, C, H, W) and a weight (O, C, KH, KW), "
            f"got input {input.shape} and weight {weight.shape}"
        )
    _check_groups(input.shape, weight.shape, groups)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"conv2d: expects a bias of shape {weight.shape[:1]}, got {bias.shape}")
    for name, operand in (("weight", weight), ("bias", bias)):
        if operand is not None and operand.dtype != input.dtype:
            raise DTypeError(f"conv2d: input is {input.dtype}, {name} is {operand.dtype}; convert one of them")
    frame = window("conv2d", input.shape[2:], weight.shape[2:], stride, padding, dilation)
    return _conv2d(input, weight, bias, frame, groups)


def _check_groups(input_shape: tuple[int, ...], weight_shape: tuple[int, ...], groups: int) -> None:
    channels, filters, expected = input_shape[1], weight_shape[0], weight_shape[1]
    if groups < 1:
        raise ArgumentError(f"conv2d: groups must be at least 1, got {groups}")
    if channels != expected * groups:
        by_groups = f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"conv2d: weight expects {expected * groups} input channels{by_groups}, input has {channels} "
            f"(input {input_shape}, weight {weight_shape}); pass in_channels={channels}"
        )
    if filters % groups:
        raise ShapeError(f"conv2d: {filters} filters do not divide into {groups} groups")
