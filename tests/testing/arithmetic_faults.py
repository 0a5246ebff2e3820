"""Faults in arithmetic and in functions of one variable."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers
from tinygrad_cnn.ops import arithmetic, functions

GENERATOR = np.random.default_rng(1)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


def positive(*shape: int) -> Array:
    return GENERATOR.uniform(0.5, 2.0, shape)


def tied() -> tuple[Array, Array]:
    """Two arrays of which one pair in sixty is a tie."""
    a, b = normal(6, 10), normal(6, 10)
    b[2, 3] = a[2, 3]
    return a, b


def with_one_zero() -> Array:
    x = normal(5, 8)
    x[1, 6] = 0.0
    return x


def with_two_beyond(bound: float) -> Array:
    x = GENERATOR.uniform(-bound, bound, (6, 10))
    x[1, 2], x[4, 9] = -1.3 * bound, -1.7 * bound
    return x


# ---- operations of a user


@tg.primitive(elementwise=True)
def clip(x: Any, low: float, high: float) -> Any:
    return np.clip(x, low, high)


@tg.primitive
def decay(x: Any) -> Any:
    return np.exp(-2 * x)


@tg.primitive
def leaky_relu(x: Any) -> Any:
    return np.where(x > 0, x, 0.01 * x)


@tg.primitive
def softplus(x: Any) -> Any:
    return np.log1p(np.exp(x))


@tg.primitive
def huber(x: Any) -> Any:
    return np.where(np.abs(x) < 1.5, x * x / 2, 1.5 * (np.abs(x) - 0.75))


@tg.primitive
def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(0.8 * x))


@tg.primitive
def add_bias(x: Any, b: Any) -> Any:
    return x + b


def gelu_rule(g: Any, x: Any) -> Any:
    t = tg.tanh(0.8 * x)
    return g * (0.5 * (1 + t) + 0.4 * x * (1 - t * t))


clip.defvjp(x=lambda g, x, low, high: tg.where(x < low, 0.0, tg.where(x > high, 0.0, g)))
decay.defvjp(x=lambda g, y: -2 * g * y)
leaky_relu.defvjp(x=lambda g, x: tg.where(x > 0, g, 0.01 * g))
softplus.defvjp(x=lambda g, x: g * tg.sigmoid(x))
huber.defvjp(x=lambda g, x: g * tg.maximum(tg.minimum(x, 1.5), -1.5))
gelu.defvjp(x=gelu_rule)
add_bias.defvjp(x=lambda g: g, b=lambda g: tg.sum(g, 0))

# ---- the slips

ARITHMETIC_FAULTS = [
    PlantedFault("sub: the sign", arithmetic._sub, {"b": lambda g: g}, (normal(3, 4), normal(3, 4)), "sign"),
    PlantedFault(
        "mul: the other factor forgotten",
        arithmetic._mul,
        {"a": lambda g: g},
        (normal(3, 4), normal(3, 4)),
        "factor b is missing",
    ),
    PlantedFault(
        "mul: the other factor taken out of the graph",
        arithmetic._mul,
        {"a": lambda g, b: g * numbers(b)},
        (normal(3), normal(3)),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "div: divided by b, not by its square",
        arithmetic._div,
        {"b": lambda g, a, b: -g * a / b},
        (normal(3, 4), positive(3, 4)),
        "factor 1 / b is missing",
    ),
    PlantedFault(
        "pow: the exponent not lowered by one",
        arithmetic._pow,
        {"a": lambda g, a, b: g * b * a**b},
        (positive(3, 4), positive(3, 4)),
        "factor 1 / a is missing",
    ),
    PlantedFault(
        "pow: the logarithm forgotten",
        arithmetic._pow,
        {"b": lambda g, y: g * y},
        (positive(3, 4), positive(3, 4)),
        "factor log a is missing",
    ),
    PlantedFault(
        "pow: the logarithm of the exponent",
        arithmetic._pow,
        {"b": lambda g, b, y: g * y * tg.log(b)},
        (positive(3, 4), positive(3, 4)),
        "log a belongs where log b stands",
    ),
    PlantedFault(
        "maximum: a tie gives the whole gradient to both",
        arithmetic._maximum,
        {"a": lambda g, a, b: g * (a >= b), "b": lambda g, a, b: g * (b >= a)},
        tied(),
        "kink",
        tags=("rare",),
    ),
    PlantedFault(
        "minimum: the loser gets the gradient",
        arithmetic._minimum,
        {"a": lambda g, a, b: g * (a > b), "b": lambda g, a, b: g * (b > a)},
        (normal(3, 4), normal(3, 4)),
        "exchanged",
    ),
    PlantedFault(
        "where: the branches exchanged",
        arithmetic._where,
        {
            "a": lambda g, condition: tg.where(condition, 0.0, g),
            "b": lambda g, condition: tg.where(condition, g, 0.0),
        },
        (normal(2, 3), normal(2, 3), np.array([[True, False, True], [False, False, True]])),
        "exchanged",
    ),
    PlantedFault(
        "add_bias: summed over the wrong axis of a square",
        add_bias,
        {"b": lambda g: tg.sum(g, 1)},
        (normal(4, 4), normal(4)),
        "wrong axis",
    ),
    PlantedFault(
        "clip: the lower bound forgotten",
        clip,
        {"x": lambda g, x, high: tg.where(x > high, 0.0, g)},
        (with_two_beyond(1.0), -1.0, 1.0),
        "none flows",
        tags=("rare",),
    ),
]

FUNCTION_FAULTS = [
    PlantedFault(
        "exp: x for y", functions._exp, {"x": lambda g, x: g * x}, (positive(3, 4),), "y belongs where x stands"
    ),
    PlantedFault("log: times x", functions._log, {"x": lambda g, x: g * x}, (positive(3, 4),), "1 / x^2 is missing"),
    PlantedFault(
        "sqrt: without the 2", functions._sqrt, {"x": lambda g, y: g / y}, (positive(3, 4),), "constant factor of 2"
    ),
    PlantedFault("tanh: 1 - y", functions._tanh, {"x": lambda g, y: g * (1 - y)}, (normal(3, 4),), "1 + y is missing"),
    PlantedFault("sigmoid: only y", functions._sigmoid, {"x": lambda g, y: g * y}, (normal(3, 4),), "1 - y is missing"),
    PlantedFault(
        "sigmoid: y taken out of the graph",
        functions._sigmoid,
        {"x": lambda g, y: g * numbers(y * (1 - y))},
        (normal(4),),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "relu: y >= 0 for y > 0", functions._relu, {"x": lambda g, y: g * (y >= 0)}, (normal(3, 4),), "none flows"
    ),
    PlantedFault(
        "abs: x / |x|, not a number at 0",
        functions._abs,
        {"x": lambda g, x, y: g * (x / y)},
        (with_one_zero(),),
        "kink",
        tags=("rare",),
    ),
    PlantedFault(
        "decay: the inner derivative forgotten", decay, {"x": lambda g, y: -g * y}, (normal(3, 4),), "factor of 0.5"
    ),
    PlantedFault(
        "leaky_relu: another slope than the function's",
        leaky_relu,
        {"x": lambda g, x: tg.where(x > 0, g, 0.1 * g)},
        (normal(3, 4),),
        "constant factor of 10 in part: only where x < 0",
    ),
    PlantedFault(
        "softplus: its slope taken out of the graph",
        softplus,
        {"x": lambda g, x: g / (1 + np.exp(-numbers(x)))},
        (normal(4),),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "huber: quadratic everywhere",
        huber,
        {"x": lambda g, x: g * x},
        (with_two_beyond(1.5),),
        "is large is it wrong",
        tags=("rare",),
    ),
    PlantedFault(
        "gelu: one of two products forgotten",
        gelu,
        {"x": lambda g, x: g * 0.5 * (1 + tg.tanh(0.8 * x))},
        (normal(3, 4),),
        "",
    ),
]
