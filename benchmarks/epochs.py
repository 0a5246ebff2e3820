"""One epoch of lenet on MNIST in one framework, in its own process: shuffled batches, training and logging.

The loops of both frameworks are the same but for names: batches of the same random order, the loss of every batch read,
and a line of the log for every 100.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.modules import model as build_model
from benchmarks.processes import LeftOut
from benchmarks.workloads import Array, Workload, arrays, named
from tinygrad_cnn.data import BatchLoader, mnist

BATCH = 128
LR, MOMENTUM = 0.05, 0.9
LOGGED = 100  # batches for each line of the log
LENET = "lenet"

Batches = Iterator[tuple[Any, Any]]


class Epochs:
    """peer: `ours`, `torch-eager` or `torch-channels-last`. train, test: how many images, of those there are."""

    def __init__(self, peer: str, data_dir: str, train: int, test: int) -> None:
        self.data = mnist(data_dir)
        self.train_images, self.train_labels = self.data.train_images[:train], self.data.train_labels[:train]
        self.test_images, self.test_labels = self.data.test_images[:test], self.data.test_labels[:test]
        self.make: Callable[[], Any] = Ours if peer == "ours" else lambda: Torch("channels-last" in peer)
        start = perf_counter()
        framework = self.make()
        framework.step(*next(framework.batches(self.train_images[:BATCH], self.train_labels[:BATCH], 0)))
        self.start = perf_counter() - start

    def start_up(self) -> float:
        """Seconds for importing the framework and for the first step, in which ours loads or compiles its kernels."""
        return self.start

    def run(self, seed: int) -> dict[str, Any]:
        """Seconds of an epoch from the same initial weights, its losses and its log, and the accuracy afterwards."""
        framework = self.make()
        batches = framework.batches(self.train_images, self.train_labels, seed)
        losses: list[float] = []
        log: list[str] = []
        start = perf_counter()
        for images, labels in batches:
            losses.append(framework.step(images, labels))
            if len(losses) % LOGGED == 0:
                log.append(f"batch {len(losses)}: loss {sum(losses[-LOGGED:]) / LOGGED:.4f}")
        seconds = perf_counter() - start
        right = sum(
            int((framework.scores(self.test_images[rows]).argmax(1) == self.test_labels[rows]).sum())
            for rows in (slice(at, at + 1000) for at in range(0, len(self.test_images), 1000))
        )
        return {"seconds": seconds, "losses": losses, "log": log, "accuracy": right / len(self.test_images)}


class Ours:
    """With the package's own loader."""

    def __init__(self) -> None:
        import tinygrad_cnn as tg
        from tinygrad_cnn import nn, optim

        self.tg = tg
        self.model = build_model(named(LENET), tg, nn)
        weights = initial(named(LENET), {name: p.shape for name, p in self.model.named_parameters()})
        for name, parameter in self.model.named_parameters():
            parameter.data = weights[name]
        self.optimizer = optim.SGD(self.model.parameters(), lr=LR, momentum=MOMENTUM)

    def batches(self, images: Array, labels: Array, seed: int) -> Batches:
        generator = np.random.default_rng(seed)
        return iter(BatchLoader(images, labels, batch_size=BATCH, generator=generator))  # type: ignore[arg-type]

    def step(self, images: Array, labels: Array) -> float:
        self.optimizer.zero_grad()
        loss = self.tg.cross_entropy(self.model(self.tg.Tensor(images)), labels)
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def scores(self, images: Array) -> Array:
        with self.tg.no_grad():
            return np.asarray(self.model(self.tg.Tensor(images)).data)


class Torch:
    """With batches taken from Tensors by index, the fastest way it has for data in memory."""

    def __init__(self, channels_last: bool) -> None:
        try:
            torch: Any = importlib.import_module("torch")
        except ImportError as error:
            raise LeftOut(f"not installed: {error}") from error
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.torch = torch
        self.order = torch.channels_last if channels_last else torch.contiguous_format
        self.model = build_model(named(LENET), torch, torch.nn)
        shapes = {name: tuple(p.shape) for name, p in self.model.named_parameters()}
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                parameter.copy_(torch.from_numpy(initial(named(LENET), shapes)[name]))
        self.model = self.model.to(memory_format=self.order)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LR, momentum=MOMENTUM)

    def batches(self, images: Array, labels: Array, seed: int) -> Batches:
        x, y = self.torch.from_numpy(images).contiguous(memory_format=self.order), self.torch.from_numpy(labels)

        def shuffled() -> Batches:
            order = self.torch.from_numpy(np.random.default_rng(seed).permutation(len(x)))
            for rows in order.split(BATCH):
                yield x[rows], y[rows]

        return shuffled()

    def step(self, images: Any, labels: Any) -> float:
        self.optimizer.zero_grad()
        loss = self.torch.nn.functional.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        return float(loss.item())

    def scores(self, images: Array) -> Array:
        with self.torch.no_grad():
            return np.asarray(self.model(self.torch.from_numpy(images).contiguous(memory_format=self.order)))


def initial(workload: Workload, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    """The parameters that all frameworks start from."""
    made = arrays(workload, shapes)
    return {name: made[name] for name in shapes}
