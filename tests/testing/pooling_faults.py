"""Faults in pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers
from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.ops import pooling

GENERATOR = np.random.default_rng(6)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


def distinct(*shape: int) -> Array:
    """Numbers no two of which are near each other."""
    return GENERATOR.permutation(np.arange(float(np.prod(shape)))).reshape(shape) / 10


def every_maximum(g: Any, x: Any, y: Any, window: Window) -> Any:
    """The whole gradient to each element that ties, as comparing with the maximum gives it."""
    d = np.zeros_like(x)
    for rows in window.taps[0]:
        for columns in window.taps[1]:
            d[:, :, rows, columns] += g * (x[:, :, rows, columns] == y)
    return d


def scatter_assigned(g: Any, index: Any, x: Any) -> Any:
    d = np.zeros((*x.shape[:2], x.shape[2] * x.shape[3]))
    np.put_along_axis(d, index.reshape(*g.shape[:2], -1), numbers(g).reshape(*g.shape[:2], -1), 2)
    return d.reshape(x.shape)


def border_counts(g: Any, window: Window) -> Any:
    """Each window's gradient divided by the number of its pixels, those of the border left out."""
    inside = kernels.avg_pool2d(np.ones((1, 1, *window.size)), window)
    return pooling._avg_pool2d_input_grad(g / inside, window)


def pooled_remainder_in_front(g: Any, window: Window) -> Any:
    down, across = window.unread
    read = replace(window, size=(window.size[0] - down, window.size[1] - across))
    return tg.pad(pooling._avg_pool2d_input_grad(g, read), (across, 0, down, 0))


def pool(size: Any, kernel: Any, stride: Any, padding: Any = 0) -> Window:
    return window("pool", size, kernel, stride, padding)


def one_tie() -> Array:
    x = distinct(1, 1, 10, 10)
    x[0, 0, 4, 6] = x[0, 0, 5, 7] = 20.0
    return x


def twice_largest() -> Array:
    """One pixel is the maximum of several windows, every other of one at most."""
    x: Array = (
        np.add.outer(np.arange(13.0) % 4, np.arange(13.0) % 4).reshape(1, 1, 13, 13) + distinct(1, 1, 13, 13) / 100
    )
    x[0, 0, 5, 6] = 30.0
    return x


@tg.primitive
def global_average(x: Any) -> Any:
    return x.mean(axis=(2, 3))


global_average.defvjp(
    x=lambda g, x_shape: tg.broadcast_to(
        tg.reshape(g / (x_shape[2] * x_shape[3]), (*x_shape[:2], 1, 1)),
        x_shape,
    )
)

POOLING_FAULTS = [
    PlantedFault(
        "max_pool2d: a tie gives the whole gradient to each",
        pooling._max_pool2d,
        {"x": every_maximum},
        (one_tie(), pool((10, 10), 2, 2)),
        "kink",
        tags=("rare",),
    ),
    PlantedFault(
        "max_pool2d: assigned where windows overlap",
        pooling._max_pool2d,
        {"x": scatter_assigned},
        (twice_largest(), pool((13, 13), 4, 3)),
        "add up",
        tags=("rare",),
    ),
    PlantedFault(
        "max_pool2d: the rule computed on arrays",
        pooling._max_pool2d,
        {"x": lambda g, index, window: kernels.max_pool2d_scatter(numbers(g), index, window.size)},
        (distinct(1, 1, 4, 4), pool((4, 4), 2, 2)),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "avg_pool2d: divided by KH KH",
        pooling._avg_pool2d,
        {"x": lambda g, window: pooling._avg_pool2d_input_grad(g * (window.kernel[1] / window.kernel[0]), window)},
        (normal(1, 2, 6, 6), pool((6, 6), (2, 3), (2, 3))),
        "constant factor of 1.5",
        tags=("geometry",),
        plain=(normal(1, 2, 6, 6), pool((6, 6), 2, 2)),
    ),
    PlantedFault(
        "avg_pool2d: the border left out of the count",
        pooling._avg_pool2d,
        {"x": border_counts},
        (normal(1, 1, 7, 7), pool((7, 7), 3, 2, 1)),
        "look at the padding",
    ),
    PlantedFault(
        "avg_pool2d: what the stride leaves over put in front",
        pooling._avg_pool2d,
        {"x": pooled_remainder_in_front},
        (normal(1, 2, 5, 7), pool((5, 7), 2, 2)),
        "shifted",
        tags=("geometry",),
        plain=(normal(1, 2, 4, 6), pool((4, 6), 2, 2)),
    ),
    PlantedFault(
        "global_average: divided by the height only",
        global_average,
        {"x": lambda g, x_shape: tg.broadcast_to(tg.reshape(g / x_shape[2], (*x_shape[:2], 1, 1)), x_shape)},
        (normal(2, 2, 3, 4),),
        "too large by the size 4",
    ),
]
