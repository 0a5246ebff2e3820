from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.viz import (
    feature_maps,
    grad_cam,
    maximize_activation,
    occlusion,
    plot_activation_maximization,
    plot_feature_maps,
    plot_grad_cam,
    plot_layer_filters,
    plot_occlusion,
    plot_saliency,
    saliency,
)

IMAGE = np.random.default_rng(0).random((1, 8, 6)).astype(np.float32)


def network(channels: int = 1) -> nn.Sequential:
    generator = np.random.default_rng(1)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1, generator=generator),
        nn.ReLU(),
        nn.Conv2d(4, 12, 3, padding=1, generator=generator),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(144, 3, generator=generator),
    )


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


# ---- filters of every layer


def test_every_convolution_has_its_filters() -> None:
    figure = plot_layer_filters(network(), max_filters=10)
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        "0 Conv2d", "2 Conv2d\n(first 10 of 12 filters)"
    ]  # fmt: skip
    figure.canvas.draw()


def test_the_filters_of_a_deep_model_are_thinned_out_and_say_so() -> None:
    model = nn.Sequential(*(nn.Conv2d(2, 20, 3) if i == 0 else nn.Conv2d(20, 20, 3) for i in range(7)))
    figure = plot_layer_filters(model, before=model, max_layers=3)
    assert figure.get_suptitle() == "3 of 7 layers"
    assert [axes.get_title() for axes in figure.axes[:6:2]] == [f"{i} Conv2d: before" for i in (0, 3, 6)]
    figure.canvas.draw()  # a layout that does not fit is a warning, and so an error


def test_before_and_after_share_one_scale() -> None:
    model = network()
    start = model.state_dict()
    model[2].weight.data = model[2].weight.data * 10
    other = network()
    for before in (start, other):
        figure = plot_layer_filters(model, before)
        was, now = figure.axes[2].collections[0], figure.axes[3].collections[0]
        darkest = 10 * float(np.abs(start["2.weight"]).max())
        assert was.get_clim() == now.get_clim() == pytest.approx((-darkest, darkest))
        drawn = [np.nanmax(np.ma.filled(mesh.get_array().astype(float), np.nan)) for mesh in (was, now)]  # type: ignore[union-attr]
        assert drawn[1] == pytest.approx(10 * drawn[0])


@pytest.mark.parametrize(
    ("model", "before", "error", "message"),
    [
        (nn.Linear(2, 3), None, ArgumentError, "has no filters"),
        ([1], None, ArgumentTypeError, "expects a Module, got list"),
        (
            network(),
            {"0.weight": np.ones((4, 1, 3, 3))},
            ArgumentError,
            "before has no '2.weight'; pass the state_dict",
        ),
        (network(), network(2), ShapeError, r"'0.weight' of shape \(4, 2, 3, 3\), the model \(4, 1, 3, 3\)"),
        (network(), [1], ArgumentTypeError, r"a Module or a state_dict\(\), got list"),
    ],
    ids=["linear", "list", "missing", "shape", "before"],
)
def test_filters_that_there_are_not(model: Any, before: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        plot_layer_filters(model, before)


# ---- an image through the layers


def test_a_row_for_each_layer_and_a_tile_for_each_channel() -> None:
    model = network()
    axes = plot_feature_maps(model, IMAGE).axes[0]
    assert len(axes.images) == 1 + 4 + 4 + 8 + 8 + 1
    for drawn, values in zip(axes.images[1:5], feature_maps(model, IMAGE)[0].values, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), values)
        left, right, bottom, top = drawn.get_extent()
        assert (bottom - top) / (right - left) == pytest.approx(8 / 6)
    shown = texts(axes)
    assert shown[:2] == ["image\n1 × 8 × 6", "0 Conv2d\n4 × 8 × 6"]
    assert "2 Conv2d\n12 × 8 × 6, first 8" in shown
    assert shown[-5:] == ["0", "1", "2", "5 Linear\n3", shown[-1]]
    assert shown[-1].startswith("±")


def test_one_scale_symmetric_around_zero_holds_for_a_row() -> None:
    model = network()
    axes = plot_feature_maps(model, IMAGE).axes[0]
    top = float(np.abs(feature_maps(model, IMAGE)[0].values).max())
    assert {drawn.get_clim() for drawn in axes.images[1:5]} == {(-top, top)}


def test_a_deep_model_is_thinned_out_and_says_so() -> None:
    model = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(40)))
    axes = plot_feature_maps(model, IMAGE, max_layers=4, max_maps=1).axes[0]
    assert axes.get_title().startswith("4 of 40 layers")
    assert [text.split()[0] for text in texts(axes) if "Conv2d" in text] == ["0", "13", "26", "39"]


def test_colour_images_are_taken() -> None:
    colours = np.random.default_rng(0).random((3, 8, 6))
    drawn: Any = plot_feature_maps(network(3), colours).axes[0].images[0].get_array()
    np.testing.assert_allclose(drawn, colours.transpose(1, 2, 0), rtol=1e-6)


# ---- what the model looks at


@pytest.mark.parametrize(
    ("plot", "compute", "title"),
    [
        (plot_saliency, saliency, "saliency for dog"),
        (plot_grad_cam, grad_cam, "Grad-CAM for dog"),
        (plot_occlusion, occlusion, "occlusion for dog"),
    ],
    ids=["saliency", "grad_cam", "occlusion"],
)
def test_a_map_beside_the_image_or_alone(plot: Any, compute: Any, title: str) -> None:
    model = network()
    values = compute(model, IMAGE, target=1)
    figure = plot(model, IMAGE, target=1, class_names=["cat", "dog", "elk"])
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), IMAGE[0])
    heat = figure.axes[1].images[-1]
    np.testing.assert_array_equal(heat.get_array(), values)
    assert figure.axes[1].get_title() == title
    assert figure.axes[2].get_ylabel()
    figure.canvas.draw()

    alone = Figure()
    assert plot(model, IMAGE, ax=alone.subplots()) is alone
    assert alone.axes[0].get_title().endswith("(predicted)")
    with pytest.raises(ArgumentError, match="class_names has 1 names, none for class 1"):
        plot(model, IMAGE, target=1, class_names=["cat"])
    with pytest.raises(ArgumentError, match="target expects a class from 0 to 2, got 5"):
        plot(model, IMAGE, target=5)
    with pytest.raises(ShapeError, match=r"^5: linear: weight expects 144 features"):
        plot(model, np.ones((10, 10)))


def test_a_coarse_grad_cam_covers_the_image() -> None:
    heat: Any = plot_grad_cam(network(), IMAGE, layer="3").axes[1].images[-1]
    assert np.shape(heat.get_array()) == (4, 3)
    assert heat.get_extent() == [-0.5, 5.5, 7.5, -0.5]


def test_a_grad_cam_without_any_evidence_is_drawn() -> None:
    model = network()
    model[5].weight.data = np.zeros((3, 144), np.float32)
    plot_grad_cam(model, IMAGE).canvas.draw()


# ---- what its units look for


def test_preferred_images_are_stretched_around_grey() -> None:
    model = network()
    figure = plot_activation_maximization(model, (1, 8, 6), "2", units=[3, 11], steps=5)
    axes: Any = figure.axes[0]
    assert texts(axes) == ["3", "11"]
    assert axes.get_title() == "what each unit of 2 answers to most (2 of 12)"
    best = maximize_activation(model, (1, 8, 6), "2", 3, steps=5)[0]
    np.testing.assert_allclose(axes.images[0].get_array(), 0.5 + best / (2 * np.abs(best).max()), rtol=1e-5)
    assert plot_activation_maximization(model, (1, 8, 6), "0", steps=1, ax=axes) is figure


def test_a_dead_unit_has_an_empty_tile() -> None:
    model = network()
    model[0].bias.data = np.array([-100, 0, 0, 0], np.float32)
    axes = plot_activation_maximization(model, (1, 8, 6), "1", steps=1).axes[0]
    assert texts(axes) == ["0", "silent", "1", "2", "3"]


def test_units_that_there_are_not() -> None:
    with pytest.raises(ArgumentError, match="units expects at least one"):
        plot_activation_maximization(network(), (1, 8, 6), units=[])
    with pytest.raises(ArgumentError, match="unit expects an index within"):
        plot_activation_maximization(network(), (1, 8, 6), units=[3])
    with pytest.raises(ArgumentError, match="unit_names has 2 names, the layer 3 units"):
        plot_activation_maximization(network(), (1, 8, 6), unit_names=["a", "b"])
    with pytest.raises(ArgumentError, match="no layer 'conv'"):
        plot_activation_maximization(network(), (1, 8, 6), "conv")
