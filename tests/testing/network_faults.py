"""Faults in losses, normalisation and dropout, most of them a user's own operations."""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers
from tinygrad_cnn.ops import classification

GENERATOR = np.random.default_rng(4)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


# ---- losses


@tg.primitive(saves=("p",))
def entropies(x: Any, labels: Any) -> Any:
    """The cross entropy of each row."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(x)), labels]), p


@tg.primitive(saves=("p",))
def mean_cross_entropy(x: Any, labels: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(x)), labels]).mean(), p


@mean_cross_entropy.define
def mean_cross_entropy_definition(x: Any, labels: Any) -> Any:
    return tg.mean(nll(tg.log_softmax(x, 1), labels))


def one_hot(labels: Any, classes: int) -> Any:
    return np.eye(classes)[labels]


@tg.primitive
def nll(log_p: Any, labels: Any) -> Any:
    return -log_p[np.arange(len(log_p)), labels]


def nll_rule(g: Any, log_p: Any, labels: Any) -> Any:
    return -tg.reshape(g, (len(labels), 1)) * one_hot(labels, log_p.shape[1])


@tg.primitive
def bce_with_logits(x: Any, target: Any) -> Any:
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0) - x * target


@tg.primitive
def mse(x: Any, target: Any) -> Any:
    return ((x - target) ** 2).mean()


entropies.defvjp(x=lambda g, p, labels: (p - one_hot(labels, p.shape[1])) * g[:, None])
entropies.define(lambda x, labels: nll(tg.log_softmax(x, 1), labels))
mean_cross_entropy.defvjp(x=lambda g, p, labels: g / len(labels) * (p - one_hot(labels, p.shape[1])))
nll.defvjp(log_p=nll_rule)
bce_with_logits.defvjp(x=lambda g, x, target: g * (tg.sigmoid(x) - target), target=lambda g, x: -g * x)
mse.defvjp(
    x=lambda g, x, target: 2 * g / 12 * (x - target),
    target=lambda g, x, target: 2 * g / 12 * (target - x),
)

LABELS = np.array([3, 1, 0, 4, 2, 1])

LOSS_FAULTS = [
    PlantedFault(
        "softmax: without the sum over g y",
        classification._softmax,
        {"x": lambda g, y: g * y},
        (normal(3, 5), 1),
        "a term is missing, y times something constant along axis 1",
    ),
    PlantedFault(
        "log_softmax: the mean of g for its sum",
        classification._log_softmax,
        {"x": lambda g, y, dim: g - tg.exp(y) * tg.mean(g, dim, True)},
        (normal(3, 5), 1),
        "a term is missing, exp y times something constant along axis 1",
    ),
    PlantedFault(
        "cross_entropy: not divided by the batch",
        mean_cross_entropy,
        {"x": lambda g, p, labels: g * (p - one_hot(labels, p.shape[1]))},
        (normal(6, 5), LABELS),
        "sum where a mean belongs",
    ),
    PlantedFault(
        "cross_entropy: the label's column off by one",
        entropies,
        {"x": lambda g, p, labels: (p - one_hot(labels - 1, p.shape[1])) * g[:, None]},
        (normal(4, 60), np.array([13, 1, 50, 24])),
        "beside its place along axis 1",
        tags=("rare",),
    ),
    PlantedFault(
        "cross_entropy: defined over the wrong dimension",
        entropies,
        {},
        (normal(3, 5), LABELS[:3]),
        "definition",
        argument="x",
        order=2,
        tags=("second",),
        definition=lambda x, labels: nll(tg.log_softmax(x, 0), labels),
    ),
    PlantedFault(
        "nll: the last example forgotten",
        nll,
        {"log_p": lambda g, log_p, labels: nll_rule(g * (np.arange(len(labels)) < len(labels) - 1), log_p, labels)},
        (normal(6, 5), LABELS),
        "last index of axis 0",
        tags=("rare",),
    ),
    PlantedFault(
        "bce: the sign",
        bce_with_logits,
        {"x": lambda g, x, target: g * (target - tg.sigmoid(x))},
        (normal(3, 4), GENERATOR.uniform(0, 1, (3, 4))),
        "sign",
    ),
    PlantedFault(
        "mse: without the 2",
        mse,
        {"x": lambda g, x, target: g / 12 * (x - target)},
        (normal(3, 4), normal(3, 4)),
        "constant factor of 0.5",
    ),
]

# ---- normalisation and dropout


@tg.primitive
def standardise(x: Any, dim: int) -> Any:
    return (x - x.mean(axis=dim, keepdims=True)) / np.sqrt(x.var(axis=dim, keepdims=True) + 1e-5)


def inverse_deviation(x: Any, dim: int) -> Any:
    centred = x - tg.mean(x, dim, True)
    return 1 / tg.sqrt(tg.mean(centred * centred, dim, True) + 1e-5)


def standardise_rule(g: Any, x: Any, y: Any, dim: int) -> Any:
    return inverse_deviation(x, dim) * (g - tg.mean(g, dim, True) - y * tg.mean(g * y, dim, True))


@tg.primitive
def rms_norm(x: Any) -> Any:
    return x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5)


def rms_norm_rule(g: Any, x: Any, y: Any) -> Any:
    return (g - y * tg.mean(g * y, 1, True)) / tg.sqrt(tg.mean(x * x, 1, True) + 1e-5)


@tg.primitive
def scale_channels(x: Any, gamma: Any) -> Any:
    return x * gamma[:, None, None]


@tg.primitive
def dropped(x: Any, mask: Any, p: float) -> Any:
    return x * mask / (1 - p)


standardise.defvjp(x=standardise_rule)
rms_norm.defvjp(x=rms_norm_rule)
scale_channels.defvjp(
    x=lambda g, gamma: g * tg.reshape(gamma, (*gamma.shape, 1, 1)),
    gamma=lambda g, x: tg.sum(g * x, (0, 2, 3)),
)
dropped.defvjp(x=lambda g, mask, p: g * mask / (1 - p))

MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 0], [1, 1, 0, 1]])

NORMALISATION_FAULTS = [
    PlantedFault(
        "layer norm: the deviation taken for a constant",
        standardise,
        {"x": lambda g, x, dim: inverse_deviation(x, dim) * (g - tg.mean(g, dim, True))},
        (normal(3, 6), 1),
        "a term is missing, y times something constant along axis 1",
    ),
    PlantedFault(
        "batch norm: the mean taken for a constant",
        standardise,
        {"x": lambda g, x, y, dim: inverse_deviation(x, dim) * (g - y * tg.mean(g * y, dim, True))},
        (normal(6, 3), 0),
        "a term is missing, one constant along axis 0",
    ),
    PlantedFault(
        "batch norm: the deviation taken out of the graph",
        standardise,
        {
            "x": lambda g, x, y, dim: (
                inverse_deviation(numbers(x), dim) * (g - tg.mean(g, dim, True) - y * tg.mean(g * y, dim, True))
            )
        },
        (normal(4, 2), 0),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "rms norm: times the root, not by it",
        rms_norm,
        {"x": lambda g, x, y: (g - y * tg.mean(g * y, 1, True)) * tg.sqrt(tg.mean(x * x, 1, True) + 1e-5)},
        (normal(3, 5),),
        "off by a factor that is constant along axis 1",
    ),
    PlantedFault(
        "scale_channels: the mean over the positions",
        scale_channels,
        {"gamma": lambda g, x: tg.sum(tg.mean(g * x, (2, 3)), 0)},
        (normal(2, 3, 4, 5), normal(3)),
        "mean where a sum belongs",
    ),
    PlantedFault(
        "scale_channels: the first image only",
        scale_channels,
        {"gamma": lambda g, x: tg.sum(g[0] * x[0], (1, 2))},
        (normal(2, 3, 2, 2), normal(3)),
        "the sum over axis 0 (the batch)",
    ),
    PlantedFault(
        "dropout: not scaled",
        dropped,
        {"x": lambda g, mask: g * mask},
        (normal(3, 4), MASK, 0.5),
        "constant factor of 0.5",
    ),
    PlantedFault(
        "dropout: the mask forgotten",
        dropped,
        {"x": lambda g, p: g / (1 - p)},
        (normal(3, 4), MASK, 0.5),
        "factor mask is missing",
    ),
]
