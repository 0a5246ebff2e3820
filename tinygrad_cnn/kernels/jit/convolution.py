"""The convolution, its gradients, and what follows it: which of the compiled kernels runs, and when NumPy's does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import depthwise, direct, direct_gradient, line_gradient, winograd
from tinygrad_cnn.kernels.jit.activations import relu
from tinygrad_cnn.kernels.jit.layouts import FLOATS
from tinygrad_cnn.kernels.jit.pooling import relu_max_pool2d
from tinygrad_cnn.kernels.settings import SETTINGS

FEW = 4  # outputs of a group, up to which NumPy is faster

Array = NDArray[Any]


def conv2d(x: Array, w: Array, b: Array | None, window: Window, groups: int = 1) -> Array:
    """As in `kernels.numpy`."""
    if not _is_compiled(x, len(w), groups):
        return reference.conv2d(x, w, b, window, groups)
    if _takes_winograd(w, window, groups):
        return winograd.conv2d(x, w, b, window, False)
    if depthwise.suits(w, groups):
        return depthwise.conv2d(x, w, b, window)
    return direct.conv2d(x, w, b, window, groups, False)


def conv2d_relu(x: Array, w: Array, b: Array | None, window: Window, groups: int = 1) -> Array:
    """As in `kernels.numpy`."""
    if not _is_compiled(x, len(w), groups):
        return reference.conv2d_relu(x, w, b, window, groups)
    if _takes_winograd(w, window, groups):
        return winograd.conv2d(x, w, b, window, True)
    if depthwise.suits(w, groups):
        return relu(depthwise.conv2d(x, w, b, window))
    return direct.conv2d(x, w, b, window, groups, True)


def conv2d_relu_max_pool2d(
    x: Array, w: Array, b: Array | None, window: Window, groups: int, pool: Window
) -> tuple[Array, NDArray[np.uint8]]:
    """As in `kernels.numpy`."""
    if not _is_compiled(x, len(w), groups):
        return reference.conv2d_relu_max_pool2d(x, w, b, window, groups, pool)
    if _takes_winograd(w, window, groups) and winograd.pools(window, pool):
        return winograd.conv2d_pooled(x, w, b, window, pool)
    if depthwise.suits(w, groups):
        return relu_max_pool2d(depthwise.conv2d(x, w, b, window), pool)
    return direct.conv2d_pooled(x, w, b, window, groups, pool)


def conv2d_input_grad(g: Array, w: Array, window: Window, groups: int = 1) -> Array:
    """As in `kernels.numpy`."""
    if not _is_compiled(g, len(w), groups):
        return reference.conv2d_input_grad(g, w, window, groups)
    if _takes_winograd(w, window, groups):
        return winograd.conv2d_input_grad(g, w, window)
    if depthwise.suits(w, groups):
        return depthwise.conv2d_input_grad(g, w, window)
    return direct.conv2d_input_grad(g, w, window, groups)


def conv2d_weight_grad(x: Array, g: Array, window: Window, groups: int = 1) -> Array:
    """As in `kernels.numpy`."""
    if not _is_compiled(x, g.shape[1], groups):
        return reference.conv2d_weight_grad(x, g, window, groups)
    if x.dtype == np.float32 and groups == 1 and SETTINGS.winograd and winograd.suits(window, x.shape[1], g.shape[1]):
        return winograd.conv2d_weight_grad(x, g, window)
    if groups > 1 and x.shape[1] == g.shape[1] == groups:
        return depthwise.conv2d_weight_grad(x, g, window)
    if line_gradient.suits(window, groups, x, g.shape[1]):
        return line_gradient.weight_grad(x, g, window)
    return direct_gradient.weight_grad(x, g, window, groups)


def _is_compiled(x: Array, outputs: int, groups: int) -> bool:
    few = 1 < groups != outputs and outputs // groups < FEW  # most lanes of a vector would be idle
    return x.dtype in FLOATS and x.size > 0 and not few


def _takes_winograd(w: Array, window: Window, groups: int) -> bool:
    outputs, inputs = w.shape[:2]
    return w.dtype == np.float32 and groups == 1 and SETTINGS.winograd and winograd.suits(window, inputs, outputs)
