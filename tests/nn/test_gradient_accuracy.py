"""Gradients of whole networks in float32, within 1e-4 of those in float64 where both take the same decisions.

relu lets a number pass or not, and max pooling picks one pixel of a window. Between all but equal values float32 may
decide otherwise than float64, and a single such flip moves a whole gradient by more than that. It is a gradient, too,
but of another piece of the function: so only inputs count on which no decision flips, and the tests look for those.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinygrad_cnn as tg
from tinygrad_cnn import kernels, nn

Array = NDArray[Any]
Network = Callable[[], nn.Sequential]

MARK = 1e-4
SEEDS = range(20)


def perceptron(*sizes: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return layers[:-1]


def convolution(inputs: int, outputs: int, kernel: int, padding: int = 0, pools: bool = True) -> list[nn.Module]:
    layers = [nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.ReLU()]
    return [*layers, nn.MaxPool2d(2)] if pools else layers


def normalised(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]


def two_convolutions(shape: tuple[int, ...], outputs: int, hidden: int) -> Network:
    """Kernels of 3x3, as in the smallest of the networks that the benchmarks train."""
    size = ((shape[2] - 2) // 2 - 2) // 2
    return lambda: nn.Sequential(
        *(*convolution(shape[1], outputs, 3), *convolution(outputs, outputs, 3)),
        *(nn.Flatten(), *perceptron(outputs * size * size, hidden, 10)),
    )


def lenet() -> nn.Sequential:
    layers = *convolution(1, 6, 5, padding=2), *convolution(6, 16, 5)
    return nn.Sequential(*layers, nn.Flatten(), *perceptron(400, 120, 84, 10))


def vgg() -> nn.Sequential:
    layers = (
        *(*convolution(3, 16, 3, 1, pools=False), *convolution(16, 16, 3, 1)),
        *(*convolution(16, 32, 3, 1, pools=False), *convolution(32, 32, 3, 1)),
    )
    return nn.Sequential(*layers, nn.Flatten(), *perceptron(32 * 16, 32, 10))


def batch_norm() -> nn.Sequential:
    layers = *normalised(3, 8), *normalised(8, 8, 2), *normalised(8, 16), *normalised(16, 16, 2)
    return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(16, 10))


NETWORKS: dict[str, tuple[tuple[int, ...], Network]] = {
    "perceptron": ((10, 784), lambda: nn.Sequential(*perceptron(784, 20, 20, 20, 10))),
    "wide perceptron": ((64, 100), lambda: nn.Sequential(*perceptron(100, 128, 64, 10))),
    "convolutions of few channels": ((10, 1, 28, 28), two_convolutions((10, 1, 28, 28), 4, 20)),
    "convolutions of images in colour": ((6, 3, 20, 20), two_convolutions((6, 3, 20, 20), 16, 10)),
    "LeNet": ((6, 1, 28, 28), lenet),
    "VGG": ((2, 3, 16, 16), vgg),
    "batch norm": ((8, 3, 16, 16), batch_norm),
}
networks = pytest.mark.parametrize(("shape", "build"), NETWORKS.values(), ids=NETWORKS)


# ---- gradients, decisions and their differences ----------------------------------------------------------------------


def gradients(net: nn.Sequential, x: Array, labels: Array) -> list[Array]:
    net = copy.deepcopy(net)
    tg.cross_entropy(net(tg.tensor(x)), labels).backward()
    return [parameter.grad.data for parameter in net.parameters() if parameter.grad is not None]


def decisions(net: nn.Sequential, x: Array) -> list[Array]:
    """What each relu lets pass, and which of those each max pooling picks."""
    found, y = [], tg.tensor(x)
    with tg.no_grad():
        for layer in copy.deepcopy(net):
            if isinstance(layer, nn.MaxPool2d):
                best, index = tg.max_pool2d(y, layer.kernel_size, return_indices=True)
                found.append(np.where(best.data > 0, index.data, -1))  # where nothing passes no pixel is picked
            y = layer(y)
            if isinstance(layer, nn.ReLU):
                found.append(y.data > 0)
    return found


def flips(first: list[Array], second: list[Array]) -> int:
    return sum(int((a != b).sum()) for a, b in zip(first, second, strict=True))


def difference(actual: list[Array], exact: list[Array]) -> float:
    """The largest of the parameters, relative to the norm of the exact gradient.

    That of a bias before batch norm is 0: there it is relative to the gradient of all parameters.
    """
    of_all = np.sqrt(sum(np.sum(g**2) for g in exact))
    norms = [np.linalg.norm(g) for g in exact]
    scales = [norm if norm > 1e-10 * of_all else of_all for norm in norms]
    return max(float(np.linalg.norm(a - e) / s) for a, e, s in zip(actual, exact, scales, strict=True))


def case(shape: tuple[int, ...], build: Network, seed: int) -> tuple[nn.Sequential, nn.Sequential, Array, Array]:
    """A network, the same in float64, and a batch of numbers and labels."""
    tg.manual_seed(seed)
    net, rng = build(), np.random.default_rng(seed)
    x = rng.standard_normal(shape, dtype=np.float32)
    return net, copy.deepcopy(net).double(), x, rng.integers(0, 10, len(x))


def case_without_flips(shape: tuple[int, ...], build: Network) -> tuple[nn.Sequential, nn.Sequential, Array, Array]:
    for seed in SEEDS:
        net, exact, x, labels = case(shape, build, seed)
        if not flips(decisions(net, x), decisions(exact, x.astype(np.float64))):
            return net, exact, x, labels
    pytest.fail(f"on each of {len(SEEDS)} inputs float32 decides otherwise than float64: far less exact than it can be")


# ---- what is held ----------------------------------------------------------------------------------------------------


@networks
def test_gradients_in_float32_are_those_in_float64(shape: tuple[int, ...], build: Network) -> None:
    net, exact, x, labels = case_without_flips(shape, build)
    with kernels.use("numpy"):
        expected = gradients(exact, x.astype(np.float64), labels)
    assert difference(gradients(net, x, labels), expected) < MARK


@networks
def test_control_numbers_of_eleven_bits_are_noticed(shape: tuple[int, ...], build: Network) -> None:
    net, exact, x, labels = case_without_flips(shape, build)
    expected = gradients(exact, x.astype(np.float64), labels)
    for parameter in net.parameters():
        parameter.data = parameter.data.astype(np.float16).astype(np.float32)
    assert difference(gradients(net, x, labels), expected) > MARK


@pytest.mark.parametrize("name", ["VGG", "batch norm"])
def test_control_one_flip_is_noticed_and_moves_the_gradient(name: str) -> None:
    shape, build = NETWORKS[name]
    _, net, batch, labels = case(shape, build, 0)
    x = batch.astype(np.float64)
    place = next(i for i, layer in enumerate(net) if isinstance(layer, nn.ReLU))
    with tg.no_grad():
        before = net[:place](tg.tensor(x)).data[:, 0]
    nearest = before.flat[np.abs(before).argmin()]
    below, above = (copy.deepcopy(net) for _ in range(2))
    for side, distance in ((below, -1e-9), (above, 1e-9)):
        side[place - 1].bias.data[0] += distance - nearest
    assert flips(decisions(below, x), decisions(above, x)) == 1
    assert difference(gradients(below, x, labels), gradients(above, x, labels)) > MARK
