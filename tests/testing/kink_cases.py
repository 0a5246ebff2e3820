"""Functions at and near their kinks: exact zeros and ties, and values 1e-12 to 1e-3 beside them.

Each case runs twice: with the package's operations, whose subgradients are right, and with broken ones, whose gradient
is none wherever a kink is within reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, slipped
from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.ops import arithmetic, functions, pooling, reductions

REACH = 2e-3  # the broken rules take for a tie, or for 0, whatever is nearer than this


@dataclass(frozen=True)
class KinkCase:
    """`function` takes the operations (RIGHT or one of BROKEN), then the inputs."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Array, ...]
    broken: Any

    def right(self, *inputs: Any) -> Any:
        return self.function(RIGHT, *inputs)

    def wrong(self, *inputs: Any) -> Any:
        return self.function(self.broken, *inputs)


# ---- the operations, right and broken

RIGHT = SimpleNamespace(
    relu=functions._relu,
    abs=functions._abs,
    maximum=arithmetic._maximum,
    minimum=arithmetic._minimum,
    amax=reductions._amax,
    max_pool2d=pooling._max_pool2d,
)


def every_near_maximum(g: Any, x: Any, y: Any, window: Window) -> Any:
    """The whole gradient to each element that is about as large as the largest."""
    padded = np.pad(x, ((0, 0), (0, 0), *window.padding), constant_values=-np.inf)
    d = np.zeros_like(padded)
    for rows in window.taps[0]:
        for columns in window.taps[1]:
            d[:, :, rows, columns] += g * (padded[:, :, rows, columns] > y - REACH)
    (top, _), (left, _) = window.padding
    return d[:, :, top : top + x.shape[2], left : left + x.shape[3]]


def near(a: Any, b: Any = 0.0) -> Any:
    return np.abs(a - b) < REACH


AT_KINKS = SimpleNamespace(
    relu=slipped(RIGHT.relu, {"x": lambda g, x: g * np.where(near(x), 1.5, x > 0)}),
    abs=slipped(RIGHT.abs, {"x": lambda g, x: g * np.where(near(x), 2.0, np.sign(x))}),
    maximum=slipped(
        RIGHT.maximum,
        {"a": lambda g, a, b: g * ((a > b) | near(a, b)), "b": lambda g, a, b: g * ((b > a) | near(a, b))},
    ),
    minimum=slipped(
        RIGHT.minimum,
        {"a": lambda g, a, b: g * ((a < b) | near(a, b)), "b": lambda g, a, b: g * ((b < a) | near(a, b))},
    ),
    amax=slipped(RIGHT.amax, {"x": lambda g, x, y: g * (x > y - REACH)}),
    max_pool2d=slipped(RIGHT.max_pool2d, {"x": every_near_maximum}),
)
EVERYWHERE = SimpleNamespace(
    relu=slipped(RIGHT.relu, {"x": lambda g, x: g * np.where(x > 0, 0.5, 0.0)}),
    abs=slipped(RIGHT.abs, {"x": lambda g, x: g * (2 * (x > 0) - 0.5)}),
    maximum=slipped(RIGHT.maximum, {"a": lambda g: g, "b": lambda g: g}),
    minimum=slipped(RIGHT.minimum, {"a": lambda g: g, "b": lambda g: g}),
    amax=slipped(RIGHT.amax, {"x": lambda g, x: g + 0 * x}),
    max_pool2d=slipped(RIGHT.max_pool2d, {"x": lambda g, x, y, window: 3 * every_near_maximum(g, x, y, window)}),
)

# ---- the functions


def relu_of_convolution(op: Any, x: Any, w: Any) -> Any:
    return op.relu(tg.conv2d(x, w))


def pool(op: Any, x: Any, kernel: Any, stride: Any, padding: Any = 0) -> Any:
    return op.max_pool2d(x, window("max_pool2d", x.shape[2:], kernel, stride, padding))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "relu": lambda op, x: op.relu(x),
    "abs": lambda op, x: op.abs(x),
    "relu(x) - relu(-x)": lambda op, x: op.relu(x) - op.relu(-x),
    "relu(x) x + abs(x)": lambda op, x: op.relu(x) * x + op.abs(x),
    "tanh(relu(x) w)": lambda op, x: tg.tanh(op.relu(x) * np.array([0.05, 0.1, 0.15])),
    "maximum": lambda op, a, b: op.maximum(a, b),
    "minimum": lambda op, a, b: op.minimum(a, b),
    "maximum(a, b) minimum(a, b)": lambda op, a, b: op.maximum(a, b) * 0.5 + op.minimum(a, b),
    "mean(abs(a - b))": lambda op, a, b: tg.mean(op.abs(a - b)),
    "hinge": lambda op, a, b: tg.sum(op.relu(b - a)),
    "amax": lambda op, x: op.amax(x, (1,), True),
    "amax - mean": lambda op, x: op.amax(x, (1,), True) - tg.mean(x, 1, True),
    "max_pool2d": lambda op, x: pool(op, x, 2, 2),
    "max_pool2d, overlapping": lambda op, x: pool(op, x, (2, 3), 1, (1, 1)),
    "max_pool2d(relu(x))": lambda op, x: pool(op, op.relu(x), 2, 1),
    "relu(conv2d(x, w))": relu_of_convolution,
    "max_pool2d(relu(conv2d(x, w)))": lambda op, x, w: pool(op, relu_of_convolution(op, x, w), 2, 1),
}

# ---- the inputs


def offsets(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Exact zeros, and numbers of both signs from 1e-12 to 1e-3."""
    beside = generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.uniform(-12, -3, shape)
    return np.where(generator.random(shape) < 0.4, 0.0, beside)


def about_zero(generator: np.random.Generator) -> tuple[Array, ...]:
    shape = (int(generator.integers(1, 3)), 3)
    kinky = generator.random(shape) < 0.6
    kinky.flat[0], kinky.flat[1] = True, False
    x = np.where(kinky, offsets(generator, shape), generator.normal(size=shape) * 10.0 ** generator.integers(-1, 2))
    x.flat[1] = abs(x.flat[1]) + 0.1
    return (x,)


def about_each_other(generator: np.random.Generator) -> tuple[Array, ...]:
    (difference,) = about_zero(generator)
    a = generator.normal(size=difference.shape) * 10.0 ** generator.integers(-1, 2)
    return a, a + difference


def tied_rows(generator: np.random.Generator) -> tuple[Array, ...]:
    x = generator.choice([0.0, 1.0], (2, 4)) + offsets(generator, (2, 4))
    x[0, :2] = 2.0, 2.0 + offsets(generator, ())
    return (x,)


def tied_images(generator: np.random.Generator) -> tuple[Array, ...]:
    x = generator.choice([-1.0, 0.0, 1.0], (1, 1, 3, 3)) + offsets(generator, (1, 1, 3, 3))
    x[0, 0, 0, :2] = 2.0, 2.0 + offsets(generator, ())
    return (x,)


def integers(generator: np.random.Generator) -> tuple[Array, ...]:
    """An image and filters. The first filter gives two outputs that tie, or nearly, and one that is 0, or nearly."""
    x = generator.integers(-1, 2, (1, 1, 3, 3)) + offsets(generator, (1, 1, 3, 3))
    w = generator.choice([-1.0, 1.0, 2.0], (2, 1, 2, 2))
    first, last = offsets(generator, (2,))
    x[0, 0, :2] = [[1, 1, 1 + first], [1, -1, 1]]
    x[0, 0, 2, 1:] = 1, -1 + last
    w[0] = 1.0
    return x, w


def inputs_of(name: str, generator: np.random.Generator) -> tuple[Array, ...]:
    if "conv2d" in name:
        return integers(generator)
    if "pool" in name:
        return tied_images(generator)
    if name.startswith("amax"):
        return tied_rows(generator)
    return about_each_other(generator) if FUNCTIONS[name].__code__.co_argcount == 3 else about_zero(generator)


def cases(seed: int, count: int) -> Iterator[KinkCase]:
    """`count` cases, of each function in turn."""
    generator = np.random.default_rng(seed)
    names = list(FUNCTIONS)
    for i in range(count):
        name = names[i % len(names)]
        broken = (AT_KINKS, EVERYWHERE)[i // len(names) % 2]
        yield KinkCase(name, FUNCTIONS[name], inputs_of(name, generator), broken)
