"""The classical convolutional classifier: blocks of convolution, activation and max pooling, then hidden layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from math import prod
from typing import Literal

import numpy as np

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.nn import Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential, Sigmoid, Tanh

ACTIVATIONS: dict[str, Callable[[], Module]] = {"relu": ReLU, "sigmoid": Sigmoid, "tanh": Tanh}
_POOL = 2


def classifier(
    image_shape: tuple[int, int, int],
    num_classes: int,
    filters: Sequence[int] = (16, 32),
    hidden: Sequence[int] = (64,),
    kernel_size: int = 3,
    padding: int | Literal["same"] = 1,
    activation: str = "relu",
    dropout: float = 0.0,
    generator: np.random.Generator | None = None,
    dropout_generator: np.random.Generator | None = None,
) -> Sequential:
    """A convolutional classifier of images, whose output is one logit per class.

    For each number in `filters` a block of convolution, activation and 2x2 max pooling; then the image is flattened;
    for each number in `hidden` a linear layer, activation and, where `dropout` > 0, dropout; last a linear layer with
    `num_classes` outputs. Without filters it is a multi-layer perceptron. (Without hidden layers dropout acts on the
    flattened image.) The softmax is part of the loss, `nn.CrossEntropyLoss`.

    generator: draws the initial weights; dropout_generator: the dropout masks.

    Shapes: images (N, C, H, W) with image_shape = (C, H, W) -> logits (N, num_classes).
    Units: kernel_size and padding in pixels; 'same' pads so that a convolution keeps the image's size.
    Raises: ShapeError, naming the layer, where a kernel or a pooling window is larger than its image; ArgumentError
    for an unknown activation, or a number out of range.
    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86 (1998), section II.

    Example:
        >>> model = classifier((1, 28, 28), 10, filters=(4, 4), hidden=(20,), padding=0)
        >>> [type(layer).__name__ for layer in model]
        ['Conv2d', 'ReLU', 'MaxPool2d', 'Conv2d', 'ReLU', 'MaxPool2d', 'Flatten', 'Linear', 'ReLU', 'Linear']
        >>> model(Tensor(np.zeros((5, 1, 28, 28), np.float32))).shape
        (5, 10)
    """
    _check(num_classes, filters, hidden, activation)
    blocks = _blocks(image_shape[0], filters, kernel_size, padding, ACTIVATIONS[activation], generator)
    features = _count_features(blocks, image_shape)
    layers = [layer for block in blocks for layer in block] + [Flatten()]
    if dropout and not hidden:
        layers.append(Dropout(dropout, generator=dropout_generator))
    for inputs, outputs in pairwise((features, *hidden)):
        layers += [Linear(inputs, outputs, generator=generator), ACTIVATIONS[activation]()]
        if dropout:
            layers.append(Dropout(dropout, generator=dropout_generator))
    layers.append(Linear((features, *hidden)[-1], num_classes, generator=generator))
    return Sequential(*layers)


def _check(num_classes: int, filters: Sequence[int], hidden: Sequence[int], activation: str) -> None:
    for name, numbers in (("num_classes", [num_classes]), ("filters", filters), ("hidden", hidden)):
        for number in numbers:
            if number < 1:
                raise ArgumentError(f"classifier: {name} expects numbers of at least 1, got {number}")
    if activation not in ACTIVATIONS:
        raise ArgumentError(f"classifier: activation expects one of {', '.join(ACTIVATIONS)}, got {activation!r}")


def _blocks(
    channels: int,
    filters: Sequence[int],
    kernel_size: int,
    padding: int | Literal["same"],
    activation: Callable[[], Module],
    generator: np.random.Generator | None,
) -> list[tuple[Module, ...]]:
    blocks: list[tuple[Module, ...]] = []
    for inputs, outputs in pairwise((channels, *filters)):
        convolution = Conv2d(inputs, outputs, kernel_size, padding=padding, generator=generator)
        blocks.append((convolution, activation(), MaxPool2d(_POOL)))
    return blocks


def _count_features(blocks: Sequence[Sequence[Module]], image_shape: tuple[int, int, int]) -> int:
    """What the blocks put out for one image. A batch of no images tells: the layers know the sizes best themselves."""
    images = Tensor(np.zeros((0, *image_shape), np.float32))
    layer_numbers = count()
    with no_grad():
        for block_number, block in enumerate(blocks, start=1):
            for layer in block:
                place = f"layer {next(layer_numbers)} ({type(layer).__name__}, block {block_number})"
                try:
                    images = layer(images)
                except (ShapeError, ArgumentError) as error:
                    raise type(error)(f"{place}: {error}") from None
    return prod(images.shape[1:])
