"""A fault in one rule is traced to its operation, the user's line and the layer, however long the function."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.testing import GradientMismatch, GradientReport, check_grad, check_module, check_op


@tg.primitive
def swish(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def slope(x: Any) -> Any:
    s = tg.sigmoid(x)
    return s * (1 + x * (1 - s))


class Swish(nn.Module):
    def forward(self, x: Any) -> Any:
        return swish(x)


def twenty_layers() -> nn.Module:
    """19 right layers, and a Swish deep inside."""
    tg.manual_seed(3)
    front = [
        nn.Conv2d(1, 2, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 3, (2, 1)),
        nn.Tanh(),
        nn.Flatten(),
    ]
    middle = [nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 5), nn.Sigmoid(), nn.Linear(5, 5), Swish()]
    back = [nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)]
    return nn.Sequential(
        {"front": nn.Sequential(*front), "middle": nn.Sequential(*middle), "back": nn.Sequential(*back)}
    )


IMAGES = np.random.default_rng(0).normal(size=(2, 1, 4, 4)).astype(np.float32)
LABELS = np.array([2, 0])


def mismatch(order: int = 1) -> GradientReport:
    with pytest.raises(GradientMismatch) as caught:
        check_module(twenty_layers(), IMAGES, LABELS, nn.CrossEntropyLoss(), order=order, coordinates=80 // order)
    return caught.value.report


def line_of(function: Any, text: str) -> str:
    lines, start = inspect.getsourcelines(function)
    number = start + next(i for i, line in enumerate(lines) if text in line)
    return f"{inspect.getsourcefile(function)}:{number} in {function.__name__}"


def test_a_right_model_passes() -> None:
    swish.defvjp(x=lambda g, x: g * slope(x))
    assert check_module(twenty_layers(), IMAGES, LABELS, nn.CrossEntropyLoss(), order=2, coordinates=20).ok


def test_a_wrong_rule_inside_a_model_is_traced() -> None:
    swish.defvjp(x=lambda g, x: 2 * g * slope(x))
    report = mismatch()
    assert (report.operation, report.argument, report.layer) == ("swish", "x", "middle.5")
    assert report.line == line_of(Swish.forward, "swish(x)")
    assert report.hint == "off by a constant factor of 2"
    # Every Parameter before the fault has a wrong gradient, no Parameter behind it has.
    wrong = {finding.argument.split("[")[0] for finding in report.faults} - {"joint direction", "input"}
    assert {name.split(".")[0] for name in wrong} == {"front", "middle"}


def test_a_rule_wrong_at_second_order_only_is_traced() -> None:
    swish.defvjp(x=lambda g, x: g * slope(x.data if isinstance(x, tg.Tensor) else x))
    report = mismatch(order=2)
    assert (report.operation, report.argument, report.layer) == ("swish", "x", "middle.5")
    assert report.line == line_of(Swish.forward, "swish(x)")
    assert "not as a function" in report.hint


def test_the_inner_operation_of_a_rule_is_named() -> None:
    @tg.primitive
    def swish_slope(x: Any) -> Any:
        return slope(x)

    swish_slope.defvjp(x=lambda g: -g)
    swish.defvjp(x=lambda g, x: g * swish_slope(x))
    assert check_op(swish, np.array([0.3, 1.0]), order=1).ok
    report = mismatch(order=2)
    assert (report.operation, report.argument) == ("swish_slope", "x")


def test_a_rule_that_cannot_be_recorded_is_named() -> None:
    swish.defvjp(x=lambda g, x: g * (1 / (1 + np.exp2(-x / np.log(2)))))
    with pytest.raises(GradientMismatch, match=r"np\.exp2: not an operation on Tensors"):
        check_op(swish, np.zeros(2))
    swish.defvjp(x=lambda g, x: g * (slope(x) if isinstance(x, np.ndarray) else np.exp2(x)))
    with pytest.raises(GradientMismatch, match=r"the rule of swish for x") as caught:
        check_grad(lambda x: tg.tanh(swish(x)), [np.array([0.3, 1.0])], order=2)
    assert "cannot be recorded" in str(caught.value)


def test_a_definition_that_differs_from_the_rule_is_named() -> None:
    @tg.primitive(saves=("s",))
    def gate(x: Any) -> Any:
        s = 1 / (1 + np.exp(-x))
        return x * s, s

    gate.defvjp(x=lambda g, s, x: g * (s + x * s * (1 - s)))
    gate.define(lambda x: x * tg.sigmoid(x))
    assert check_op(gate, np.array([0.3, 1.0])).ok
    gate.define(lambda x: x * tg.tanh(x))
    with pytest.raises(GradientMismatch) as caught:
        check_grad(lambda x: gate(2.0 * x), [np.array([0.3, 1.0])], order=2)
    assert caught.value.report.operation == "gate"
    assert "definition" in caught.value.report.hint


def test_what_leaves_the_graph_is_not_blamed_on_an_operation() -> None:
    with pytest.raises(GradientMismatch) as caught:
        check_grad(lambda x: tg.tanh(x) * float(x.data.sum()), [np.array([0.3, 1.0])])
    assert caught.value.report.operation == ""
    assert "leaves the graph" in caught.value.report.hint


def test_an_operation_without_a_rule_is_named() -> None:
    @tg.primitive
    def doubled(x: Any) -> Any:
        return x * 2

    with pytest.raises(GradientMismatch) as caught:
        check_grad(lambda x: doubled(x) + x, [np.ones(3)])
    assert caught.value.report.hint == "doubled has no rule, so no gradient passes it; add one with defvjp"


def test_randomness_and_mutation_are_told_apart() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(GradientMismatch, match="non-deterministic") as caught:
        check_grad(lambda x: x * generator.normal(), [np.ones(2)])
    assert "same seed" in caught.value.report.hint

    def overwrites(x: Any) -> Any:
        y = x * 2.0
        x.data[:] = 0.0
        return y

    with pytest.raises(GradientMismatch, match="input-mutated"):
        check_grad(overwrites, [np.ones(2)])
