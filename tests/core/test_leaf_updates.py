"""Leaves changed in place, as a hand-written training loop does, and what is told from an edit too late."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentTypeError, EditedInPlaceError, GradientError


def leaf(*values: float) -> tg.Tensor:
    return tg.tensor(list(values), requires_grad=True)


def added(x: tg.Tensor) -> tg.Tensor:
    x += 1.0
    return x


def subtracted(x: tg.Tensor) -> tg.Tensor:
    x -= 1.0
    return x


def multiplied(x: tg.Tensor) -> tg.Tensor:
    x *= 3.0
    return x


def divided(x: tg.Tensor) -> tg.Tensor:
    x /= 2.0
    return x


UPDATES = [(added, [3.0, 5.0]), (subtracted, [1.0, 3.0]), (multiplied, [6.0, 12.0]), (divided, [1.0, 2.0])]
IDS = [update.__name__ for update, _ in UPDATES]


@pytest.mark.parametrize(("update", "expected"), UPDATES, ids=IDS)
def test_inside_no_grad_the_leaf_itself_changes(update: Callable[..., Any], expected: list[float]) -> None:
    x = leaf(2.0, 4.0)
    with tg.no_grad():
        assert update(x) is x
    assert x.tolist() == expected
    assert x.requires_grad
    assert x.dtype == np.float32


@pytest.mark.parametrize(("update", "_expected"), UPDATES, ids=IDS)
def test_while_recording_a_leaf_is_refused(update: Callable[..., Any], _expected: list[float]) -> None:
    x = leaf(2.0, 4.0)
    with pytest.raises(GradientError, match="update the leaf itself inside no_grad"):
        update(x)
    assert x.tolist() == [2.0, 4.0]


def test_a_hand_written_loop_trains_a_module() -> None:
    model = nn.Linear(1, 1, bias=False)
    x, y = tg.tensor([[1.0], [2.0]]), tg.tensor([[3.0], [6.0]])
    for _ in range(50):
        model.zero_grad()
        ((model(x) - y) ** 2).mean().backward()
        with tg.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter -= 0.1 * parameter.grad
    assert model.weight.item() == pytest.approx(3.0, abs=1e-3)


def test_an_update_between_forward_and_backward_is_told() -> None:
    x = leaf(2.0, 4.0)
    y = (x * x).sum()
    with tg.no_grad():
        x -= 1.0
    with pytest.raises(EditedInPlaceError):
        y.backward()


def test_assigned_data_is_a_copy() -> None:
    a, b = leaf(1.0, 2.0), leaf(0.0, 0.0)
    b.data = a.data
    a.data -= 1.0
    assert b.tolist() == [1.0, 2.0]


def test_an_index_may_change_after_the_call() -> None:
    x = leaf(1.0, 2.0, 3.0)
    index = np.array([0, 1])
    y = x[index].sum()
    index[:] = 2
    y.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 0.0]


def test_recorded_gradients_are_nobody_elses() -> None:
    x, g = tg.tensor(np.ones((2, 2), np.float32), requires_grad=True), tg.tensor(np.ones(4, np.float32))
    x.reshape(4).backward(g, create_graph=True)
    assert x.grad is not None
    assert not np.shares_memory(x.grad.data, g.data)
    x.grad = None
    x.sum().backward(create_graph=True)
    summed = x.grad
    assert summed is not None
    assert summed.data.flags.writeable


def test_threads_that_share_a_leaf_lose_no_gradient() -> None:
    x = tg.tensor(np.zeros(20_000, np.float32), requires_grad=True)

    def work() -> None:
        for _ in range(40):
            x.sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad is not None
    assert x.grad.data[0] == 160.0


def test_the_second_derivative_of_a_power_at_exponent_zero() -> None:
    tg.testing.check_grad(lambda a, b: a**b, [np.array([2.0, 3.0]), np.array([0.0, 1.0])], order=2)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (lambda op: op.defvjp(lambda g: (g,)), "one joint rule and the inputs that it serves"),
        (lambda op: op.defvjp(x=lambda x: 2 * x), "a rule's first parameter is the cotangent dJ/dy, not x"),
        (lambda op: op.defvjp(x=lambda: 2), "not nothing"),
    ],
    ids=["joint without inputs", "the cotangent forgotten", "no parameter"],
)
def test_rules_that_would_be_silently_wrong_are_refused(rules: Callable[[Any], Any], message: str) -> None:
    @tg.primitive
    def double(x: Any) -> Any:
        return x * 2

    with pytest.raises(ArgumentTypeError, match=message):
        rules(double)


def test_no_grad_without_parentheses_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"no_grad: takes no arguments; .*@no_grad\(\) above a function"):
        tg.no_grad(lambda x: x)
