from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.train import evaluate

images = np.random.default_rng(0).random((23, 1, 4, 4), np.float32)
labels = np.random.default_rng(1).integers(3, size=23)


def small_model() -> nn.Sequential:
    generator = np.random.default_rng(2)
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3, generator=generator))


def test_it_is_the_mean_loss_and_the_fraction_of_right_answers() -> None:
    model = small_model()

    loss, accuracy = evaluate(model, images, labels)

    logits = model.eval()(tg.Tensor(images)).data
    by_hand = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(23), labels]
    assert loss == pytest.approx(by_hand.mean(), rel=1e-5)
    assert accuracy == (logits.argmax(axis=1) == labels).sum() / 23


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_the_last_smaller_batch_weighs_no_more_than_its_images(batch_size: int) -> None:
    whole = evaluate(small_model(), images, labels, batch_size=23)
    parts = evaluate(small_model(), images, labels, batch_size=batch_size)

    assert parts.loss == pytest.approx(whole.loss, rel=1e-6)
    assert parts.accuracy == whole.accuracy


def test_one_hot_labels_count_alike() -> None:
    rows = np.eye(3, dtype=np.float32)[labels]

    assert evaluate(small_model(), images, rows).accuracy == evaluate(small_model(), images, labels).accuracy


def test_dropout_is_off_and_every_module_gets_its_own_mode_back() -> None:
    model = small_model().train()
    model[2].eval()  # kept in evaluation mode while the others train

    first, second = evaluate(model, images, labels), evaluate(model, images, labels)

    assert first == second
    assert [module.training for module in model.modules()] == [True, True, True, False]


def test_the_modes_come_back_after_an_error_too() -> None:
    model = small_model().train()

    def fail(logits: tg.Tensor, targets: Any) -> tg.Tensor:
        raise RuntimeError("a loss of the user's")

    with pytest.raises(RuntimeError, match="a loss of the user's"):
        evaluate(model, images, labels, loss=fail)

    assert all(module.training for module in model.modules())


def test_no_graph_is_recorded() -> None:
    recorded: list[bool] = []

    def loss(logits: tg.Tensor, targets: Any) -> tg.Tensor:
        recorded.append(logits.requires_grad)
        return tg.cross_entropy(logits, targets)

    evaluate(small_model(), images, labels, loss=loss)

    assert recorded == [False]


def test_no_images_and_labels_of_another_number_are_refused() -> None:
    with pytest.raises(ArgumentError, match="evaluate: expects at least one image"):
        evaluate(small_model(), images[:0], labels[:0])
    with pytest.raises(ShapeError, match="arrays of one length"):
        evaluate(small_model(), images, labels[:5])
