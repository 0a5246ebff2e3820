from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError

MAKERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda params: optim.SGD(params, lr=0.1),
    "momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, dampening=0.1, maximize=True),
    "adam": lambda params: optim.Adam(params, lr=0.1, amsgrad=True),
    "adamw": lambda params: optim.AdamW(params, lr=0.1),
    "adagrad": lambda params: optim.Adagrad(params, lr=0.1, lr_decay=0.1),
    "rmsprop": lambda params: optim.RMSprop(params, lr=0.1, momentum=0.5, centered=True),
}
every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def learn(model: nn.Module, optimizer: optim.Optimizer, steps: range) -> None:
    for step in steps:
        x = tg.tensor(np.random.default_rng(step).normal(size=(5, 3)).astype(np.float32))
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()


def network(seed: int = 0) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Linear(3, 4, generator=rng), nn.Tanh(), nn.Linear(4, 1, generator=rng))


def groups(model: nn.Sequential) -> list[dict[str, Any]]:
    return [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 0.01}]


def bits(model: nn.Module) -> list[bytes]:
    return [array.tobytes() for array in model.state_dict().values()]


@every_optimizer
def test_training_goes_on_bit_for_bit(make: Callable[[Any], optim.Optimizer]) -> None:
    model = network()
    optimizer = make(groups(model))
    schedule = optim.ExponentialLR(optimizer, gamma=0.9)
    learn(model, optimizer, range(5))
    schedule.step()
    saved = (model.state_dict(), optimizer.state_dict(), schedule.state_dict())
    learn(model, optimizer, range(5, 10))
    schedule.step()
    learn(model, optimizer, range(10, 15))

    resumed = network(1)
    again = make(groups(resumed))
    schedule_again = optim.ExponentialLR(again, gamma=0.5)
    resumed.load_state_dict(saved[0])
    again.load_state_dict(saved[1])
    schedule_again.load_state_dict(saved[2])
    learn(resumed, again, range(5, 10))
    schedule_again.step()
    learn(resumed, again, range(10, 15))
    assert bits(resumed) == bits(model)
    assert repr(again) == repr(optimizer)


def test_control_without_the_state_training_goes_elsewhere() -> None:
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    learn(model, optimizer, range(5))
    twin = network(1)
    twin.load_state_dict(model.state_dict())
    learn(model, optimizer, range(5, 10))
    learn(twin, optim.Adam(twin.parameters(), lr=0.1), range(5, 10))
    assert bits(twin) != bits(model)


@every_optimizer
def test_a_copy_of_model_and_optimizer_trains_on_alike(make: Callable[[Any], optim.Optimizer]) -> None:
    model = network()
    optimizer = make(groups(model))
    learn(model, optimizer, range(5))
    twin, its_optimizer = copy.deepcopy((model, optimizer))
    assert its_optimizer.param_groups[0]["params"][0] is twin[0].weight
    before = bits(model)
    learn(twin, its_optimizer, range(5, 10))
    assert bits(model) == before
    learn(model, optimizer, range(5, 10))
    assert bits(model) == bits(twin)


def test_the_state_holds_copies_by_index() -> None:
    model = network()
    optimizer = optim.Adam(groups(model), lr=0.1)
    model[0].weight.grad = tg.tensor(np.ones((4, 3), np.float32))
    model[2].bias.grad = tg.tensor(np.ones(1, np.float32))
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == [0, 3]  # the parameters without a gradient have none
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2, 3]]
    assert [group["lr"] for group in state["param_groups"]] == [0.1, 0.01]
    state["state"][0]["exp_avg"][:] = 7
    state["param_groups"][0]["lr"] = 7
    assert not (optimizer.state[model[0].weight]["exp_avg"] == 7).any()
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_what_was_given_is_not_shared_and_comes_in_the_dtype_of_the_parameter() -> None:
    p = nn.Parameter(np.ones(2, np.float32))
    optimizer = optim.Adam([p])
    given: dict[str, Any] = {
        "state": {0: {"step": np.float32(3), "exp_avg": np.full(2, 0.5), "exp_avg_sq": tg.tensor([1.0, 2.0])}},
        "param_groups": optimizer.state_dict()["param_groups"],
    }
    optimizer.load_state_dict(given)
    given["state"][0]["exp_avg"][:] = 7
    held = optimizer.state[p]
    assert held["step"] == 3
    assert type(held["step"]) is int
    assert held["exp_avg"].tolist() == [0.5, 0.5]
    assert held["exp_avg"].dtype == held["exp_avg_sq"].dtype == np.float32
    assert type(held["exp_avg_sq"]) is np.ndarray


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda s: s.pop("state"), ArgumentTypeError, "a dict with 'state' and 'param_groups'"),
        (lambda s: s["param_groups"].pop(), ArgumentError, r"groups of \[2, 2\] parameters, got \[2\]"),
        (lambda s: s["param_groups"][0]["params"].pop(), ArgumentError, r"got \[1, 2\]"),
        (lambda s: s["param_groups"][1].pop("eps"), ArgumentError, "'eps' is missing"),
        (lambda s: s["param_groups"][1].update(momentum=0.9), ArgumentError, "unknown 'momentum'; .* another kind"),
        (lambda s: s["param_groups"][1].update(lr=-1.0), ArgumentError, "lr must be .* at least 0"),
        (lambda s: s["state"].update({9: {}}), ArgumentError, "parameter 9 belongs to no group"),
        (
            lambda s: s["state"][1].update(exp_avg=np.ones(7)),
            ShapeError,
            r"exp_avg of parameter 1 expects shape \(4,\)",
        ),
    ],
    ids=["no_state", "groups", "sizes", "missing", "unknown", "range", "index", "shape"],
)
def test_a_state_that_does_not_fit_changes_nothing(
    change: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    model = network()
    optimizer = optim.Adam(groups(model), lr=0.1)
    learn(model, optimizer, range(2))
    wrong = optimizer.state_dict()
    wrong["param_groups"][0]["lr"] = 0.5
    wrong["state"][0]["step"] = 77
    change(wrong)
    with pytest.raises(error, match=message):
        optimizer.load_state_dict(wrong)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.state[model[0].weight]["step"] == 2


def test_something_else_than_a_state_is_explained() -> None:
    with pytest.raises(ArgumentTypeError, match=r"SGD.load_state_dict: expects a dict .* as state_dict\(\) gives it"):
        optim.SGD([nn.Parameter([1.0])], lr=0.1).load_state_dict([])  # type: ignore[arg-type]
