from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tinygrad_cnn import nn, tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.viz import ParameterHistograms, plot_histograms


def recorded(gradients: bool = True) -> ParameterHistograms:
    """Weights whose spread doubles at each of the updates 10, 20, 30; gradients whose spread halves."""
    model = nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 5))
    noise = np.random.default_rng(0).uniform(-1, 1, size=(30, 20)).astype(np.float32)
    histograms = ParameterHistograms(model)
    for place in range(3):
        model[0].weight.data = noise * 2**place
        if gradients:
            model[0].weight.grad = tensor(noise / 2**place)
        histograms.take(10 * (place + 1))
    return histograms


def test_histograms_count_every_value() -> None:
    histograms = recorded()
    assert histograms.steps == [10, 20, 30]
    assert list(histograms.values) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    for place, entry in enumerate(histograms.values["0.weight"]):
        assert entry is not None
        assert entry.counts.sum() == 600
        assert entry.edges[-1] == pytest.approx(2**place, rel=0.01)
    assert histograms.gradients["1.weight"] == [None] * 3


def test_values_that_are_no_numbers_are_counted_apart() -> None:
    model = nn.Linear(2, 2, bias=False)
    model.weight.data = np.array([[1, np.nan], [np.inf, 2]], np.float32)
    histograms = ParameterHistograms(model)
    histograms.take(0)
    model.weight.data = np.full((2, 2), np.nan, np.float32)
    histograms.take(1)
    first, second = histograms.values["weight"]
    assert first is not None
    assert second is not None
    assert (first.counts.sum(), first.non_finite, second.counts.sum(), second.non_finite) == (2, 2, 0, 4)
    axes = plot_histograms(histograms, kinds=["value"]).axes[0]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    np.testing.assert_array_equal(crosses[0].get_xdata(), [0, 1])


def test_each_column_is_one_time_and_holds_all_values() -> None:
    figure = plot_histograms(recorded(), names=["0.weight"])
    figure.canvas.draw()
    expected: list[list[float]] = [[1, 2, 4], [1, 0.5, 0.25]]
    for axes, spreads in zip(figure.axes[:2], expected, strict=True):
        mesh: Any = axes.collections[0]
        shares = np.ma.filled(mesh.get_array(), np.nan).reshape(-1, 3)
        np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-9)
        edges = mesh.get_coordinates()[:, 0, 1]
        for column, spread in zip(shares.T, spreads, strict=True):
            outside = (edges[:-1] > 1.05 * spread) | (edges[1:] < -1.05 * spread)
            assert column[outside].sum() == pytest.approx(0, abs=1e-9)
        assert axes.get_xticks().tolist()[0] == 10
        assert axes.get_xticks().tolist()[-1] == 30


def test_weights_are_drawn_by_default_and_a_missing_gradient_says_so() -> None:
    figure = plot_histograms(recorded())
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        "0.weight", "0.weight: gradient", "1.weight", "1.weight: gradient"
    ]  # fmt: skip
    assert [text.get_text() for text in figure.axes[3].texts] == ["none"]
    assert len(plot_histograms(recorded(), max_parameters=1, kinds=["value"]).axes) == 2  # the scale is one
    plot_histograms(recorded(gradients=False), kinds=["gradient"]).canvas.draw()


def test_taking_changes_nothing_and_keeps_no_weights() -> None:
    model = nn.Linear(3, 2)
    before = model.state_dict()
    histograms = ParameterHistograms(model)
    histograms.take(0)
    model.weight.data = model.weight.data + 5
    assert histograms.values["weight"][0].edges[-1] < 5  # type: ignore[union-attr]
    assert model.weight.grad is None
    np.testing.assert_array_equal(model.weight.data, before["weight"] + 5)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: plot_histograms(ParameterHistograms(nn.ReLU())), ArgumentError, "no histograms yet; call take"),
        (lambda: plot_histograms({}), ArgumentTypeError, "expects ParameterHistograms, got dict"),  # type: ignore[arg-type]
        (lambda: plot_histograms(recorded(), ["2.weight"]), ArgumentError, "no parameter '2.weight'; it has 0.weight"),
        (lambda: plot_histograms(recorded(), []), ArgumentError, "names expects at least one; the model has 0.weight"),
        (lambda: plot_histograms(recorded(), kinds=["grad"]), ArgumentError, r"'value', 'gradient' or both, got \['gr"),  # type: ignore[list-item]
        (lambda: plot_histograms(recorded(), max_parameters=0), ArgumentError, "max_parameters must be at least 1"),
        (lambda: recorded().take(30), ArgumentError, "step expects more than 30, got 30"),
    ],
    ids=["empty", "type", "name", "no name", "kind", "maximum", "time"],
)
def test_what_cannot_be_drawn_is_refused(draw: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        draw()


def test_a_model_without_parameters_has_nothing_to_draw() -> None:
    histograms = ParameterHistograms(nn.ReLU())
    histograms.take(0)
    with pytest.raises(ArgumentError, match="the model has no parameters"):
        plot_histograms(histograms)
