"""Faults in matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers
from tinygrad_cnn.ops import products

GENERATOR = np.random.default_rng(3)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


@tg.primitive
def bilinear(x: Any, a: Any, z: Any) -> Any:
    return x @ a @ z


bilinear.defvjp(
    x=lambda g, a, z: g * tg.matmul(a, z),
    a=lambda g, x, z: g * tg.reshape(x, (x.shape[0], 1)) * z,
    z=lambda g, x, a: g * tg.matmul(x, a),
)

PRODUCT_FAULTS = [
    PlantedFault(
        "matmul: b not transposed", products._matmul, {"a": lambda g, b: g @ b}, (normal(2, 3), normal(3, 3)), "as if b"
    ),
    PlantedFault(
        "matmul: a not transposed", products._matmul, {"b": lambda g, a: a @ g}, (normal(3, 3), normal(3, 2)), "as if a"
    ),
    PlantedFault(
        "matmul: only the first of a batch",
        products._matmul,
        {"b": lambda g, a: tg.matmul(tg.transpose(a[0], 0, 1), g[0])},
        (normal(4, 2, 3), normal(3, 2)),
        "the sum over axis 0",
    ),
    PlantedFault(
        "matmul: the copies of a batch not summed",
        products._matmul,
        {"b": lambda g, a: tg.matmul(tg.transpose(a, 1, 2), g)},
        (normal(4, 2, 3), normal(3, 2)),
        "sum the cotangent over the axes",
    ),
    PlantedFault(
        "linear: the mean over the batch for the bias",
        products._linear,
        {"b": lambda g: tg.mean(g, 0)},
        (normal(5, 3), normal(2, 3), normal(2)),
        "mean where a sum belongs",
    ),
    PlantedFault(
        "linear: the weight sees the first example only",
        products._linear,
        {"w": lambda g, x: tg.reshape(g[0], (2, 1)) * x[0]},
        (normal(5, 3), normal(2, 3), normal(2)),
        "the sum over axis 0 (the batch)",
    ),
    PlantedFault(
        "linear: the weight taken out of the graph",
        products._linear,
        {"x": lambda g, w: tg.matmul(g, numbers(w))},
        (normal(2, 3), normal(2, 3), None),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "bilinear: the outer product the wrong way round",
        bilinear,
        {"a": lambda g, x, z: g * x * tg.reshape(z, (3, 1))},
        (normal(3), normal(3, 3), normal(3)),
        "transposed",
    ),
]
