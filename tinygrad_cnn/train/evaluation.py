"""How good a classifier is on data that it does not learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.data.batches import BatchLoader
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.ops.classification import cross_entropy

_BATCH = 256  # large enough to keep the cores busy, small enough for their caches


class Evaluation(NamedTuple):
    """The mean loss, and the fraction of images whose class has the largest logit."""

    loss: float
    accuracy: float


def evaluate(
    model: Module,
    images: ArrayLike,
    labels: ArrayLike,
    loss: Callable[[Tensor, NDArray[Any]], Tensor] = cross_entropy,
    batch_size: int = _BATCH,
) -> Evaluation:
    """Loss and accuracy over a data set, in batches, in evaluation mode and without recording a graph.

    Each module of the model is back in its own mode afterwards, also after an error.

    loss: takes logits and labels of a batch, gives the mean over it.

    Shapes: images (N, ...); labels (N,) class numbers or (N, classes) one-hot rows; the model gives logits
    (N, classes).
    Raises: ArgumentError where there are no images; ShapeError where images and labels differ in number.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> evaluate(model, np.zeros((3, 1, 2, 2), np.float32), np.array([0, 1, 1])).accuracy in (1 / 3, 2 / 3)
        True
    """
    batches = BatchLoader(images, labels, batch_size=batch_size)
    mean = RunningMean()
    with no_grad(), _evaluation_mode(model):
        for batch, targets in batches:
            logits = model(Tensor(batch))
            mean.add(loss(logits, targets).item(), count_correct(logits, targets), len(batch))
    if not mean.images:
        raise ArgumentError("evaluate: expects at least one image, got none")
    return mean.evaluation()


class RunningMean:
    """Loss and accuracy over several batches, each batch with the weight of its images."""

    def __init__(self) -> None:
        self.images = 0
        self._loss = 0.0
        self._correct = 0

    def add(self, batch_loss: float, correct: int, images: int) -> None:
        """Count one batch in: its mean loss, how many of its images were classified rightly, how many it has."""
        self.images += images
        self._loss += batch_loss * images
        self._correct += correct

    def evaluation(self) -> Evaluation:
        """The means over all images counted so far."""
        return Evaluation(self._loss / self.images, self._correct / self.images)


def count_correct(logits: Tensor, labels: NDArray[Any]) -> int:
    """How many rows of logits (N, classes) have their maximum at the label: a class number, or a one-hot row."""
    classes = labels.argmax(axis=1) if labels.ndim == 2 else labels
    return int(np.count_nonzero(logits.data.argmax(axis=1) == classes))


@contextmanager
def _evaluation_mode(model: Module) -> Iterator[None]:
    # Each module's own flag: a user may keep one layer in evaluation mode while the others train.
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
