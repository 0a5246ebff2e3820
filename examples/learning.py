"""Training at its plainest: so many updates of plain SGD on small batches."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn import data, nn, optim
from tinygrad_cnn.errors import DivergenceError
from tinygrad_cnn.train import History, Trainer, evaluate

BATCH_SIZE, RATE = 10, 0.1


def learn(
    model: nn.Module,
    images: data.ImageData,
    seed: int,
    steps: int,
    *,
    batch_size: int = BATCH_SIZE,
    optimizer: optim.Optimizer | None = None,
    log_every: int | None = None,
    test: bool = False,
) -> History:
    """Train on the training images, in an order drawn from the seed, and return the learning curve.

    optimizer: by default SGD with a rate of 0.1. log_every: updates between two entries of the curve, by default
    one entry for all. test: whether the test images are measured at each entry.
    """
    loader = data.BatchLoader(
        images.train_images, images.train_labels, batch_size=batch_size, generator=np.random.default_rng(seed)
    )
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer or optim.SGD(model.parameters(), lr=RATE))
    measured = (images.test_images, images.test_labels) if test else None
    return trainer.fit(loader, steps=steps, log_every=log_every or steps, test=measured)


def learn_or_diverge(
    model: nn.Module, images: data.ImageData, seed: int, entries: int, rate: float, batch_size: int = 20
) -> tuple[list[float], float]:
    """The mean loss of every 10 updates, NaN from where it ceased to be a finite number, and the test accuracy.

    A network whose loss overflows counts as one that guesses.
    """
    optimizer = optim.SGD(model.parameters(), lr=rate)
    try:
        history = learn(model, images, seed, 10 * entries, batch_size=batch_size, optimizer=optimizer, log_every=10)
    except DivergenceError as error:
        losses = error.history.train_loss
        return losses + [math.nan] * (entries - len(losses)), 1 / images.num_classes
    return history.train_loss, accuracy(model, images)


def accuracy(model: nn.Module, images: data.ImageData) -> float:
    """The fraction of the test images that the model, in evaluation mode, takes for what they are."""
    return evaluate(model, images.test_images, images.test_labels).accuracy
