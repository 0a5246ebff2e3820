from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tinygrad_cnn.data import digits
from tinygrad_cnn.nn import Dropout
from tinygrad_cnn.random import fork
from tinygrad_cnn.train.recipes import RECIPES, build_loader, build_model, build_trainer

data = digits(train=40, test=20)
recipe = RECIPES["digits"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_every_optimizer_takes_every_schedule(optimizer: str, schedule: str) -> None:
    chosen = replace(recipe, optimizer=optimizer, schedule=schedule)
    trainer = build_trainer(chosen, build_model(chosen, data, seed=0), steps=6)

    history = trainer.fit(build_loader(chosen, data, seed=0), steps=6)

    assert np.isfinite(history.train_loss).all()
    assert (trainer.schedule is None) == (schedule == "constant")


def test_plain_descent_stays_without_momentum_in_one_cycle() -> None:
    chosen = replace(recipe, optimizer="sgd")
    trainer = build_trainer(chosen, build_model(chosen, data, seed=0), steps=6)

    assert trainer.optimizer.param_groups[0]["momentum"] == 0


def test_the_learning_rate_suits_the_optimizer_unless_it_is_given() -> None:
    def rate(**options: object) -> float:
        chosen = replace(recipe, schedule="constant", **options)  # type: ignore[arg-type]
        trainer = build_trainer(chosen, build_model(chosen, data, seed=0), steps=1)
        return float(trainer.optimizer.param_groups[0]["lr"])

    assert (rate(), rate(optimizer="sgd"), rate(lr=0.125)) == (0.005, 0.1, 0.125)


def test_weights_order_and_dropout_have_a_stream_each() -> None:
    plain, dropping = (build_model(replace(recipe, dropout=p), data, seed=0) for p in (0.0, 0.5))
    assert np.array_equal(plain.state_dict()["0.weight"], dropping.state_dict()["0.weight"])
    masks = next(layer.generator for layer in dropping if isinstance(layer, Dropout))
    assert masks is not None
    assert masks.random() == fork(0, "dropout").random()

    one, other = (next(iter(build_loader(r, data, seed=0))) for r in (recipe, replace(recipe, hidden=(3,))))
    assert np.array_equal(one[1], other[1])


def test_another_seed_changes_weights_and_order() -> None:
    assert not np.array_equal(
        build_model(recipe, data, seed=0).state_dict()["0.weight"],
        build_model(recipe, data, seed=1).state_dict()["0.weight"],
    )
    one, other = (next(iter(build_loader(recipe, data, seed=seed))) for seed in (0, 1))
    assert not np.array_equal(one[0], other[0])
