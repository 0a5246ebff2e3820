"""`viz.summary`: rows, totals, and what they look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import kernels, nn, optim, viz
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError


@pytest.fixture(autouse=True)
def _numpy_kernels() -> Iterator[None]:
    """Those that need no compilation, and flatten without a copy."""
    with kernels.use("numpy"):
        yield


def cnn() -> nn.Sequential:
    """The worked example of 28 x 28 RGB images."""
    features = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)
    )
    return nn.Sequential({"features": features, "classifier": nn.Sequential(nn.Flatten(), nn.Linear(800, 10))})


class Functional(nn.Module):
    """Layers and functions; one layer is called twice, and a Parameter of its own is used."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.gain = nn.Parameter(np.ones(1, np.float32))
        self.spare = nn.Linear(3, 4)

    def forward(self, x: tg.Tensor) -> Any:
        y = self.conv(tg.relu(self.conv(x)))
        return tg.max_pool2d(y * self.gain, 2), y


def row(model: nn.Module, shape: Any, index: int = 0) -> Any:
    return viz.summary(model, shape).rows[index]


# ---- rows


def test_the_rows_of_the_worked_example() -> None:
    rows = viz.summary(cnn(), (3, 28, 28)).rows
    assert [(r.path, r.kind, r.outputs[0]) for r in rows] == [
        ("features.0", "Conv2d", (16, 26, 26)),
        ("features.1", "ReLU", (16, 26, 26)),
        ("features.2", "MaxPool2d", (16, 13, 13)),
        ("features.3", "Conv2d", (32, 11, 11)),
        ("features.4", "ReLU", (32, 11, 11)),
        ("features.5", "MaxPool2d", (32, 5, 5)),
        ("classifier.0", "Flatten", (800,)),
        ("classifier.1", "Linear", (10,)),
    ]
    assert [r.parameters for r in rows if r.parameters] == [448, 4640, 8010]
    assert rows[0].multiply_adds == 16 * 26 * 26 * 3 * 3 * 3
    assert rows[7].multiply_adds == 8000
    assert rows[0].activation_bytes == 4 * 16 * 26 * 26
    assert rows[6].activation_bytes == 0  # a view
    assert (rows[2].kernel, rows[2].stride, rows[2].padding) == ((2, 2), (2, 2), (0, 0))
    assert rows[7].kernel is None


def test_receptive_fields_of_the_worked_example() -> None:
    rows = viz.summary(cnn(), (3, 28, 28)).rows
    assert [r.receptive_field for r in rows] == [(3, 3), (3, 3), (4, 4), (8, 8), (8, 8), (10, 10), None, None]


def seen(model: nn.Module, pixels: int = 40) -> tuple[int, int]:
    """Rows and columns of the input whose gradient reaches the middle of the output."""
    x = tg.tensor(np.random.default_rng(0).random((1, 1, pixels, pixels)), requires_grad=True)
    y = model.double()(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    rows, columns = np.nonzero(x.grad.data[0, 0])  # type: ignore[union-attr]
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)],
        lambda: [nn.Conv2d(1, 1, (3, 5), stride=2), nn.Conv2d(1, 1, 3, stride=(1, 2))],
        lambda: [nn.Conv2d(1, 1, 3, dilation=2), nn.AvgPool2d(2), nn.Conv2d(1, 1, 3, padding=1)],
        lambda: [nn.AvgPool2d(3, 2), nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3), nn.Sigmoid()],
        lambda: [nn.Conv2d(1, 1, 2, stride=2), nn.ConvTranspose2d(1, 1, 4, stride=2), nn.Conv2d(1, 1, 3)],
        lambda: [nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1)],
    ],
    ids=["stacked", "strides", "dilation", "padding", "transposed", "global"],
)
def test_a_receptive_field_is_where_gradients_come_from(layers: Callable[[], list[nn.Module]]) -> None:
    model = nn.Sequential(*layers())
    found = viz.summary(model, (1, 40, 40)).rows[-1].receptive_field
    assert found is not None
    difference = np.subtract(found, seen(model))
    assert (difference >= 0).all()
    assert (difference <= (1 if any(isinstance(layer, nn.ConvTranspose2d) for layer in model) else 0)).all()


def test_pixels_without_a_place_have_no_receptive_field() -> None:
    assert row(nn.Upsample(scale_factor=2), (1, 4, 4)).receptive_field is None


def test_operations_and_layers_called_twice_have_rows_of_their_own() -> None:
    found = viz.summary(Functional(), (2, 5, 5))
    assert [(r.path, r.kind, r.is_operation) for r in found.rows] == [
        ("conv", "Conv2d", False),
        ("", "relu", True),
        ("conv", "Conv2d", False),
        ("", "mul", True),
        ("", "max_pool2d", True),
    ]
    assert [r.parameters for r in found.rows] == [38, 0, 0, 1, 0]
    assert [r.is_repeated for r in found.rows] == [False, False, True, False, False]
    assert (found.totals.parameters, found.totals.unused) == (38 + 1 + 16, 16)
    assert found.rows[4].unread == (1, 1)


def test_shared_parameters_count_once() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    found = viz.summary(nn.Sequential(first, second), (4,))
    assert [r.parameters for r in found.rows] == [20, 4]
    assert found.totals.parameters == 24


def test_modules_that_return_several_tensors() -> None:
    found = row(nn.MaxPool2d(2, return_indices=True), (3, 8, 8))
    assert found.outputs == ((3, 4, 4), (3, 4, 4))
    assert found.activation_bytes == 3 * 4 * 4 * (4 + 8)


def test_one_axis() -> None:
    found = row(nn.Conv1d(2, 4, 3, stride=2), (2, 16))
    assert (found.kernel, found.stride, found.padding, found.unread) == ((3,), (2,), (0,), (1,))
    assert (found.receptive_field, found.mend) == ((3,), "padding=1, or input 17")


# ---- unread borders


@pytest.mark.parametrize(
    ("layer", "size", "unread", "mend"),
    [
        (nn.Conv2d(1, 1, 3, stride=2), (32, 32), (1, 1), "padding=1, or input 33x33"),
        (nn.Conv2d(1, 1, 3, stride=2, padding=1), (32, 32), (0, 0), ""),  # what is unread is padding
        (nn.Conv2d(1, 1, 3, stride=2), (33, 33), (0, 0), ""),
        (nn.Conv2d(1, 1, 1, stride=2), (32, 32), (0, 0), ""),  # as between any two of its windows
        (nn.Conv2d(1, 1, 3, stride=2, padding="same"), (32, 32), (0, 0), ""),
        (nn.Conv2d(1, 1, 3, stride=(2, 3)), (33, 32), (0, 2), "padding=(0, 1), or input 33x33"),
        (nn.Conv2d(1, 1, 5, stride=4), (32, 30), (3, 1), "padding=(1, 2), or input 33x29"),
        (nn.MaxPool2d(2), (13, 12), (1, 0), "ceil_mode=True, or input 14x12"),
        (nn.MaxPool2d(2, ceil_mode=True), (13, 13), (0, 0), ""),
        (nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 1, 2, stride=2)), (7, 7), (0, 0), ""),
        (nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 1, 2, stride=2)), (8, 8), (0, 0), ""),
    ],
    ids=["conv", "padded", "exact", "pointwise", "same", "across", "both", "pool", "ceil", "zero-pad", "zero-pad-only"],
)
def test_the_border_that_a_stride_leaves_unread(
    layer: nn.Module, size: tuple[int, int], unread: tuple[int, int], mend: str
) -> None:
    found = row(layer, (1, *size), -1)
    assert (found.unread, found.mend) == (unread, mend)


def reaches_all(layer: nn.Module, size: tuple[int, ...]) -> bool:
    """Whether every pixel of such an image changes the output."""
    x = tg.tensor(np.random.default_rng(0).random((1, 1, *size)), requires_grad=True)
    layer.double()(x).sum().backward()
    return bool((x.grad.data != 0).all())  # type: ignore[union-attr]


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("size", [9, 10, 11, 12])
def test_a_mend_mends(size: int, stride: int) -> None:
    found = row(nn.Conv2d(1, 1, 4, stride=stride), (1, size, size))
    assert bool(found.mend) != reaches_all(nn.Conv2d(1, 1, 4, stride=stride), (size, size))
    if found.mend:
        padding, side = int(found.mend.split(",")[0][8:]), int(found.mend.rpartition("x")[2])
        assert reaches_all(nn.Conv2d(1, 1, 4, stride=stride, padding=padding), (size, size))
        assert reaches_all(nn.Conv2d(1, 1, 4, stride=stride), (side, side))


# ---- totals


def test_totals_scale_with_the_batch() -> None:
    one, many = viz.summary(cnn(), (3, 28, 28)), viz.summary(cnn(), (3, 28, 28), batch_size=32)
    assert many.totals.multiply_adds == 32 * one.totals.multiply_adds
    assert many.totals.forward_bytes == 32 * one.totals.forward_bytes
    assert many.totals.parameter_bytes == one.totals.parameter_bytes == 4 * 13098
    assert [r.activation_bytes for r in many.rows] == [32 * r.activation_bytes for r in one.rows]


def test_a_batch_of_two_inputs_gives_the_same_figures() -> None:
    """What cannot run an empty batch is run on two inputs, and scaled from there."""

    class Reshaping(nn.Sequential):
        def forward(self, x: tg.Tensor) -> Any:
            return super().forward(x.reshape(x.shape[0], 3, -1, 28))

    plain, reshaping = (viz.summary(make(*cnn()), (3, 28, 28), batch_size=7) for make in (nn.Sequential, Reshaping))
    assert [r.multiply_adds for r in plain.rows] == [r.multiply_adds for r in reshaping.rows[1:]]
    assert plain.totals.forward_bytes == reshaping.totals.forward_bytes
    assert plain.totals.input_bytes == reshaping.totals.input_bytes == 7 * 4 * 3 * 28 * 28


@pytest.mark.parametrize(
    ("optimizer", "copies"),
    [(optim.Adam, 2), (lambda p: optim.SGD(p, lr=0.1), 0), (lambda p: optim.SGD(p, lr=0.1, momentum=0.9), 1)],
    ids=["adam", "sgd", "momentum"],
)
def test_the_state_of_the_optimiser(optimizer: Any, copies: int) -> None:
    model = cnn()
    model[0].requires_grad_(False)
    totals = viz.summary(model, (3, 28, 28), optimizer=optimizer).totals
    assert totals.trainable == 8010
    assert totals.optimizer_bytes == copies * 4 * 8010


def test_nothing_in_the_model_changes() -> None:
    generator = np.random.default_rng(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(generator=generator))
    state, drawn = model.state_dict(), generator.bit_generator.state
    viz.summary(model, (3, 8, 8), batch_size=4)
    assert all(np.array_equal(state[name], array) for name, array in model.state_dict().items())
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert generator.bit_generator.state == drawn


# ---- refusals


def test_bad_input() -> None:
    with pytest.raises(ArgumentTypeError, match=r"summary: needs the shape of one input, without the batch"):
        viz.summary(cnn())
    with pytest.raises(ShapeError, match=r"^features.0: Conv2d expects 3 channels, the input has 1: in_channels=1$"):
        viz.summary(cnn(), (1, 28, 28))
    with pytest.raises(ShapeError, match=r"^summary: input_shape is that of one input.*pass \(3, 28, 28\)$"):
        viz.summary(cnn(), (8, 3, 28, 28))
    with pytest.raises(ArgumentError, match=r"batch_size must be at least 1"):
        viz.summary(cnn(), (3, 28, 28), batch_size=0)
    with pytest.raises(ArgumentTypeError, match=r"optimizer expects a class such as optim.Adam"):
        viz.summary(cnn(), (3, 28, 28), optimizer=optim.Adam(cnn().parameters()))  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"^1 \(LazyLinear\)"):
        viz.summary(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), (3, 8, 8))


# ---- looks


def test_text() -> None:
    text = str(viz.summary(cnn(), (3, 28, 28), batch_size=64))
    lines = text.splitlines()
    assert lines[0] == "Sequential, input 3 x 28 x 28, batch of 64"
    assert " ".join(lines[3].split()) == "features.0 Conv2d 3x3 1 0 16 x 26 x 26 448 18,690,048 2.77 MB 3x3"
    assert lines[9] == "  ^ 1 row, 1 column unread: ceil_mode=True, or input 12x12"
    assert "multiply-adds              54,886,400" in lines
    assert max(map(len, lines)) <= 120


def test_html_holds_the_same_and_escapes() -> None:
    model = nn.Sequential({"a<b": nn.Conv2d(1, 1, 3, stride=2)})
    found = viz.summary(model, (1, 8, 8))
    page = ElementTree.fromstring(f"<div>{found._repr_html_()}</div>")
    cells = ["".join(cell.itertext()) for cell in page.iter("td")]
    assert cells[:2] == ["a<b", "Conv2d"]
    assert "1 row, 1 column unread: padding=1, or input 9x9" in cells


def test_rich_shows_the_same() -> None:
    console = pytest.importorskip("rich.console")
    with (screen := console.Console(width=200)).capture() as capture:
        screen.print(viz.summary(cnn(), (3, 28, 28), batch_size=64))
    shown = capture.get()
    assert "16 x 26 x 26" in shown
    assert "features.5: 1 row, 1 column unread: ceil_mode=True, or input 12x12" in shown
