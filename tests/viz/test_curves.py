from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.viz import plot_history

HISTORY: dict[str, list[Any]] = {
    "train_loss": [1.0, 0.5, 0.2],
    "test_loss": [1.1, 0.6, 0.4],
    "train_accuracy": [0.5, 0.8, 0.99],
    "test_accuracy": [0.4, 0.7, 0.9812],
}


def line(axes: Any, label: str) -> Any:
    return next(drawn for drawn in axes.lines if drawn.get_label() == label)


def test_both_panels_show_training_and_test() -> None:
    figure = plot_history(HISTORY, title="LeNet on digits")
    assert figure.get_suptitle() == "LeNet on digits"
    for axes, measure in zip(figure.axes, ("loss", "accuracy"), strict=True):
        assert axes.get_ylabel() == measure
        assert axes.get_xlabel() == "epoch"
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["training", "test"]  # type: ignore[union-attr]
        for label, data in (("training", f"train_{measure}"), ("test", f"test_{measure}")):
            np.testing.assert_array_equal(line(axes, label).get_xdata(), [1, 2, 3])
            np.testing.assert_array_equal(line(axes, label).get_ydata(), HISTORY[data])


def test_training_and_test_differ_in_colour_dash_and_marker() -> None:
    for axes in plot_history(HISTORY).axes:
        training, test = line(axes, "training"), line(axes, "test")
        for look in ("get_color", "get_linestyle", "get_marker"):
            assert getattr(training, look)() != getattr(test, look)()


def test_accuracy_is_in_percent_and_the_last_one_is_written_out() -> None:
    figure = plot_history(HISTORY)
    figure.canvas.draw()
    accuracy = figure.axes[1]
    assert all(text.get_text().endswith("%") for text in accuracy.get_yticklabels())
    assert [text.get_text() for text in accuracy.texts] == ["98.12%"]


def test_steps_and_gaps() -> None:
    history = HISTORY | {"step": [10, 20, 30], "test_loss": [None, 0.6, None], "test_accuracy": [None, 0.75, np.nan]}
    loss, accuracy = plot_history(history).axes
    assert loss.get_xlabel() == "update"
    np.testing.assert_array_equal(line(loss, "training").get_xdata(), [10, 20, 30])
    np.testing.assert_array_equal(line(loss, "test").get_xdata(), [20])
    assert [text.get_text() for text in accuracy.texts] == ["75.00%"]
    never = plot_history(history | {"test_accuracy": [None] * 3})
    assert len(never.axes[1].texts) == 0


@pytest.mark.parametrize("count", [1, 500])
def test_one_epoch_and_many_are_drawn(count: int) -> None:
    history = {name: [0.5] * count for name in HISTORY}
    figure = plot_history(history)
    figure.canvas.draw()
    assert line(figure.axes[0], "test").get_marker() == ("s" if count == 1 else "")
    ticks = figure.axes[0].get_xticks()
    assert np.array_equal(ticks, np.round(ticks))


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ([1.0], ArgumentTypeError, "expects a mapping of lists by name, got list"),
        ({"train_loss": [1.0]}, ArgumentError, "has no test_loss, train_accuracy, test_accuracy; it has train_loss"),
        ({name: [] for name in HISTORY}, ArgumentError, "the history is empty"),
        (HISTORY | {"test_loss": [1.0]}, ArgumentError, "equally long, got train_loss 3, test_loss 1"),
        (HISTORY | {"step": [1, 2]}, ArgumentError, "equally long.* step 2"),
        (HISTORY | {"test_accuracy": [40.0, 70.0, 98.1]}, ArgumentError, "test_accuracy expects fractions .* got 40"),
    ],
    ids=["no mapping", "missing", "empty", "lengths", "steps", "percent"],
)
def test_a_wrong_history_is_one_clear_error(history: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_history(history)


@pytest.mark.parametrize("count", [2, 3, 6, 10, 17, 50, 200, 1234])
def test_the_first_and_the_last_epoch_have_a_tick(count: int) -> None:
    for axes in plot_history({name: [0.5] * count for name in HISTORY}).axes:
        ticks = axes.get_xticks()
        assert ticks[0] == 1
        assert ticks[-1] == count
        assert len(ticks) <= 10
        assert (np.diff(ticks) >= (count - 1) / 11).all()
        assert np.array_equal(ticks, np.round(ticks))


def test_the_first_and_the_last_update_have_a_tick() -> None:
    history = {name: [0.5] * 4 for name in HISTORY} | {"step": [130, 260, 390, 437]}
    ticks = plot_history(history).axes[0].get_xticks()
    assert (ticks[0], ticks[-1]) == (130, 437)


@pytest.mark.parametrize("last", [900, 2_000, 9_900, 99_000, 1_234_000])
def test_numbers_of_updates_do_not_touch(last: int) -> None:
    history = {name: [0.5] * 100 for name in HISTORY} | {"step": list(range(last // 100, last + 1, last // 100))}
    figure = plot_history(history)
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert figure.axes[0].get_xticklabels()[-1].get_text() == f"{last:,}"
    assert all(left.x1 + 3 < right.x0 for left, right in pairwise(boxes))


def test_curves_are_drawn_on_axes_of_the_users() -> None:
    figure = Figure()
    axes = figure.subplots(1, 3)
    assert plot_history(HISTORY, axes=axes[1:]) is figure
    assert [panel.get_ylabel() for panel in axes] == ["", "loss", "accuracy"]
    with pytest.raises(ArgumentError, match="axes expects two, for loss and accuracy, got 3"):
        plot_history(HISTORY, axes=axes)
