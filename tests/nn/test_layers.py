from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError


def images(*shape: int) -> tg.Tensor:
    return tg.tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))


# ---- shapes, and agreement with the operations


def test_layers_compute_what_their_operations_do() -> None:
    x = images(2, 4, 9, 7)
    conv = nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2)
    assert conv.weight.shape == (6, 2, 3, 2)
    expected = tg.conv2d(x, conv.weight, conv.bias, (2, 1), (1, 0), (1, 2), 2)
    np.testing.assert_array_equal(conv(x).data, expected.data)
    for layer, result in (
        (nn.MaxPool2d(3, 2, 1), tg.max_pool2d(x, 3, 2, 1)),
        (nn.AvgPool2d((2, 3)), tg.avg_pool2d(x, (2, 3))),
        (nn.AvgPool2d(3, 2, 1, True, False), tg.avg_pool2d(x, 3, 2, 1, True, False)),
        (nn.AdaptiveAvgPool2d(2), tg.adaptive_avg_pool2d(x, 2)),
        (nn.AdaptiveMaxPool2d((2, None)), tg.adaptive_max_pool2d(x, (2, None))),
        (nn.Upsample(scale_factor=2, mode="bilinear"), tg.interpolate(x, scale_factor=2, mode="bilinear")),
        (nn.Unfold(3, 1, 1, 2), tg.unfold(x, 3, 1, 1, 2)),
        (nn.ReflectionPad2d((1, 2, 3, 0)), tg.pad(x, (1, 2, 3, 0), "reflect")),
        (nn.ReLU(), tg.relu(x)),
        (nn.Sigmoid(), tg.sigmoid(x)),
        (nn.Tanh(), tg.tanh(x)),
        (nn.Softmax(dim=1), tg.softmax(x, 1)),
        (nn.Flatten(), tg.flatten(x, 1)),
        (nn.Flatten(0, 2), tg.flatten(x, 0, 2)),
    ):
        np.testing.assert_array_equal(layer(x).data, result.data)
    columns = images(2, 28, 9)
    np.testing.assert_array_equal(nn.Fold((2, 10), 2)(columns).data, tg.fold(columns, (2, 10), 2).data)
    linear = nn.Linear(7, 3)
    np.testing.assert_array_equal(linear(x).data, tg.linear(x, linear.weight, linear.bias).data)


@pytest.mark.parametrize("padding", [(2, 1), "same"])
@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_convolution_by_padding_mode(mode: str, padding: Any) -> None:
    x = images(2, 3, 6, 7)
    layer = nn.Conv2d(3, 4, (4, 3), stride=(2, 3), padding=padding, padding_mode=mode)
    widths = (1, 1, 2, 2) if padding == (2, 1) else (1, 1, 1, 1)  # 'same': (left, right, top, bottom)
    expected = tg.conv2d(tg.pad(x, widths, mode), layer.weight, layer.bias, (2, 3))
    np.testing.assert_array_equal(layer(x).data, expected.data)


def test_convolution_by_name_of_padding() -> None:
    assert nn.Conv2d(1, 2, 5, stride=2, padding="same")(images(1, 1, 6, 7)).shape == (1, 2, 3, 4)
    assert nn.Conv2d(1, 2, 5, padding="same")(images(1, 1, 6, 7)).shape == (1, 2, 6, 7)
    assert nn.Conv2d(1, 2, 5, padding="valid")(images(1, 1, 6, 7)).shape == (1, 2, 2, 3)


def test_layers_without_bias() -> None:
    assert nn.Conv2d(1, 2, 3, bias=False).bias is None
    assert [name for name, _ in nn.Linear(2, 3, bias=False).named_parameters()] == ["weight"]
    assert nn.Linear(2, 3, bias=False)(images(4, 2)).shape == (4, 3)


def test_parameters_are_float32() -> None:
    for layer in (nn.Conv2d(1, 2, 3), nn.Linear(2, 3)):
        assert {parameter.dtype for parameter in layer.parameters()} == {np.dtype(np.float32)}


# ---- initial values


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda generator: nn.Conv2d(8, 64, 5, groups=2, generator=generator), 4 * 25),
        (lambda generator: nn.Linear(100, 300, generator=generator), 100),
    ],
    ids=["conv2d", "linear"],
)
def test_initial_values_fill_the_interval_of_pytorch(
    make: Callable[[np.random.Generator], nn.Conv2d | nn.Linear], fan_in: int
) -> None:
    layer = make(np.random.default_rng(0))
    bound = 1 / np.sqrt(fan_in)
    assert layer.bias is not None
    for parameter in (layer.weight, layer.bias):
        assert np.abs(parameter.data).max() <= bound * (1 + 1e-6)
        assert np.abs(parameter.data).max() > 0.9 * bound
    np.testing.assert_allclose(layer.weight.data.var(), bound**2 / 3, rtol=0.05)
    assert abs(layer.weight.data.mean()) < bound / 30


def test_the_generator_decides_the_bits() -> None:
    def bits(generator: np.random.Generator | None) -> bytes:
        return nn.Conv2d(3, 4, 3, generator=generator).weight.data.tobytes()

    assert bits(np.random.default_rng(1)) == bits(np.random.default_rng(1))
    assert bits(np.random.default_rng(1)) != bits(np.random.default_rng(2))
    tg.manual_seed(3)
    first = bits(None)
    tg.manual_seed(3)
    assert bits(None) == first
    assert bits(None) != first


# ---- dropout and loss


def test_dropout_acts_in_training_only() -> None:
    x = tg.tensor(np.ones((100, 100), np.float32))
    layer = nn.Dropout(0.25, generator=np.random.default_rng(0))
    values, counts = np.unique(layer(x).data, return_counts=True)
    np.testing.assert_allclose(values, [0, 4 / 3], rtol=1e-6)
    assert 2300 < counts[0] < 2700
    layer.eval()
    assert layer(x) is x


def test_cross_entropy_loss() -> None:
    logits = images(4, 3)
    target = np.array([0, 2, 1, 1])
    for reduction in ("mean", "sum", "none"):
        result = nn.CrossEntropyLoss(reduction=reduction)(logits, target)
        np.testing.assert_array_equal(result.data, tg.cross_entropy(logits, target, reduction=reduction).data)


# ---- refusals

Conv2d: Any = nn.Conv2d  # called with arguments that a type checker refuses too
Linear: Any = nn.Linear


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Conv2d(0, 1, 3), ArgumentError, "Conv2d: in_channels must be at least 1, got 0"),
        (lambda: Conv2d(1.5, 1, 3), ArgumentTypeError, "Conv2d: in_channels expects an int, got 1.5"),
        (lambda: Conv2d(True, 1, 3), ArgumentTypeError, "in_channels expects an int"),
        (lambda: Conv2d(1, -2, 3), ArgumentError, "Conv2d: out_channels must be at least 1, got -2"),
        (lambda: Conv2d(1, 1, 0), ArgumentError, "Conv2d: kernel_size must be at least 1, got 0"),
        (lambda: Conv2d(1, 1, (1, 2, 3)), ArgumentError, "Conv2d: kernel_size"),
        (lambda: Conv2d(1, 1, 3, stride=0), ArgumentError, "Conv2d: stride must be at least 1"),
        (lambda: Conv2d(1, 1, 3, padding=-1), ArgumentError, "Conv2d: padding must be at least 0"),
        (lambda: Conv2d(1, 1, 3, padding="full"), ArgumentError, "Conv2d: padding .* got 'full'"),
        (
            lambda: Conv2d(1, 1, 3, padding_mode="same"),
            ArgumentError,
            "padding_mode must be one of zeros, reflect",
        ),
        (lambda: nn.Conv1d(1, 1, (3, 3)), ArgumentTypeError, r"Conv1d: kernel_size expects an int, got \(3, 3\)"),
        (
            lambda: nn.ConvTranspose2d(3, 4, 3, groups=2),
            ArgumentError,
            "2d: in_channels must be a multiple",
        ),
        (lambda: nn.MaxPool1d(3, padding=2), ArgumentError, "MaxPool1d: padding must be at most half the kernel"),
        (lambda: nn.MaxPool2d(3, dilation=0), ArgumentError, "MaxPool2d: dilation must be at least 1"),
        (lambda: nn.ReflectionPad2d((1, 2)), ArgumentError, r"ReflectionPad2d: padding expects \(left, right, top"),
        (lambda: Conv2d(1, 1, 3, dilation=0), ArgumentError, "Conv2d: dilation must be at least 1"),
        (lambda: Conv2d(4, 4, 3, groups=0), ArgumentError, "Conv2d: groups must be at least 1"),
        (lambda: Conv2d(3, 4, 3, groups=2), ArgumentError, "in_channels must be a multiple of groups, got 3 for 2"),
        (lambda: Conv2d(4, 3, 3, groups=2), ArgumentError, "out_channels must be a multiple of groups, got 3"),
        (lambda: Linear(0, 1), ArgumentError, "Linear: in_features must be at least 1"),
        (lambda: Linear(1, "2"), ArgumentTypeError, "Linear: out_features expects an int, got '2'"),
        (lambda: nn.MaxPool2d(0), ArgumentError, "MaxPool2d: kernel_size must be at least 1"),
        (lambda: nn.MaxPool2d(2, stride=0), ArgumentError, "MaxPool2d: stride must be at least 1"),
        (lambda: nn.AvgPool2d(3, padding=2), ArgumentError, "AvgPool2d: padding must be at most half the kernel"),
        (lambda: nn.Dropout(1.5), ArgumentError, "Dropout: p must be between 0 and 1, got 1.5"),
        (lambda: nn.CrossEntropyLoss(reduction="avg"), ArgumentError, "CrossEntropyLoss: reduction must be"),
        (lambda: Linear(2, 2, generator=0), ArgumentTypeError, "pass np.random.default_rng"),
    ],
)
def test_arguments_are_checked_when_a_layer_is_made(
    make: Callable[[], nn.Module], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


# ---- repr


def test_layers_show_their_arguments() -> None:
    shown = {
        repr(nn.Conv2d(1, 6, 5)): "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))",
        repr(nn.Conv2d(4, 4, 3, 2, 1, 2, 2, False)): "Conv2d(4, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
        "dilation=(2, 2), groups=2, bias=False)",
        repr(nn.Conv2d(1, 6, 5, padding="same")): "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), padding='same')",
        repr(nn.Conv2d(1, 6, 5, padding=1, padding_mode="circular")): "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1), "
        "padding=(1, 1), padding_mode='circular')",
        repr(
            nn.ConvTranspose2d(4, 2, 2, 2, output_padding=1)
        ): "ConvTranspose2d(4, 2, kernel_size=(2, 2), stride=(2, 2), output_padding=(1, 1))",
        repr(nn.MaxPool1d(2, dilation=2, ceil_mode=True)): "MaxPool1d(kernel_size=(2,), stride=(2,), dilation=(2,), "
        "ceil_mode=True)",
        repr(nn.AvgPool2d(2, count_include_pad=False)): "AvgPool2d(kernel_size=(2, 2), stride=(2, 2), "
        "count_include_pad=False)",
        repr(nn.Upsample(4)): "Upsample(size=4, mode='nearest')",
        repr(nn.MaxPool2d(2)): "MaxPool2d(kernel_size=(2, 2), stride=(2, 2))",
        repr(nn.Flatten()): "Flatten(start_dim=1, end_dim=-1)",
        repr(nn.Dropout(0.1)): "Dropout(p=0.1)",
        repr(nn.Softmax(-1)): "Softmax(dim=-1)",
        repr(nn.CrossEntropyLoss()): "CrossEntropyLoss(reduction='mean')",
    }
    assert list(shown) == list(shown.values())
