"""Checks of whole Modules: which Parameter is wrong, and that the check leaves no trace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.testing.planting import slipped
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import window
from tinygrad_cnn.ops import convolution
from tinygrad_cnn.random import generator
from tinygrad_cnn.testing import GradientMismatch, check_module

X = np.random.default_rng(1).normal(size=(3, 1, 5, 5)).astype(np.float32)
Y = np.array([0, 2, 1])
LOSS = nn.CrossEntropyLoss()


def network(convolution: type[nn.Conv2d] = nn.Conv2d) -> nn.Sequential:
    tg.manual_seed(5)
    features = nn.Sequential(convolution(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential({"features": features, "flatten": nn.Flatten(), "fc": nn.Linear(2, 3)})


class FaultyConv2d(nn.Conv2d):
    """Forgets that the batch is summed over, in the gradient of its weight."""

    operation = slipped(
        convolution._conv2d,
        {"w": lambda g, x, window, groups: convolution._conv2d_weight_grad(x[:1], g[:1], window, groups)},
    )

    def forward(self, input: Any) -> Any:
        frame = window("conv2d", input.shape[2:], self.kernel_size, self.stride, 0, self.dilation)
        return self.operation(input, self.weight, self.bias, frame, self.groups)


class Scale(nn.Module):
    """Counts its calls, keeps its last input and a running mean, as Modules do."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter([2.0])
        self.register_buffer("running", np.zeros(1, np.float32))
        self.calls = 0
        self.last: Any = None
        self.running: Any

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.last = x.detach()
        self.running = self.running * 0.9 + float(x.data.mean()) * 0.1
        return x * self.factor


def test_a_right_model_passes() -> None:
    report = check_module(network(), X, Y, LOSS)
    assert report.ok
    assert report.counts["ok"] > 75 + 18 + 2 + 6 + 3  # every coordinate of input, weights and biases


def test_the_parameter_at_fault_is_named() -> None:
    with pytest.raises(GradientMismatch) as caught:
        check_module(network(FaultyConv2d), X, Y, LOSS)
    report = caught.value.report
    named = {finding.argument for finding in report.faults}
    assert "features.0.weight" in named
    assert named <= {"features.0.weight", "joint direction"}
    assert (report.operation, report.argument, report.layer) == ("conv2d", "w", "features.0")
    assert "the sum over axis 0 (the batch)" in report.hint
    assert "features.0.weight[" in str(report)


def test_a_small_parameter_is_named_beside_large_ones() -> None:
    @tg.primitive
    def shift(x: Any, b: Any) -> Any:
        return x + b

    shift.defvjp(x=lambda g: g, b=lambda g: 1.01 * tg.sum(g, 0))

    class Shift(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.b = nn.Parameter(np.zeros(3, np.float32))

        def forward(self, x: Any) -> Any:
            return shift(x, self.b)

    model = nn.Sequential(nn.Linear(40, 60), nn.Tanh(), nn.Linear(60, 3), Shift())
    with pytest.raises(GradientMismatch) as caught:
        check_module(model, np.ones((2, 40)), np.array([0, 1]), LOSS, coordinates=20)
    assert {finding.argument for finding in caught.value.report.faults} <= {"3.b", "joint direction"}


def test_it_leaves_no_trace() -> None:
    model = nn.Sequential(
        nn.Linear(3, 4), Scale(), nn.Dropout(0.5), nn.Dropout(0.3, generator=np.random.default_rng(2))
    )
    model.eval()
    model[2].train()
    scale: Any = model[1]
    weights, attributes = model.state_dict(), dict(vars(scale))
    parameters = list(model.parameters())
    states = [generator("dropout").bit_generator.state, model[3].generator.bit_generator.state]
    assert check_module(model, np.ones((2, 3)), np.array([1, 0]), LOSS, order=2).ok
    assert all(np.array_equal(array, weights[name]) for name, array in model.state_dict().items())
    assert all(p is q for p, q in zip(parameters, model.parameters(), strict=True))
    assert vars(scale) == attributes
    assert scale.calls == 0
    assert [generator("dropout").bit_generator.state, model[3].generator.bit_generator.state] == states
    assert [module.training for module in model.modules()] == [False, False, False, True, False]
    assert all(p.grad is None for p in parameters)


def test_a_failing_model_is_put_back_too() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    weight = model[0].weight
    with pytest.raises(tg.errors.ShapeError):
        check_module(model, np.ones((2, 5)), np.array([0, 1]), LOSS)
    assert model[0].weight is weight


def test_dropout_draws_the_same_mask_each_time() -> None:
    model = nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.5), nn.Linear(6, 2))
    assert check_module(model, np.ones((4, 3)), np.array([0, 1, 1, 0]), LOSS).ok


def test_other_randomness_is_a_verdict() -> None:
    class Noise(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + np.random.default_rng().normal(size=x.shape)

    with pytest.raises(GradientMismatch, match="non-deterministic"):
        check_module(nn.Sequential(nn.Linear(3, 2), Noise()), np.ones((2, 3)), np.array([0, 1]), LOSS)


def test_frozen_parameters_and_integer_inputs_are_constants() -> None:
    class Embedding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(np.arange(8.0).reshape(4, 2))

        def forward(self, index: Any) -> Any:
            return self.table[index.data]

    model = nn.Sequential(Embedding(), nn.Linear(2, 3))
    model[1].bias.requires_grad = False
    report = check_module(model, np.array([1, 3, 3]), Y, LOSS, directions=0)
    assert report.checked == 8 + 6 + 2  # the coordinates, and each Parameter shifted as a whole


def test_a_shared_parameter_is_checked_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3, bias=False)
            self.second = nn.Linear(3, 3, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x: Any) -> Any:
            return self.second(tg.tanh(self.first(x)))

    assert check_module(Twice(), np.ones((2, 3)), np.array([0, 1]), LOSS).ok


def test_order_must_be_one_or_two() -> None:
    with pytest.raises(ArgumentError, match="order must be 1 or 2, got 3"):
        check_module(network(), X, Y, LOSS, order=3)
