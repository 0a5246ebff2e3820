"""Small calls that have every compiled function compiled, for each dtype that it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.geometry import window
from tinygrad_cnn.kernels import jit
from tinygrad_cnn.kernels.jit.layouts import FLOATS
from tinygrad_cnn.kernels.jit.sharing import LINE, work
from tinygrad_cnn.kernels.numpy.normalisation import Layout

Calls = dict[str, Callable[[], Any]]

N, SIDE = 2, 8  # of the images
SIZE = (SIDE, SIDE)
MANY = 16  # channels with which Winograd's algorithm runs, where that may
WIDE = 1024  # features with which a product is not left to NumPy
LONG = 1 << 17  # elements with which an activation is not


def calls() -> Calls:
    """Calls of kernels by what they have compiled, in the order in which they are best made."""
    desk = np.zeros(LINE, np.int64)
    named: Calls = {"threads": lambda: work(desk.ctypes.data, 0)}
    for dtype in FLOATS:
        for family in (_convolutions, _products, _poolings, _normalisations, _elementwise, _updates):
            named.update({f"{name}, {dtype}": call for name, call in family(dtype).items()})
    return named


def _images(channels: int, dtype: DTypeLike, size: tuple[int, int] = SIZE) -> Any:
    return np.ones((N, channels, *size), dtype)


def _convolutions(dtype: DTypeLike) -> Calls:
    def directions(channels: int, name: str, groups: int = 1) -> Calls:
        x, b = _images(channels, dtype), np.ones(channels, dtype)
        w = np.ones((channels, channels // groups, 3, 3), dtype)
        same, halves = window("warm_up", SIZE, 3, 1, 1), window("warm_up", SIZE, 2, 2, 0)
        return {
            f"conv2d{name}": lambda: jit.conv2d(x, w, b, same, groups),
            f"conv2d_relu_max_pool2d{name}": lambda: jit.conv2d_relu_max_pool2d(x, w, b, same, groups, halves),
            f"conv2d_input_grad{name}": lambda: jit.conv2d_input_grad(x, w, same, groups),
            f"conv2d_weight_grad{name}": lambda: jit.conv2d_weight_grad(x, x, same, groups),
        }

    strided = window("warm_up", SIZE, 3, 2, 1)
    x, g, w = _images(3, dtype), _images(3, dtype, strided.output_size), np.ones((3, 3, 3, 3), dtype)
    return {
        **directions(3, ""),
        **directions(3, ", depthwise", groups=3),
        "conv2d_input_grad, strided": lambda: jit.conv2d_input_grad(g, w, strided),
        "conv2d_weight_grad, strided": lambda: jit.conv2d_weight_grad(x, g, strided),
        **(directions(MANY, ", by Winograd's algorithm") if dtype == np.float32 else {}),
        "channel_sums": lambda: jit.channel_sums(g),
        "pixel_sums": lambda: jit.pixel_sums(np.ones((N, SIDE, SIDE, 2 * MANY), dtype).transpose(0, 3, 1, 2)),
    }


def _products(dtype: DTypeLike) -> Calls:
    def both(features: int, name: str) -> Calls:
        x, w, b = np.ones((4, features), dtype), np.ones((features, features), dtype), np.ones(features, dtype)
        return {
            f"linear{name}": lambda: jit.linear(x, w, b, True),
            f"linear_grads{name}": lambda: jit.linear_grads(x, x, w, x, (True, True, True)),
        }

    return {**both(WIDE, ""), **both(4, ", small")}


def _poolings(dtype: DTypeLike) -> Calls:
    x = _images(3, dtype)
    halves, overlapping = window("warm_up", SIZE, 2, 2, 0), window("warm_up", SIZE, 3, 2, 1)
    g = _images(3, dtype, halves.output_size)
    index, taps = np.zeros(g.shape, np.int32), np.zeros(g.shape, np.uint8)
    return {
        "max_pool2d": lambda: jit.max_pool2d(x, halves),
        "max_pool2d_gather": lambda: jit.max_pool2d_gather(x, index),
        "max_pool2d_scatter": lambda: jit.max_pool2d_scatter(g, index, SIZE),
        "avg_pool2d": lambda: jit.avg_pool2d(x, halves),
        "avg_pool2d_input_grad": lambda: jit.avg_pool2d_input_grad(g, halves),
        "avg_pool2d_input_grad, overlapping": lambda: jit.avg_pool2d_input_grad(g, overlapping),
        "relu_max_pool2d": lambda: jit.relu_max_pool2d(x, halves),
        "relu_max_pool2d_grad": lambda: jit.relu_max_pool2d_grad(g, g, taps, halves),
    }


def _normalisations(dtype: DTypeLike) -> Calls:
    x, w = _images(3, dtype), np.ones(3, dtype)
    layout = Layout((N, 3, SIDE * SIDE), (0, 2), (1, 3, 1))
    mean = var = np.ones(layout.scale, dtype)
    return {
        "normalise": lambda: jit.normalise(x, w, w, layout, 1.0),
        "normalise_grads": lambda: jit.normalise_grads(x, x, w, layout, 1.0, mean, var),
        "normalise_relu": lambda: jit.normalise_relu(x, w, w, layout, 1.0),
        "normalise_relu_grads": lambda: jit.normalise_relu_grads(x, x, w, w, layout, 1.0, mean, var),
    }


def _elementwise(dtype: DTypeLike) -> Calls:
    x, scores, labels = np.ones(LONG, dtype), np.ones((N, 3), dtype), np.zeros(N, np.int64)
    return {
        "combine": lambda: jit.combine(np.add, x, x),
        "relu": lambda: jit.relu(x),
        "relu_grad": lambda: jit.relu_grad(x, x),
        "gelu": lambda: jit.gelu(x),
        "gelu_grad": lambda: jit.gelu_grad(x, x),
        "cross_entropy": lambda: jit.cross_entropy(scores, labels),
        "cross_entropy_grad": lambda: jit.cross_entropy_grad(np.ones((), dtype), scores, labels),
    }


def _updates(dtype: DTypeLike) -> Calls:
    def steps(p: Any, name: str) -> Calls:
        g, m, v = (np.ones_like(p) for _ in "gmv")
        return {
            f"sgd_step{name}": lambda: jit.sgd_step(p, g, 0.1, 0.0),
            f"momentum_step{name}": lambda: jit.momentum_step(p, g, v, 0.1, 0.0, 0.9, 1.0, False),
            f"adam_step{name}": lambda: jit.adam_step(p, g, m, v, None, 1.0, 0.0, 0.9, 0.999, 0.1, 1e-8),
        }

    return {**steps(np.ones(3, dtype), ""), **steps(np.ones((3, 3), dtype), ", matrices")}
