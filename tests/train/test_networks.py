from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.random import fork
from tinygrad_cnn.train import classifier


def kinds(model: nn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in model]


def test_it_has_the_shape_of_the_note() -> None:
    model = classifier((1, 28, 28), 10, filters=(4, 6), hidden=(20, 12), kernel_size=3, padding=0)

    assert kinds(model) == [
        *("Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "MaxPool2d", "Flatten"),
        *("Linear", "ReLU", "Linear", "ReLU", "Linear"),
    ]
    assert {name: array.shape for name, array in model.state_dict().items() if name.endswith("weight")} == {
        "0.weight": (4, 1, 3, 3),
        "3.weight": (6, 4, 3, 3),
        "7.weight": (20, 6 * 5 * 5),
        "9.weight": (12, 20),
        "11.weight": (10, 12),
    }


@pytest.mark.parametrize(
    ("options", "image_shape"),
    [
        ({"filters": (3,), "kernel_size": 5, "padding": "same"}, (3, 7, 9)),
        ({"filters": (3,), "kernel_size": 2, "padding": "same", "activation": "tanh"}, (1, 8, 8)),
        ({"filters": (), "hidden": (5,)}, (2, 3, 4)),
        ({"filters": (3,), "hidden": ()}, (1, 8, 6)),
        ({"filters": (), "hidden": ()}, (1, 8, 6)),
        ({"filters": (2, 2), "padding": 3, "activation": "sigmoid", "dropout": 0.5}, (1, 5, 4)),
    ],
    ids=["same", "even kernel", "no filters", "no hidden layer", "linear", "all"],
)
def test_any_image_becomes_one_logit_per_class(options: dict[str, Any], image_shape: tuple[int, int, int]) -> None:
    model = classifier(image_shape, 7, **options)

    assert model(tg.Tensor(np.ones((2, *image_shape), np.float32))).shape == (2, 7)


def test_dropout_follows_each_hidden_layer_or_else_the_image() -> None:
    assert kinds(classifier((1, 4, 4), 2, filters=(), hidden=(3, 3), dropout=0.1)) == [
        *("Flatten", "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear")
    ]
    assert kinds(classifier((1, 4, 4), 2, filters=(), hidden=(), dropout=0.1)) == ["Flatten", "Dropout", "Linear"]
    assert "Dropout" not in kinds(classifier((1, 4, 4), 2, dropout=0.0, filters=()))


def test_the_generator_decides_the_weights() -> None:
    def weights(seed: int, **options: Any) -> dict[str, Any]:
        return classifier((1, 8, 8), 10, generator=fork(seed, "init"), **options).state_dict()

    same, again, other = weights(0), weights(0), weights(1)
    assert all(np.array_equal(same[name], again[name]) for name in same)
    assert not any(np.array_equal(same[name], other[name]) for name in same)


@pytest.mark.parametrize("hidden", [(), (5,)], ids=["no hidden layer", "one"])
def test_dropout_draws_from_a_generator_of_its_own(hidden: tuple[int, ...]) -> None:
    weights, masks = fork(0, "init"), fork(0, "dropout")
    model = classifier((1, 4, 4), 2, (), hidden, dropout=0.5, generator=weights, dropout_generator=masks)
    before = [generator.bit_generator.state for generator in (weights, masks)]

    model(tg.Tensor(np.ones((1, 1, 4, 4), np.float32)))

    after = [generator.bit_generator.state for generator in (weights, masks)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"kernel_size": 9, "padding": 0},
            r"^layer 0 \(Conv2d, block 1\): conv2d: kernel 9x9 is larger than its padded input 8x8",
        ),
        ({"kernel_size": 5, "padding": 0}, r"^layer 3 \(Conv2d, block 2\): conv2d: kernel 5x5 .* 2x2"),
        ({"filters": (2, 2, 2, 2)}, r"^layer 11 \(MaxPool2d, block 4\): max_pool2d: kernel 2x2 .* 1x1"),
    ],
    ids=["first", "second", "pooling"],
)
def test_a_window_larger_than_its_image_names_the_layer(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        classifier((1, 8, 8), 10, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": (4, 0)}, "classifier: filters expects numbers of at least 1, got 0"),
        ({"hidden": (-3,)}, "classifier: hidden expects numbers of at least 1, got -3"),
        ({"activation": "selu"}, "classifier: activation expects one of relu, sigmoid, tanh, got 'selu'"),
        ({"kernel_size": 0}, "kernel_size must be at least 1"),
        ({"dropout": 2.0}, "p must be between 0 and 1"),
    ],
    ids=["filters", "hidden", "activation", "kernel", "dropout"],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        classifier((1, 8, 8), 10, **options)
