"""What is trained and how, as one value: the options of the command line, with good ones for each data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tinygrad_cnn.data.batches import BatchLoader
from tinygrad_cnn.data.image_data import ImageData
from tinygrad_cnn.nn import CrossEntropyLoss, Module, Sequential
from tinygrad_cnn.optim import SGD, Adam, OneCycleLR
from tinygrad_cnn.random import fork
from tinygrad_cnn.train.networks import classifier
from tinygrad_cnn.train.trainer import Trainer


@dataclass(frozen=True)
class Recipe:
    """The network and its training, all but the data and the seed.

    lr: the learning rate, with one-cycle the peak of it; None takes `LEARNING_RATES` of the optimizer.
    """

    filters: tuple[int, ...]
    hidden: tuple[int, ...]
    padding: int | Literal["same"]
    epochs: int
    batch_size: int
    kernel_size: int = 3
    activation: str = "relu"
    dropout: float = 0.0
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    lr: float | None = None


RECIPES = {
    "digits": Recipe(filters=(16, 32), hidden=(64,), padding=1, epochs=20, batch_size=32),
    "mnist": Recipe(filters=(8, 16), hidden=(100,), padding=0, epochs=3, batch_size=64),
}
LEARNING_RATES = {"adam": 0.005, "sgd": 0.1}
OPTIMIZERS: dict[str, type[SGD | Adam]] = {"adam": Adam, "sgd": SGD}
SCHEDULES = ("constant", "one-cycle")


def build_model(recipe: Recipe, data: ImageData, seed: int) -> Sequential:
    """The recipe's network for these images. Weights and dropout masks have a stream of random numbers each."""
    return classifier(
        data.image_shape,
        data.num_classes,
        filters=recipe.filters,
        hidden=recipe.hidden,
        kernel_size=recipe.kernel_size,
        padding=recipe.padding,
        activation=recipe.activation,
        dropout=recipe.dropout,
        generator=fork(seed, "init"),
        dropout_generator=fork(seed, "dropout"),
    )


def build_loader(recipe: Recipe, data: ImageData, seed: int) -> BatchLoader:
    """The training images in a new order every epoch, from a stream of random numbers of its own."""
    return BatchLoader(
        data.train_images, data.train_labels, batch_size=recipe.batch_size, generator=fork(seed, "shuffle")
    )


def build_trainer(recipe: Recipe, model: Module, steps: int) -> Trainer:
    """The recipe's optimizer and schedule, for a run of so many updates."""
    lr = LEARNING_RATES[recipe.optimizer] if recipe.lr is None else recipe.lr
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters(), lr=lr)
    schedule = None
    if recipe.schedule == "one-cycle":
        momentum = recipe.optimizer == "adam"  # this SGD has none, and none to cycle
        schedule = OneCycleLR(optimizer, max_lr=lr, total_steps=steps, cycle_momentum=momentum)
    return Trainer(model, CrossEntropyLoss(), optimizer, schedule)
