from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tinygrad_cnn import nn, tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.viz import plot_filters

RNG = np.random.default_rng(0)


def tiles(figure: Any, height: int, width: int) -> Any:
    """The pixels that were drawn, (rows, columns, height, width), without the gaps."""
    mesh = figure.axes[0].collections[0]
    pixels = np.ma.filled(mesh.get_array().astype(float), np.nan)
    pixels = np.pad(pixels, ((0, 1), (0, 1)), constant_values=np.nan)
    rows, columns = pixels.shape[0] // (height + 1), pixels.shape[1] // (width + 1)
    cells = pixels.reshape(rows, height + 1, columns, width + 1)
    assert np.isnan(cells[:, height]).all()
    assert np.isnan(cells[..., width]).all()
    return cells[:, :height, :, :width].transpose(0, 2, 1, 3)


def test_rows_are_filters_and_columns_are_channels() -> None:
    weight = RNG.normal(size=(4, 3, 5, 2))
    figure = plot_filters(weight)
    figure.canvas.draw()
    np.testing.assert_array_equal(tiles(figure, 5, 2), weight)
    axes = figure.axes[0]
    assert axes.yaxis_inverted()
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1", "2", "3"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("input channel", "filter")
    assert figure.get_suptitle() == "4 filters 5 × 2 on 3 channels"


def test_one_channel_makes_a_compact_grid() -> None:
    weight = RNG.normal(size=(7, 1, 3, 3))
    figure = plot_filters(weight)
    drawn = tiles(figure, 3, 3)
    assert drawn.shape == (3, 3, 3, 3)
    np.testing.assert_array_equal(drawn.reshape(9, 3, 3)[:7], weight[:, 0])
    assert np.isnan(drawn.reshape(9, 3, 3)[7:]).all()
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["0", "3", "6"]
    assert len(figure.axes[0].collections[1].get_paths()) == 7  # no frame where there is no filter


def test_one_scale_symmetric_around_zero_holds_for_all() -> None:
    weight = np.zeros((2, 2, 3, 3))
    weight[1, 0, 2, 2] = -3.0
    weight[0, 1, 0, 0] = np.nan
    mesh = plot_filters(weight).axes[0].collections[0]
    assert mesh.get_clim() == (-3.0, 3.0)
    assert plot_filters(np.zeros((1, 1, 2, 2))).axes[0].collections[0].get_clim() == (-1.0, 1.0)


def test_layers_and_tensors_are_taken() -> None:
    layer = nn.Conv2d(2, 3, 3)
    for given in (layer, layer.weight, layer.weight.data, tensor(layer.weight)):
        np.testing.assert_array_equal(tiles(plot_filters(given), 3, 3), layer.weight.data)


def test_a_large_layer_is_cut_and_says_so() -> None:
    weight = RNG.normal(size=(64, 32, 3, 3))
    figure = plot_filters(weight, title="features.3")
    np.testing.assert_array_equal(tiles(figure, 3, 3), weight[:32, :16])
    assert figure.get_suptitle() == "features.3\n(first 32 of 64 filters, first 16 of 32 channels)"
    whole = plot_filters(weight, max_filters=64, max_channels=32)
    assert whole.get_suptitle() == "64 filters 3 × 3 on 32 channels"
    for picture in (figure, whole):
        assert max(picture.get_size_inches()) < 12
        assert len(picture.axes[0].get_yticks()) <= 16


@pytest.mark.parametrize(
    ("weight", "options", "error", "message"),
    [
        (np.ones((4, 9)), {}, ShapeError, r"expects weights \(O, C, KH, KW\).*got shape \(4, 9\)"),
        (np.ones((0, 1, 3, 3)), {}, ShapeError, r"none of them 0, got shape \(0, 1, 3, 3\)"),
        (nn.Linear(2, 3), {}, ShapeError, r"got shape \(3, 2\)"),
        (nn.ReLU(), {}, ArgumentTypeError, "a layer with .weight, got ReLU"),
        (np.ones((1, 1, 2, 2), complex), {}, ArgumentTypeError, "got ndarray"),
        (np.ones((1, 1, 2, 2)), {"max_filters": 0}, ArgumentError, "max_filters must be at least 1, got 0"),
    ],
    ids=["2-d", "empty", "linear", "relu", "complex", "maximum"],
)
def test_what_is_no_filter_is_refused(weight: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_filters(weight, **options)
