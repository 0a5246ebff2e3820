"""The training loop: forward, loss, backward, update, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DivergenceError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.optim import Optimizer
from tinygrad_cnn.train.callbacks import Callback, Progress
from tinygrad_cnn.train.evaluation import Evaluation, RunningMean, count_correct, evaluate
from tinygrad_cnn.train.history import History

LOG_EVERY = 100


class Loader(Protocol):
    """Batches (images, labels) that can be gone through again and again: a `BatchLoader`, or a list of pairs."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...


class Schedule(Protocol):
    """Something that sets the optimizer's learning rate for the next update: `optim.OneCycleLR`, or one of yours."""

    def step(self) -> None: ...


class Trainer:
    """Trains a classifier: any Module that turns a batch of images into logits (N, classes).

    loss: takes logits and labels of a batch, gives their mean loss: `nn.CrossEntropyLoss()`, or a function of yours.
    schedule: stepped after every update; None keeps the learning rate.

    Example:
        >>> from tinygrad_cnn import nn, optim
        >>> from tinygrad_cnn.data import BatchLoader
        >>> class Brightness(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.logits = nn.Linear(1, 2)
        ...
        ...     def forward(self, images):
        ...         return self.logits(images.mean(dim=(2, 3)))
        >>> images, labels = np.repeat(np.float32([0, 1]), 16).reshape(2, 1, 4, 4), np.array([0, 1])

        A module of your own is trained in five lines:

        >>> model = Brightness()
        >>> loader = BatchLoader(images, labels, batch_size=2)
        >>> trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=1.0))
        >>> history = trainer.fit(loader, epochs=100, test=(images, labels))
        >>> history.test_accuracy[-1]
        1.0
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Tensor, NDArray[Any]], Tensor],
        optimizer: Optimizer,
        schedule: Schedule | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self.schedule = schedule

    def fit(
        self,
        loader: Loader,
        *,
        epochs: int | None = None,
        steps: int | None = None,
        log_every: int | None = None,
        test: tuple[ArrayLike, ArrayLike] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> History:
        """Train for so many epochs, or for so many updates, and return how it went.

        The history gains an entry after every epoch; with `steps`, after every `log_every` updates (by default 100)
        and after the last one. Neither the entries nor the callbacks change a bit of what is learnt. Afterwards, also
        after an error, the model is in evaluation mode.

        test: (images, labels) to measure at every entry.

        Raises: ArgumentError where not exactly one of epochs and steps is given, a number is below 1, or the loader is
        empty; DivergenceError, with the history so far, where the loss is no longer a finite number, which a smaller
        learning rate mends.
        """
        plan = _plan(loader, epochs, steps, log_every)
        progress = Progress(steps=plan.steps, epochs=math.ceil(plan.steps / len(loader)))
        batches = _again_and_again(loader)
        # NumPy would warn of each overflow of a run that diverges; the loss tells it once, and stops the run.
        with np.errstate(over="ignore", invalid="ignore"), ExitStack() as ending:
            ending.callback(self.model.eval)
            for callback in callbacks:
                ending.callback(callback.on_end, progress)
                callback.on_start(progress)
            while progress.step < plan.steps:
                entry = islice(batches, min(plan.log_every, plan.steps - progress.step))
                training = self._learn(entry, len(loader), progress, callbacks)
                self._record(training, test, plan, progress)
                for callback in callbacks:
                    callback.on_entry(progress)
        return progress.history

    def _learn(
        self, batches: Iterable[Any], epoch_steps: int, progress: Progress, callbacks: Sequence[Callback]
    ) -> Evaluation:
        """One update per batch, and the mean over them of what the model scored before each."""
        mean = RunningMean()
        self.model.train()
        for images, labels in batches:
            logits = self.model(Tensor(images))
            loss = self.loss(logits, labels)
            progress.step += 1
            progress.epoch = math.ceil(progress.step / epoch_steps)
            progress.loss = loss.item()
            _check_finite(progress.loss, progress)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.schedule is not None:
                self.schedule.step()
            mean.add(progress.loss, count_correct(logits, labels), len(images))
            for callback in callbacks:
                callback.on_step(progress)
        return mean.evaluation()

    def _record(
        self, training: Evaluation, test: tuple[ArrayLike, ArrayLike] | None, plan: _Plan, progress: Progress
    ) -> None:
        tested = Evaluation(math.nan, math.nan)
        if test is not None:
            tested = evaluate(self.model, *test, loss=self.loss)
            _check_finite(tested.loss, progress)
        history = progress.history
        history.train_loss.append(training.loss)
        history.train_accuracy.append(training.accuracy)
        history.test_loss.append(tested.loss)
        history.test_accuracy.append(tested.accuracy)
        if plan.counts_steps:
            history.step.append(progress.step)


class _Plan(NamedTuple):
    """How many updates a run makes, and after how many each entry of its history comes."""

    steps: int
    log_every: int
    counts_steps: bool  # whether the entries are so many updates, not epochs


def _plan(loader: Loader, epochs: int | None, steps: int | None, log_every: int | None) -> _Plan:
    for name, number in (("epochs", epochs), ("steps", steps), ("log_every", log_every)):
        if number is not None and number < 1:
            raise ArgumentError(f"Trainer.fit: {name} expects at least 1, got {number}")
    if len(loader) == 0:
        raise ArgumentError("Trainer.fit: the loader expects at least one batch, it has none")
    if steps is not None and epochs is None:
        return _Plan(steps, LOG_EVERY if log_every is None else log_every, counts_steps=True)
    if epochs is None or steps is not None:
        raise ArgumentError(f"Trainer.fit: expects either epochs or steps, got epochs={epochs} and steps={steps}")
    if log_every is not None:
        raise ArgumentError("Trainer.fit: log_every goes with steps; with epochs each epoch is an entry")
    return _Plan(epochs * len(loader), len(loader), counts_steps=False)


def _again_and_again(loader: Loader) -> Iterator[Any]:
    while True:
        batches = 0
        for batch in loader:
            batches += 1
            yield batch
        if not batches:
            raise ArgumentError(
                "Trainer.fit: the loader gave no batch this time round; pass one that can be gone through again and "
                "again, such as a BatchLoader or a list"
            )


def _check_finite(loss: float, progress: Progress) -> None:
    if not math.isfinite(loss):
        message = f"Trainer.fit: the loss is {loss} at update {progress.step}; pass a smaller learning rate"
        raise DivergenceError(message, progress.history)
