"""The networks that are trained in the benchmarks, as tables of layers, and the numbers that they start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CLASSES = 10
SEED = 0


class Conv(NamedTuple):
    """A convolution with a square kernel."""

    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0


class Linear(NamedTuple):
    """A dense layer."""

    inputs: int
    outputs: int


class BatchNorm(NamedTuple):
    """Batch norm over each channel."""

    channels: int


class MaxPool(NamedTuple):
    """Square windows side by side."""

    size: int


class AvgPool(NamedTuple):
    """Square windows side by side."""

    size: int


class Relu(NamedTuple):
    """max(x, 0)."""


class Flatten(NamedTuple):
    """One row per image."""


Layer = Conv | Linear | BatchNorm | MaxPool | AvgPool | Relu | Flatten
Conv3 = partial(Conv, kernel=3)
Same3 = partial(Conv, kernel=3, padding=1)


@dataclass(frozen=True)
class Workload:
    """A network, the shape of its batch, and the learning rate.

    cap: the ratio to PyTorch that ours must not exceed, where there is one.
    variant: the name of a hand-written Module in `benchmarks.variants`, which then takes the place of the layers.
    """

    name: str
    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    lr: float
    cap: float | None = None
    variant: str = ""

    @property
    def batch(self) -> int:
        return self.shape[0]

    @property
    def of_images(self) -> bool:
        return len(self.shape) == 4


def dense(*sizes: int) -> tuple[Layer, ...]:
    """Linear layers of these sizes with a ReLU between two."""
    layers: list[Layer] = []
    for inputs, outputs in pairwise(sizes):
        layers += [Linear(inputs, outputs), Relu()]
    return tuple(layers[:-1])


LENET = (
    *(Conv(1, 6, 5, padding=2), Relu(), MaxPool(2)),
    *(Conv(6, 16, 5), Relu(), MaxPool(2)),
    *(Flatten(), *dense(400, 120, 84, CLASSES)),
)
NOTE_CNN = (
    *(Conv3(1, 4), Relu(), MaxPool(2)),
    *(Conv3(4, 4), Relu(), MaxPool(2)),
    *(Flatten(), *dense(100, 20, CLASSES)),
)
RGB_CNN = (
    *(Conv3(3, 16), Relu(), MaxPool(2)),
    *(Conv3(16, 32), Relu(), MaxPool(2)),
    *(Flatten(), Linear(800, CLASSES)),
)
VGG_CIFAR = (
    *(Same3(3, 64), Relu(), Same3(64, 64), Relu(), MaxPool(2)),
    *(Same3(64, 128), Relu(), Same3(128, 128), Relu(), MaxPool(2)),
    *(Same3(128, 256), Relu(), Same3(256, 256), Relu(), MaxPool(2)),
    *(Flatten(), *dense(4096, 256, CLASSES)),
)
BN_CIFAR = (
    *(Same3(3, 32), BatchNorm(32), Relu(), Same3(32, 32, stride=2), BatchNorm(32), Relu()),
    *(Same3(32, 64), BatchNorm(64), Relu(), Same3(64, 64, stride=2), BatchNorm(64), Relu()),
    *(AvgPool(8), Flatten(), Linear(64, CLASSES)),
)

SEVEN = (
    Workload("note_cnn", (10, 1, 28, 28), NOTE_CNN, lr=0.1, cap=0.5),
    Workload("note_mlp", (10, 784), dense(784, 20, 20, 20, CLASSES), lr=0.1, cap=0.5),
    Workload("rgb_cnn", (64, 3, 28, 28), RGB_CNN, lr=0.01, cap=0.8),
    Workload("lenet", (128, 1, 28, 28), LENET, lr=0.05, cap=0.8),
    Workload("mlp", (128, 784), dense(784, 512, 256, CLASSES), lr=0.05, cap=0.8),
    Workload("vgg_cifar", (32, 3, 32, 32), VGG_CIFAR, lr=0.01, cap=0.65),
    Workload("bn_cifar", (64, 3, 32, 32), BN_CIFAR, lr=0.05, cap=0.85),
)
MEAN_CAP = 0.65  # of the geometric mean of the seven

# Modules written by hand, as a user writes them: the caps of the network that each is most like, and 15 % more.
MORE = 1.15
VARIANTS = (
    Workload("skip_20", (37, 3, 32, 32), (), lr=0.002, cap=0.8 * MORE, variant="Skip20"),
    Workload("channels_5_12", (51, 1, 28, 28), (), lr=0.05, cap=0.8 * MORE, variant="Channels5And12"),
    Workload("channels_48", (19, 3, 32, 32), (), lr=0.005, cap=0.65 * MORE, variant="Channels48"),
    Workload("skip_bn_12", (33, 3, 32, 32), (), lr=0.05, cap=0.85 * MORE, variant="SkipBatchNorm12"),
)
WORKLOADS = {workload.name: workload for workload in (*SEVEN, *VARIANTS)}
GROUPS = {"seven": SEVEN, "variants": VARIANTS}


# ---- networks of any size


def wide(channels: int) -> Workload:
    """Two convolutions of that many channels on 16x16 pixels."""
    body = (Same3(channels, channels), Relu(), Same3(channels, channels), Relu(), MaxPool(2))
    layers = (*body, Flatten(), Linear(channels * 64, CLASSES))
    return Workload(f"channels:{channels}", (16, channels, 16, 16), layers, lr=0.001)


def deep(depth: int) -> Workload:
    """That many convolutions of 16 channels on 16x16 pixels."""
    body = (Same3(16, 16), Relu()) * depth
    return Workload(f"depth:{depth}", (16, 16, 16, 16), (*body, Flatten(), Linear(16 * 256, CLASSES)), lr=0.01)


def lenet_with_batch(batch: int) -> Workload:
    return Workload(f"batch:{batch}", (batch, 1, 28, 28), LENET, lr=0.01)


FAMILIES = {"batch": lenet_with_batch, "channels": wide, "depth": deep}


def named(name: str) -> Workload:
    """A workload of the tables, or of a family and a size: `depth:8`. Raises: SystemExit for what there is not."""
    family, _, size = name.partition(":")
    if family in FAMILIES and size.isdecimal():
        return FAMILIES[family](int(size))
    if name not in WORKLOADS:
        families = ", ".join(f"{family}:SIZE" for family in FAMILIES)
        raise SystemExit(f"no workload {name!r}; there are {', '.join([*GROUPS, *WORKLOADS])}, {families}")
    return WORKLOADS[name]


def chosen(names: list[str]) -> list[Workload]:
    """The workloads of these names, and of the groups `seven` and `variants`."""
    members = [workload for name in names for workload in GROUPS.get(name) or (named(name),)]
    return list({workload.name: workload for workload in members}.values())


# ---- the numbers that all peers start from


def arrays(workload: Workload, parameters: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """The batch `x`, `y` and the initial parameters by name.

    Normal weights of variance 1 / fan-in, small biases, scales of batch norm about 1.
    """
    rng = np.random.default_rng(SEED)
    made: dict[str, Array] = {
        "x": rng.standard_normal(workload.shape, dtype=np.float32),
        "y": rng.integers(0, CLASSES, workload.batch),
    }
    for name, shape in parameters.items():
        if len(shape) > 1:
            made[name] = (rng.standard_normal(shape) / np.sqrt(prod(shape[1:]))).astype(np.float32)
        else:
            centre = 1 if name.endswith("weight") else 0
            made[name] = (centre + 0.1 * rng.standard_normal(shape)).astype(np.float32)
    return made
