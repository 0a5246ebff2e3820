"""Faults in changes of shape and in indexing."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers
from tinygrad_cnn.ops import indexing, shapes

GENERATOR = np.random.default_rng(2)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


# ---- operations of a user


@tg.primitive
def flip(x: Any) -> Any:
    return np.flip(x, 0)


@tg.primitive
def tril(x: Any) -> Any:
    return np.tril(x)


@tg.primitive
def upper(x: Any) -> Any:
    return np.triu(x)


@tg.primitive
def pixel_shuffle(x: Any) -> Any:
    n, c, h, w = x.shape
    return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


@tg.primitive
def embedding(table: Any, index: Any) -> Any:
    return table[index]


@tg.primitive
def upsample(x: Any) -> Any:
    return x.repeat(2, axis=2).repeat(2, axis=3)


def pixel_unshuffle(g: Any, x_shape: Any) -> Any:
    n, c, h, w = x_shape
    blocks = tg.permute(tg.reshape(g, (n, c // 4, h, 2, w, 2)), (0, 1, 3, 5, 2, 4))
    return tg.reshape(blocks, x_shape)


def embedding_rule(g: Any, index: Any, table_shape: Any) -> Any:
    return indexing._put(g, index, table_shape)


def upsample_rule(g: Any, x_shape: Any) -> Any:
    n, c, h, w = x_shape
    return tg.sum(tg.reshape(g, (n, c, h, 2, w, 2)), (3, 5))


flip.defvjp(x=lambda g: flip(g))
tril.defvjp(x=lambda g: tril(g))
upper.defvjp(x=lambda g: upper(g))
pixel_shuffle.defvjp(x=pixel_unshuffle)
embedding.defvjp(table=embedding_rule)
upsample.defvjp(x=upsample_rule)

# ---- the slips

SHAPE_FAULTS = [
    PlantedFault(
        "pad: cropped at the wrong side",
        shapes._pad,
        {"x": lambda g, widths: shapes._crop(g, tuple((after, before) for before, after in widths))},
        (normal(3, 5), ((0, 0), (1, 2)), 0.0),
        "shifted",
    ),
    PlantedFault(
        "permute: not inverted",
        shapes._permute,
        {"x": lambda g, dims: tg.permute(g, dims)},
        (normal(3, 3, 3), (1, 2, 0)),
        "transposed: the axes stand in the order",
    ),
    PlantedFault(
        "transpose: not transposed back", shapes._permute, {"x": lambda g: g}, (normal(4, 4), (1, 0)), "transposed"
    ),
    PlantedFault(
        "reshape: in column-major order",
        shapes._reshape,
        {"x": lambda g: tg.transpose(tg.reshape(g, (4, 3)), 0, 1)},
        (normal(3, 4), (12,)),
        "wrong places",
    ),
    PlantedFault(
        "broadcast_to: only the first copy",
        shapes._broadcast_to,
        {"x": lambda g: g[0]},
        (normal(4), (3, 4)),
        "the sum over axis 0",
    ),
    PlantedFault(
        "cat: the pieces exchanged",
        shapes._cat,
        {"xs": lambda g, xs: [g[3:], g[:3]]},
        (normal(3, 2), normal(3, 2)),
        "exchanged",
        argument="xs[0]",
        options={"dim": 0},
    ),
    PlantedFault(
        "stack: split along the wrong axis of a cube",
        shapes._stack,
        {"xs": lambda g, xs: [g[:, i] for i in range(len(xs))]},
        (normal(3, 3), normal(3, 3), normal(3, 3)),
        "wrong axis",
        argument="xs",
        options={"dim": 0},
    ),
    PlantedFault("flip: not flipped back", flip, {"x": lambda g: g}, (normal(5, 2),), "reversed along axis 0"),
    PlantedFault(
        "tril: the diagonal lost",
        tril,
        {"x": lambda g: tril(g) - upper(tril(g))},
        (normal(24, 24),),
        "diagonal",
        tags=("rare",),
    ),
    PlantedFault(
        "pixel_shuffle: rows and columns of a block exchanged",
        pixel_shuffle,
        {"x": lambda g, x_shape: pixel_unshuffle(tg.transpose(g, 2, 3), x_shape)},
        (normal(1, 8, 2, 2),),
        "transposed",
    ),
    PlantedFault(
        "upsample: one pixel of each block",
        upsample,
        {"x": lambda g: g[:, :, ::2, ::2]},
        (normal(1, 2, 3, 2),),
        "add up",
    ),
]

_OFTEN = np.array([3, 7, 3, 12, 30, 21])
_PICKS = np.array([[0, 2, 2, 1], [1, 1, 0, 4], [3, 0, 2, 1]])


def assigned(g: Any, index: Any, shape: Any) -> Any:
    """Zeros to which g is assigned at the index, not added."""
    out = np.zeros(shape)
    out[index] = numbers(g)
    return out


def assigned_along(g: Any, index: Any, shape: Any) -> Any:
    out = np.zeros(shape)
    np.put_along_axis(out, index, numbers(g), 1)
    return out


INDEXING_FAULTS = [
    PlantedFault(
        "getitem: assigned where it must be added",
        indexing._getitem,
        {"x": lambda g, index, x_shape: assigned(g, index, x_shape)},
        (normal(40), _OFTEN),
        "add up",
        tags=("rare",),
    ),
    PlantedFault(
        "take_along_dim: assigned where it must be added",
        indexing._take_along_dim,
        {"x": lambda g, index, x_shape: assigned_along(g, index, x_shape)},
        (normal(3, 6), _PICKS, 1),
        "add up",
    ),
    PlantedFault(
        "setitem: the overwritten element keeps its gradient",
        indexing._setitem,
        {"x": lambda g: g},
        (normal(5, 6), normal(1)[0:1].reshape(()), (2, 3)),
        "none flows",
        tags=("rare",),
    ),
    PlantedFault(
        "embedding: row 0 taken for padding",
        embedding,
        {"table": lambda g, index, table_shape: embedding_rule(g, index, table_shape) * (np.arange(40) > 0)[:, None]},
        (normal(40, 3), np.array([5, 0, 7, 21, 39, 0])),
        "first index",
        tags=("rare",),
    ),
]
