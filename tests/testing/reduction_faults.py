"""Faults in reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers
from tests.testing.shape_faults import flip
from tinygrad_cnn.ops import reductions

GENERATOR = np.random.default_rng(7)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


def with_one_tie() -> Array:
    x = normal(4, 30)
    x[2, 5] = x[2, 17] = 4.0
    return x


# ---- operations of a user


@tg.primitive
def cumsum(x: Any) -> Any:
    return np.cumsum(x, axis=0)


@tg.primitive
def variance(x: Any) -> Any:
    return np.var(x, ddof=1)


@tg.primitive
def norm(x: Any) -> Any:
    return np.sqrt((x * x).sum())


@tg.primitive
def logsumexp(x: Any) -> Any:
    return np.log(np.exp(x).sum(axis=1, keepdims=True))


@tg.primitive
def diff(x: Any) -> Any:
    return np.diff(x)


def diff_rule(g: Any) -> Any:
    zero = np.zeros(1)
    return tg.cat([zero, g]) - tg.cat([g, zero])


cumsum.defvjp(x=lambda g: flip(cumsum(flip(g))))
variance.defvjp(x=lambda g, x: 2 * g / (x.shape[0] - 1) * (x - tg.mean(x)))
norm.defvjp(x=lambda g, x, y: g / y * x)
logsumexp.defvjp(x=lambda g, x, y: g * tg.exp(x - y))
diff.defvjp(x=diff_rule)

# ---- the slips

REDUCTION_FAULTS = [
    PlantedFault(
        "sum: the reduced axis put back at the wrong place of a square",
        reductions._sum,
        {"x": lambda g, x_shape: tg.broadcast_to(g, x_shape)},
        (normal(4, 4), (1,), False),
        "transposed",
    ),
    PlantedFault(
        "mean: not divided",
        reductions._mean,
        {"x": lambda g, x_shape: tg.broadcast_to(g, x_shape)},
        (normal(3, 4), (0,), True),
        "sum where a mean belongs",
    ),
    PlantedFault(
        "mean: divided by the number of all elements",
        reductions._mean,
        {"x": lambda g, x_shape: tg.broadcast_to(g / 12, x_shape)},
        (normal(3, 4), (0,), True),
        "constant factor of 0.25",
    ),
    PlantedFault(
        "amax: a tie gives the whole gradient to each",
        reductions._amax,
        {"x": lambda g, x, y: g * (x == y)},
        (with_one_tie(), (1,), True),
        "kink",
        tags=("rare",),
    ),
    PlantedFault(
        "amin: compared along the wrong axis of a square",
        reductions._amin,
        {"x": lambda g, x, y: tg.reshape(g, (5, 1)) * (x == y)},
        (normal(5, 5), (1,), False),
        "zero where one flows",
    ),
    PlantedFault("cumsum: not reversed", cumsum, {"x": lambda g: cumsum(g)}, (normal(5, 3),), "reversed"),
    PlantedFault(
        "variance: n for n - 1",
        variance,
        {"x": lambda g, x: 2 * g / x.shape[0] * (x - tg.mean(x))},
        (normal(6),),
        "constant factor of 0.8333",
    ),
    PlantedFault(
        "variance: the mean taken out of the graph",
        variance,
        {"x": lambda g, x: 2 * g / (x.shape[0] - 1) * (x - numbers(x).mean())},
        (normal(6),),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault("norm: not divided by itself", norm, {"x": lambda g, x: g * x}, (normal(3, 4),), "constant factor"),
    PlantedFault(
        "logsumexp: not normalised", logsumexp, {"x": lambda g, x: g * tg.exp(x)}, (normal(3, 4),), "factor exp -y"
    ),
    PlantedFault(
        "diff: the last element forgotten",
        diff,
        {"x": lambda g: diff_rule(g) * (np.arange(30) < 29)},
        (normal(30),),
        "last index",
        tags=("rare",),
    ),
]
