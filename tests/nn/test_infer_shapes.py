"""`infer_shapes`: shapes before there are any data, and the layer at fault where they do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import kernels, nn
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError


@pytest.fixture(autouse=True)
def _numpy_kernels() -> Iterator[None]:
    """Those that need no compilation."""
    with kernels.use("numpy"):
        yield


def cnn(features: int = 256, channels: int = 8) -> nn.Sequential:
    """Three convolutional and pooling stages' worth of 22 x 22 images: 16 x 4 x 4 in the end."""
    convolutions = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(channels, 16, 3), nn.ReLU(), nn.MaxPool2d(2)
    )
    return nn.Sequential({"features": convolutions, "classifier": nn.Sequential(nn.Flatten(), nn.Linear(features, 10))})


class Reshaping(nn.Module):
    """Its -1 has no meaning for an empty batch."""

    def __init__(self, features: int) -> None:
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.head = nn.Linear(features, 10)

    def forward(self, x: tg.Tensor) -> Any:
        x = tg.relu(self.conv(x))
        return self.head(x.reshape(x.shape[0], -1))


def refusal(model: nn.Module, shape: Any, error: type[Exception] = ShapeError) -> str:
    with pytest.raises(error) as caught:
        nn.infer_shapes(model, shape)
    return str(caught.value)


# ---- shapes


def test_the_sizes_of_the_worked_example() -> None:
    """28 x 28 RGB images, 16 filters of 3 x 3, pooling, 32 filters of 3 x 3, pooling, flattened."""
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    )
    shapes = nn.infer_shapes(model, (3, 28, 28))
    assert [shapes[str(i)] for i in (0, 2, 3, 5, 6)] == [
        (16, 26, 26),
        (16, 13, 13),
        (32, 11, 11),
        (32, 5, 5),
        (800,),
    ]
    assert shapes[""] == (800,)


def test_shapes_are_those_of_a_real_batch() -> None:
    model = cnn()
    shapes = nn.infer_shapes(model, [3, 22, 22])
    real = model(tg.Tensor(np.zeros((2, 3, 22, 22), np.float32)))
    assert shapes["classifier"] == shapes[""] == real.shape[1:]
    assert list(shapes)[:3] == ["", "features", "features.0"]


def test_a_model_that_cannot_run_an_empty_batch_is_run_on_two_inputs() -> None:
    assert nn.infer_shapes(Reshaping(72), (3, 8, 8)) == {"": (10,), "conv": (8, 3, 3), "head": (10,)}


def test_several_inputs_and_several_outputs() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            self.left, self.right = nn.Linear(4, 2), nn.Linear(5, 2)

        def forward(self, x: tg.Tensor, y: tg.Tensor) -> Any:
            return self.left(x) + self.right(y), {"y": [y]}

    assert nn.infer_shapes(Pair(), [(4,), (5,)]) == {"": ((2,), (5,)), "left": (2,), "right": (2,)}


def test_a_model_in_float64() -> None:
    assert nn.infer_shapes(cnn().double(), (3, 22, 22))[""] == (10,)


# ---- nothing changes


class Counting(nn.Module):
    """Changes its buffers whatever its mode is: one is replaced, one written into."""

    calls: tg.Tensor
    sums: tg.Tensor

    def __init__(self) -> None:
        self.register_buffer("calls", np.array(0))
        self.register_buffer("sums", np.zeros(2, np.float32))

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        self.calls = tg.Tensor(self.calls.data + 1)
        self.sums.data[:] += 1
        return x


def test_no_mode_buffer_gradient_or_random_number_changes() -> None:
    generator = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(generator=generator), Counting(), nn.BatchNorm2d(4).eval()
    )
    model(tg.Tensor(np.ones((2, 3, 5, 5), np.float32))).sum().backward()
    modes = [module.training for module in model.modules()]
    state, grads = model.state_dict(), [parameter.grad for parameter in model.parameters()]
    buffers, drawn = list(model.buffers()), generator.bit_generator.state

    nn.infer_shapes(model, (3, 5, 5))

    assert [module.training for module in model.modules()] == modes == [True, True, True, True, True, False]
    assert all(np.array_equal(state[name], array) for name, array in model.state_dict().items())
    assert all(now is before for now, before in zip(model.buffers(), buffers, strict=True))
    assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), grads, strict=True))
    assert generator.bit_generator.state == drawn


def test_the_modes_come_back_after_an_error_too() -> None:
    model = cnn(400)
    refusal(model, (3, 22, 22))
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


# ---- what does not fit


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            cnn(400),
            "classifier.1: Linear expects 400 features, Flatten gives 256 (16 x 4 x 4 from features.5): "
            "in_features=256",
        ),
        (cnn(channels=16), "features.3: Conv2d expects 16 channels, features.2 (MaxPool2d) gives 8: in_channels=8"),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(16)),
            "1: BatchNorm2d expects 16 channels, 0 (Conv2d) gives 8: num_features=8",
        ),
        (
            nn.Sequential(nn.Conv2d(3, 8, 3), nn.Dropout(), nn.Linear(3200, 10)),
            "2: Linear expects 3200 features, 0 (Conv2d) gives 8 x 20 x 20: put nn.Flatten() in front of it",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(100, 10)),
            "1: Linear expects 100 features, Flatten gives 1452 (3 x 22 x 22 from the input): in_features=1452",
        ),
        (nn.Linear(100, 10), "Linear expects 100 features, the input has 3 x 22 x 22: put nn.Flatten() in front of it, "
         "in_features=1452"),
    ],
    ids=["flatten", "channels", "batch-norm", "no-flatten", "flat-input", "bare"],
)  # fmt: skip
def test_the_layer_that_does_not_fit_is_named(model: nn.Module, message: str) -> None:
    assert refusal(model, (3, 22, 22)) == message


def test_a_flattening_operation_is_named_as_well() -> None:
    message = "head: Linear expects 10 features, reshape gives 72 (8 x 3 x 3 from relu): in_features=72"
    assert refusal(Reshaping(10), (3, 8, 8)) == message


def test_wrong_channels_of_the_input_name_the_layer() -> None:
    message = "features.0: Conv2d expects 3 channels, the input has 1: in_channels=1"
    assert refusal(cnn(), (1, 22, 22)) == message


def test_an_image_without_channels() -> None:
    message = "features.0: Conv2d expects C x H x W, the input has 22 x 22: pass an input_shape of C x H x W"
    assert refusal(cnn(), (22, 22)) == message


def test_other_errors_name_the_layer_too() -> None:
    assert refusal(cnn(), (3, 4, 4)).startswith("features.3: conv2d: kernel 3x3 is larger than its padded input 1x1")


def test_a_batch_dimension_too_many() -> None:
    message = refusal(cnn(), (64, 3, 22, 22))
    assert message == (
        "infer_shapes: input_shape is that of one input, without the batch; got (64, 3, 22, 22), pass (3, 22, 22)"
    )


def test_lazy_layers_are_refused_and_stay_lazy() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.LazyLinear(10))
    assert refusal(model, (3, 22, 22), ArgumentError).startswith("2 (LazyLinear): its parameters do not exist before")
    assert isinstance(model[2], nn.LazyLinear)


@pytest.mark.parametrize("shape", [None, 3, "3,32,32", (), (3, 2.5, 2), (True, 2)])
def test_what_is_no_shape(shape: Any) -> None:
    assert refusal(cnn(), shape, ArgumentTypeError).startswith("infer_shapes: ")


def test_sizes_below_one_and_what_is_no_module() -> None:
    assert "at least 1" in refusal(cnn(), (3, 0, 22), ArgumentError)
    assert "expects a Module, got function" in refusal(refusal, (3,), ArgumentTypeError)  # type: ignore[arg-type]
