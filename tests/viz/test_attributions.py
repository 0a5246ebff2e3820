from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import nn, no_grad, tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError, ShapeError
from tinygrad_cnn.viz import feature_maps, grad_cam, input_gradient, maximize_activation, occlusion, saliency

RNG = np.random.default_rng(0)
NAME: Any = "cat"
NUMBER: Any = 3
FLAT: Any = (6, 5)
IMAGE = RNG.normal(size=(2, 6, 5)).astype(np.float32)


def linear() -> tuple[nn.Sequential, Any]:
    """A linear classifier of images, and its weights as images (3, 2, 6, 5)."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(60, 3, generator=np.random.default_rng(1)))
    return model, model[1].weight.data.reshape(3, 2, 6, 5)


def network() -> nn.Sequential:
    generator = np.random.default_rng(2)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, generator=generator),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(24, 3, generator=generator),
    )


# ---- known answers ---------------------------------------------------------------------------------------------------


def test_the_gradient_of_a_linear_model_is_its_weights() -> None:
    model, weight = linear()
    for target in range(3):
        np.testing.assert_array_equal(input_gradient(model, IMAGE, target), weight[target])
        np.testing.assert_array_equal(saliency(model, IMAGE, target), np.abs(weight[target]).max(axis=0))


def test_the_class_is_by_default_the_predicted_one() -> None:
    model, weight = linear()
    predicted = int((weight * IMAGE).sum(axis=(1, 2, 3)).argmax())  # the biases are small beside these
    with no_grad():
        assert predicted == model(tensor(IMAGE[None])).data.argmax()
    np.testing.assert_array_equal(input_gradient(model, IMAGE), weight[predicted])


def test_grad_cam_by_hand() -> None:
    """One convolution 1 x 1 and a linear layer: every factor of the formula is a number we can write down."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 2, bias=False))
    model[0].weight.data = np.array([2.0, -1.0], np.float32).reshape(2, 1, 1, 1)
    head = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2) - 5  # class, map, row, column
    model[2].weight.data = head.reshape(2, 8)
    image = np.array([[1, 2], [-3, 4]], np.float32)
    maps = np.stack([2 * image, -image])
    for target in (0, 1):
        alpha = head[target].mean(axis=(1, 2))
        expected = np.maximum(alpha[0] * maps[0] + alpha[1] * maps[1], 0)
        np.testing.assert_allclose(grad_cam(model, image, layer="0", target=target), expected, rtol=1e-6)
        assert expected.any()


def test_grad_cam_takes_the_activation_behind_the_last_convolution() -> None:
    model = network()
    model[0].requires_grad_(False)
    by_default = grad_cam(model, IMAGE, target=1)
    assert by_default.shape == (6, 5)
    np.testing.assert_array_equal(by_default, grad_cam(model, IMAGE, "2", target=1))
    np.testing.assert_array_equal(by_default, grad_cam(model, IMAGE, model[2], target=1))
    assert not np.array_equal(by_default, grad_cam(model, IMAGE, "0", target=1))
    assert grad_cam(model, IMAGE, "3", target=1).shape == (3, 2)


def test_occlusion_of_a_linear_model_is_what_its_weights_lose() -> None:
    model, weight = linear()
    lost = (weight[1] * (IMAGE - 0.25)).sum(axis=0)
    np.testing.assert_allclose(occlusion(model, IMAGE, 1, window=1, value=0.25), lost, rtol=1e-4, atol=1e-5)
    squares = [(top, left) for top in (0, 2, 3) for left in (0, 2)]  # 6 x 5 pixels, window 3, stride 2: to the last row
    total, covered = np.zeros((6, 5)), np.zeros((6, 5))
    for top, left in squares:
        square = np.s_[top : top + 3, left : left + 3]
        total[square] += lost_in(weight[1], square)
        covered[square] += 1
    np.testing.assert_allclose(occlusion(model, IMAGE, 1, window=3, stride=2), total / covered, rtol=1e-4, atol=1e-5)


def lost_in(weight: Any, square: Any) -> float:
    return float((weight * IMAGE).sum(axis=0)[square].sum())


def test_the_best_image_of_a_linear_unit_is_its_weight() -> None:
    model, weight = linear()
    best = maximize_activation(model, (2, 6, 5), unit=2, norm=3.0)
    np.testing.assert_allclose(
        best, 3 * weight[2] / np.linalg.norm(weight[2]), atol=1e-3
    )  # (1/1.1)^100 of the start is left


def test_a_unit_is_a_channel_or_one_activation() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False, generator=np.random.default_rng(0)))
    weight = model[0].weight.data[1, 0]
    one = maximize_activation(model, (1, 5, 5), "0", (1, 2, 0), norm=1.0)
    expected = np.zeros((5, 5), np.float32)
    expected[2:5, 0:3] = weight / np.linalg.norm(weight)
    np.testing.assert_allclose(one[0], expected, atol=1e-4)
    with no_grad():
        reached = model(tensor(maximize_activation(model, (1, 5, 5), "0", 1)[None])).data[0, 1].mean()
        at_random = [
            model(tensor((0.5 * noise).astype(np.float32))).data[0, 1].mean()
            for noise in np.random.default_rng(1).normal(size=(50, 1, 1, 5, 5))
        ]
    assert reached > max(at_random)


def test_the_same_call_gives_the_same_image_and_another_generator_another() -> None:
    model = network()
    first, second = (maximize_activation(model, (2, 6, 5), "2", 1, steps=5) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = maximize_activation(model, (2, 6, 5), "2", 1, steps=5, generator=np.random.default_rng(9))
    assert not np.array_equal(first, other)
    assert np.linalg.norm(first) == pytest.approx(0.5 * np.sqrt(60), rel=1e-5)


def test_a_dead_unit_is_said_to_be_silent() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    model[0].bias.data = np.array([-100.0, 0.0], np.float32)
    with pytest.raises(GradientError, match=r"unit 0 of layer '1' answers to none .* in front of its activation"):
        maximize_activation(model, (1, 5, 5), "1", 0)
    assert maximize_activation(model, (1, 5, 5), "1", 1, steps=2).shape == (1, 5, 5)


# ---- whatever is asked, the model stays as it was --------------------------------------------------------------------

QUESTIONS: dict[str, Callable[[nn.Module], Any]] = {
    "input_gradient": lambda model: input_gradient(model, IMAGE),
    "saliency": lambda model: saliency(model, IMAGE),
    "grad_cam": lambda model: grad_cam(model, IMAGE),
    "occlusion": lambda model: occlusion(model, IMAGE),
    "maximize_activation": lambda model: maximize_activation(model, (2, 6, 5), steps=3),
    "feature_maps": lambda model: feature_maps(model, IMAGE),
}
questions = pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())


@questions
def test_nothing_of_the_model_changes(question: Callable[[nn.Module], Any]) -> None:
    model = network()
    model[0].weight.grad = tensor(np.ones((4, 2, 3, 3), np.float32))
    model[1].eval()  # one layer in a mode of its own
    modes = [module.training for module in model.modules()]
    state, image = model.state_dict(), IMAGE.copy()
    question(model)
    assert [module.training for module in model.modules()] == modes == [True, True, False, True, True, True, True, True]
    assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == ["0.weight"]
    assert (model[0].weight.grad.data == 1).all()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    assert not any(module._forward_hooks for module in model.modules())
    np.testing.assert_array_equal(IMAGE, image)


@questions
def test_it_works_within_no_grad_and_for_other_dtypes(question: Callable[[nn.Module], Any]) -> None:
    with no_grad():
        answer = question(network().double())
    values = answer[0].values if isinstance(answer, list) else answer
    assert values.dtype == np.float64
    assert np.isfinite(values).all()


def test_modes_come_back_after_an_error_too() -> None:
    model = network()
    with pytest.raises(ShapeError):
        saliency(model, np.ones((2, 9, 9), np.float32))
    assert all(module.training for module in model.modules())


# ---- refusals --------------------------------------------------------------------------------------------------------


@questions
def test_what_is_no_module_is_refused(question: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentTypeError, match="expects a Module, got str"):
        question("model")


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.ones((2, 8, 8), np.float32), ShapeError, r"^6: linear: weight expects 24 features, input has 64"),
        (np.ones((3, 6, 5), np.float32), ShapeError, r"^0: conv2d: .* 2 input channels, input has 3"),
        (np.ones((4, 2, 6, 5), np.float32), ShapeError, r"expects one image.*\(4, 2, 6, 5\); pass one of them"),
        (np.ones(60), ShapeError, r"expects one image, \(C, H, W\) or \(H, W\), got shape \(60,\)"),
        (np.ones((0, 6, 5)), ShapeError, r"got shape \(0, 6, 5\)"),
        (np.ones((2, 6, 5), np.uint8), DTypeError, "expects fractions.* got uint8; pass e.g. image / 255"),
    ],
    ids=["size", "channels", "batch", "vector", "empty", "integers"],
)
def test_an_image_that_does_not_fit_names_the_layer(image: Any, error: type[Exception], message: str) -> None:
    for look in (saliency, grad_cam, occlusion, feature_maps):
        with pytest.raises(error, match=message):
            look(network(), image)


@pytest.mark.parametrize(
    ("look", "error", "message"),
    [
        (lambda m: saliency(m, IMAGE, 3), ArgumentError, "saliency: target expects a class from 0 to 2, got 3"),
        (lambda m: saliency(m, IMAGE, NAME), ArgumentTypeError, "number of a class, got 'cat'"),
        (lambda m: saliency(m[0], IMAGE), ShapeError, r"into scores \(1, classes\), it gives \(1, 4, 6, 5\)"),
        (lambda m: grad_cam(m, IMAGE, "7"), ArgumentError, "has no layer '7'; it has 0, 1, 2, 3, 4, 5, 6$"),
        (lambda m: grad_cam(m, IMAGE, nn.ReLU()), ArgumentError, "ReLU is no layer of the model; it has 0, 1"),
        (lambda m: grad_cam(m, IMAGE, NUMBER), ArgumentTypeError, "layer expects a path or a Module, got int"),
        (lambda m: grad_cam(m, IMAGE, "6"), ArgumentError, r"'6' \(Linear\) gives \(1, 3\), no maps"),
        (lambda m: grad_cam(linear()[0], IMAGE), ArgumentError, "has no Conv2d; name the layer"),
        (lambda m: feature_maps(m, IMAGE, ["conv"]), ArgumentError, "has no layer 'conv'; it has 0"),
        (lambda m: occlusion(m, IMAGE, window=6), ArgumentError, "window expects 1 to 5 pixels on an image 6 x 5"),
        (lambda m: occlusion(m, IMAGE, window=2, stride=3), ArgumentError, "stride 1 to window.* stride=3"),
        (lambda m: maximize_activation(m, (2, 6, 5), unit=3), ArgumentError, r"an index within \(3,\), got 3"),
        (lambda m: maximize_activation(m, (2, 6, 5), "0", (1, 6, 0)), ArgumentError, r"within \(4, 6, 5\)"),
        (lambda m: maximize_activation(m, (2, 6, 5), steps=0), ArgumentError, "must be positive, got steps=0"),
        (lambda m: maximize_activation(m, FLAT), ShapeError, r"image_shape expects \(C, H, W\), got \(6, 5\)"),
    ],
    ids=[
        *("target", "name", "no scores", "no layer", "foreign layer", "number", "no maps", "no convolution"),
        *("feature maps", "window", "stride", "unit", "activation", "steps", "shape"),
    ],
)
def test_a_wrong_question_is_one_clear_error(look: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        look(network())


def test_a_long_list_of_layers_begins_with_those_that_are_close() -> None:
    model = nn.Sequential({f"conv{i}": nn.Conv2d(1, 1, 1) for i in range(20)} | {"head": nn.Identity()})
    with pytest.raises(ArgumentError, match=r"no layer 'haed'; it has head, conv0, conv1.* and 9 more$"):
        grad_cam(model, np.ones((4, 4)), "haed")


# ---- feature maps ----------------------------------------------------------------------------------------------------


def test_feature_maps_are_what_the_layers_give() -> None:
    model = network().eval()
    found = feature_maps(model, IMAGE)
    assert [maps.path for maps in found] == ["0", "1", "2", "3", "6"]  # neither Dropout nor Flatten changes anything
    x = tensor(IMAGE[None])
    for number, layer in enumerate(model):
        x = layer(x)
        for maps in found:
            if maps.path == str(number):
                np.testing.assert_allclose(maps.values, x.data[0], rtol=1e-5, atol=1e-6)
    assert [maps.kind for maps in feature_maps(model, IMAGE, ["5", model[0]])] == ["Conv2d", "Flatten"]


def test_a_layer_that_runs_twice_stands_there_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.conv = nn.Conv2d(1, 1, 1)

        def forward(self, x: Any) -> Any:
            return self.conv(self.conv(x))

    assert [maps.path for maps in feature_maps(Twice(), np.ones((3, 3)))] == ["conv", "conv"]
