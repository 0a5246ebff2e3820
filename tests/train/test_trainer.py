from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import BatchLoader
from tinygrad_cnn.errors import ArgumentError, DivergenceError
from tinygrad_cnn.random import fork
from tinygrad_cnn.train import Callback, History, Progress, Trainer, classifier, evaluate

draw = np.random.default_rng(0)
labels = draw.integers(2, size=30)
images = (draw.random((30, 1, 4, 4)) * 0.5 + labels[:, None, None, None] * 0.5).astype(np.float32)  # 1 is the brighter


class Brightness(nn.Module):
    """A Module as a user writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 2, generator=fork(0, "init"))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.linear(x.mean(dim=(2, 3)))  # type: ignore[no-any-return]


def loader(batch_size: int = 8) -> BatchLoader:
    return BatchLoader(images, labels, batch_size=batch_size, generator=fork(0, "shuffle"))


def dropping_trainer() -> Trainer:
    model = classifier(
        (1, 4, 4),
        2,
        filters=(2,),
        hidden=(4,),
        dropout=0.3,
        generator=fork(0, "init"),
        dropout_generator=fork(0, "dropout"),
    )
    return Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.01))


def brightness_trainer(lr: float = 5.0) -> Trainer:
    model = Brightness()
    return Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=lr))


class Notes(Callback):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_start(self, progress: Progress) -> None:
        self.told.append(("start", progress.step, progress.steps, progress.epochs))

    def on_step(self, progress: Progress) -> None:
        self.told.append(("step", progress.step, progress.epoch))

    def on_entry(self, progress: Progress) -> None:
        self.told.append(("entry", progress.step, len(progress.history.train_loss)))

    def on_end(self, progress: Progress) -> None:
        self.told.append(("end", progress.step))


# ---- it learns


def test_a_module_of_the_users_learns() -> None:
    history = brightness_trainer().fit(loader(), epochs=40, test=(images, labels))

    assert history.test_accuracy[-1] == 1.0
    assert history.test_loss[-1] < history.test_loss[0]
    assert history.train_loss[-1] < history.train_loss[0]


def test_one_step_is_forward_loss_backward_update() -> None:
    trainer, by_hand = brightness_trainer(lr=0.5), Brightness()
    trainer.fit([(images, labels)], steps=1)

    nn.CrossEntropyLoss()(by_hand(tg.Tensor(images)), labels).backward()
    for parameter in by_hand.parameters():
        assert parameter.grad is not None
        parameter.data = parameter.data - 0.5 * parameter.grad.data

    for name, array in by_hand.state_dict().items():
        np.testing.assert_allclose(trainer.model.state_dict()[name], array, rtol=1e-6)


def test_a_loss_of_the_users_and_one_hot_labels_will_do() -> None:
    model = Brightness()
    trainer = Trainer(
        model, lambda logits, target: ((logits - tg.Tensor(target)) ** 2).mean(), optim.SGD(model.parameters(), lr=0.5)
    )
    rows = np.eye(2, dtype=np.float32)[labels]

    history = trainer.fit(BatchLoader(images, rows, batch_size=10), epochs=60, test=(images, rows))

    assert history.test_accuracy[-1] == 1.0


def test_the_schedule_moves_with_every_update() -> None:
    model = Brightness()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    schedule = optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=8, cycle_momentum=False)
    Trainer(model, nn.CrossEntropyLoss(), optimizer, schedule).fit(loader(), epochs=2)

    assert schedule.last_epoch == 8


# ---- what it writes down


def test_training_figures_are_means_over_the_images_before_each_update() -> None:
    class Frozen(optim.SGD):
        def step(self, closure: Any = None) -> None:
            pass

    model = Brightness()
    trainer = Trainer(model, nn.CrossEntropyLoss(), Frozen(model.parameters(), lr=1.0))

    history = trainer.fit(loader(batch_size=7), epochs=1)

    still = evaluate(model, images, labels)
    assert history.train_loss == pytest.approx([still.loss], rel=1e-6)
    assert history.train_accuracy == [still.accuracy]


def test_test_figures_are_those_of_the_model_as_it_is_then() -> None:
    trainer = dropping_trainer()
    history = trainer.fit(loader(), epochs=3, test=(images[:11], labels[:11]))

    assert (history.test_loss[-1], history.test_accuracy[-1]) == evaluate(trainer.model, images[:11], labels[:11])
    assert len(history.test_loss) == len(history.train_loss) == 3
    assert history.step == []


def test_steps_are_counted_logged_and_end_within_an_epoch() -> None:
    history = brightness_trainer().fit(loader(), steps=10, log_every=4, test=(images, labels))

    assert history.step == [4, 8, 10]
    assert all(len(curve) == 3 for curve in history.values())
    assert brightness_trainer().fit(loader(), steps=3).step == [3]


def test_without_test_data_the_test_figures_are_nan() -> None:
    history = brightness_trainer().fit(loader(), epochs=2)

    assert [math.isnan(value) for value in (*history.test_loss, *history.test_accuracy)] == [True] * 4


def test_epochs_and_as_many_steps_are_the_same_training() -> None:
    by_epoch, by_step = dropping_trainer(), dropping_trainer()
    by_epoch.fit(loader(), epochs=3)
    by_step.fit(loader(), steps=12, log_every=5, test=(images, labels), callbacks=[Notes()])

    one, other = by_epoch.model.state_dict(), by_step.model.state_dict()
    assert all(np.array_equal(one[name], other[name]) for name in one)


# ---- who watches


def test_callbacks_are_told_of_start_steps_entries_and_end() -> None:
    notes = Notes()
    brightness_trainer().fit(loader(batch_size=15), epochs=2, callbacks=[notes])

    assert notes.told == [
        ("start", 0, 4, 2),
        *(("step", 1, 1), ("step", 2, 1), ("entry", 2, 1)),
        *(("step", 3, 2), ("step", 4, 2), ("entry", 4, 2)),
        ("end", 4),
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_still_tells_the_end_and_leaves_evaluation_mode(error: type[BaseException]) -> None:
    class Stop(Callback):
        def on_step(self, progress: Progress) -> None:
            if progress.step == 3:
                raise error

    trainer, notes = dropping_trainer(), Notes()
    with pytest.raises(error):
        trainer.fit(loader(), epochs=5, callbacks=[notes, Stop()])

    assert notes.told[-1] == ("end", 3)
    assert not any(module.training for module in trainer.model.modules())


def test_it_trains_in_training_mode_and_ends_in_evaluation_mode() -> None:
    modes: list[bool] = []

    class Watch(Callback):
        def on_step(self, progress: Progress) -> None:
            modes.append(trainer.model.training)

    trainer = dropping_trainer()
    trainer.model.eval()
    trainer.fit(loader(), epochs=2, test=(images, labels), callbacks=[Watch()])

    assert modes == [True] * 8
    assert not trainer.model.training


# ---- what it refuses


def test_a_loss_that_is_no_longer_finite_stops_the_run() -> None:
    with pytest.raises(ArgumentError, match=r"the loss is (nan|inf) at update \d+; pass a smaller learning rate"):
        brightness_trainer(lr=3e38).fit(loader(), epochs=3, test=(images, labels))


def test_a_run_that_diverged_tells_how_it_went_until_then() -> None:
    class FarAway(Callback):
        def on_step(self, progress: Progress) -> None:
            if progress.step == 5:
                trainer.optimizer.param_groups[0]["lr"] = 3e38

    trainer = brightness_trainer(lr=0.1)
    with pytest.raises(DivergenceError) as error:
        trainer.fit(loader(), steps=20, log_every=2, test=(images, labels), callbacks=[FarAway()])
    update = int(re.search(r"at update (\d+)", str(error.value))[1])  # type: ignore[index]
    assert update > 5
    assert error.value.history.step == list(range(2, update, 2))
    assert {len(curve) for curve in error.value.history.values()} == {len(error.value.history.step)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either epochs or steps, got epochs=None and steps=None"),
        ({"epochs": 1, "steps": 1}, "either epochs or steps, got epochs=1 and steps=1"),
        ({"epochs": 0}, "epochs expects at least 1, got 0"),
        ({"steps": -1}, "steps expects at least 1, got -1"),
        ({"steps": 1, "log_every": 0}, "log_every expects at least 1, got 0"),
        ({"epochs": 1, "log_every": 1}, "log_every goes with steps"),
    ],
    ids=["neither", "both", "epochs", "steps", "log_every", "log_every with epochs"],
)
def test_arguments_that_make_no_run_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=f"Trainer.fit: .*{message}"):
        brightness_trainer().fit(loader(), **arguments)


def test_an_empty_loader_is_refused() -> None:
    with pytest.raises(ArgumentError, match="at least one batch"):
        brightness_trainer().fit(BatchLoader(images[:0], labels[:0], batch_size=4), epochs=1)


def test_a_history_starts_anew_with_every_fit() -> None:
    trainer = brightness_trainer()
    first, second = trainer.fit(loader(), epochs=1), trainer.fit(loader(), epochs=1)

    assert isinstance(first, History)
    assert first is not second
    assert second.train_loss[0] < first.train_loss[0]
