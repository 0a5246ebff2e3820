from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.viz import decision_regions, plot_decision_boundary

POINTS = np.random.default_rng(0).uniform(-1, 1, size=(60, 2))
SIDES = (POINTS[:, 0] > 0.25).astype(int)


class Deep(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.reshape(-1, 2, 1)


def right_of(threshold: float, outputs: int) -> Any:
    """Class 1 where x is above the threshold."""
    model: Any = nn.Linear(2, outputs)
    model.weight.data = np.array([[-1, 0], [1, 0]][-outputs:], np.float32)
    model.bias.data = np.array([threshold, -threshold][-outputs:], np.float32)
    return model


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_threshold_divides_the_plane_where_it_lies(outputs: int) -> None:
    x = np.linspace(-1, 1, 21)
    regions = decision_regions(right_of(0.25, outputs), x, [0.0, 5.0, -5.0])
    np.testing.assert_array_equal(regions, np.tile(x > 0.25, (3, 1)))


def test_the_line_that_is_drawn_is_the_boundary() -> None:
    figure = plot_decision_boundary(right_of(0.25, 2), POINTS, SIDES)
    axes: Any = figure.axes[0]
    lines = [vertex for drawn in axes.collections for path in drawn.get_paths() for vertex in path.vertices]
    on_boundary = [x for x, _ in lines if abs(x - 0.25) < 1e-3]
    assert len(on_boundary) > 100
    assert axes.get_title() == "100.0% of 60 points right"
    figure.canvas.draw()


def test_points_on_the_wrong_side_have_a_black_edge() -> None:
    axes: Any = plot_decision_boundary(right_of(0.0, 1), POINTS, SIDES, class_names=["left", "right"]).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["left", "right"]
    wrong = POINTS[(POINTS[:, 0] > 0) & (SIDES == 0)]
    drawn = [c for c in axes.collections if len(c.get_offsets()) == len(wrong) and c.get_edgecolors()[0, :3].sum() == 0]
    np.testing.assert_allclose(np.asarray(drawn[0].get_offsets()), wrong)
    assert axes.get_title().endswith("; black edge: wrong")


def test_more_than_two_classes_differ_in_colour_and_marker() -> None:
    model = nn.Linear(2, 4)
    model.weight.data = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    labels = np.array([0, 1, 2, 3] * 15)
    axes: Any = plot_decision_boundary(model, POINTS, labels).axes[0]
    handles = axes.get_legend().legend_handles
    assert len({tuple(handle.get_facecolor()[0]) for handle in handles}) == 4
    assert len({handle.get_paths()[0].vertices.tobytes() for handle in handles}) == 4


def test_the_model_stays_as_it_was_and_the_users_axes_are_used() -> None:
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))
    state = model.state_dict()
    figure = Figure()
    assert plot_decision_boundary(model, POINTS, SIDES, resolution=10, ax=figure.subplots()) is figure
    assert all(module.training for module in model.modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


@pytest.mark.parametrize(
    ("model", "points", "labels", "options", "error", "message"),
    [
        (nn.Linear(2, 2), POINTS.T, SIDES, {}, ShapeError, r"points \(N, 2\) and labels \(N,\), got shapes \(2, 60\)"),
        (nn.Linear(2, 2), POINTS[:0], SIDES[:0], {}, ArgumentError, "got 0 points"),
        (nn.Linear(2, 2), POINTS, SIDES, {"resolution": 1}, ArgumentError, "resolution of at least 2.*resolution=1"),
        (nn.Sequential(nn.Linear(3, 2)), POINTS, SIDES, {}, ShapeError, "0: linear: weight expects 3 features"),
        (nn.Linear(2, 2), POINTS, SIDES + 1, {"class_names": "ab"}, ArgumentError, "has 2 names, the classes go to 2"),
        (Deep(), POINTS, SIDES, {}, ShapeError, r"it gives \(40000, 2, 1\)"),
    ],
    ids=["transposed", "empty", "resolution", "model", "names", "output"],
)
def test_what_does_not_fit_is_refused(
    model: Any, points: Any, labels: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_decision_boundary(model, points, labels, **options)
