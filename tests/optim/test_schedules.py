from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError


def parameter() -> nn.Parameter:
    return nn.Parameter(np.ones(2, np.float32))


def sgd(groups: int = 1) -> optim.SGD:
    return optim.SGD([{"params": [parameter()]} for _ in range(groups)], lr=0.5, momentum=0.9)


def rates(schedule: optim.OneCycleLR) -> tuple[list[float], list[float]]:
    """The learning rates and momenta of all steps."""
    group = schedule.optimizer.param_groups[0]
    found = []
    for _ in range(schedule.total_steps):
        found.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        schedule.step()
    lrs, momenta = zip(*found, strict=True)
    return list(lrs), list(momenta)


def published(step: int, total: int, pct: float, points: tuple[float, float, float], cosine: bool) -> float:
    """PyTorch's two phases, as its documentation and source give them."""
    phases = [(float(pct * total) - 1, points[0], points[1]), (total - 1, points[1], points[2])]
    start_step = 0.0
    for i, (end_step, start, end) in enumerate(phases):
        if step <= end_step or i == len(phases) - 1:
            part = (step - start_step) / (end_step - start_step)
            return end + (start - end) / 2 * (math.cos(math.pi * part) + 1) if cosine else start + part * (end - start)
        start_step = end_step
    raise AssertionError


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize(("total", "pct"), [(10, 0.3), (37, 0.25), (100, 0.0), (8, 1.0), (2, 0.3), (1, 0.3)])
def test_the_formula_is_pytorchs(strategy: str, total: int, pct: float) -> None:
    schedule = optim.OneCycleLR(sgd(), max_lr=2.0, total_steps=total, pct_start=pct, anneal_strategy=strategy)
    lrs, momenta = rates(schedule)
    cosine = strategy == "cos"
    points = (2.0 / 25, 2.0, 2.0 / 25 / 1e4)
    np.testing.assert_allclose(lrs, [published(i, total, pct, points, cosine) for i in range(total)], rtol=1e-12)
    points = (0.95, 0.85, 0.95)
    np.testing.assert_allclose(momenta, [published(i, total, pct, points, cosine) for i in range(total)], rtol=1e-12)


def test_end_points_and_shape() -> None:
    schedule = optim.OneCycleLR(sgd(), max_lr=1.0, total_steps=100, div_factor=10, final_div_factor=100)
    lrs, momenta = rates(schedule)
    peak = lrs.index(max(lrs))
    assert peak == 29
    np.testing.assert_allclose([lrs[0], lrs[peak], lrs[-1]], [0.1, 1.0, 0.001])
    np.testing.assert_allclose([momenta[0], momenta[peak], momenta[-1]], [0.95, 0.85, 0.95])
    assert (np.diff(lrs[: peak + 1]) > 0).all()
    assert (np.diff(lrs[peak:]) < 0).all()


def test_stepping_past_the_end_is_an_error_and_the_end_holds() -> None:
    schedule = optim.OneCycleLR(sgd(), max_lr=1.0, total_steps=5, anneal_strategy="linear")
    rates(schedule)
    np.testing.assert_allclose(schedule.get_last_lr(), [1 / 25 / 1e4])
    with pytest.raises(ArgumentError, match="step 6 comes after the last of total_steps=5"):
        schedule.step()
    np.testing.assert_allclose(schedule.get_last_lr(), [1 / 25 / 1e4])


def test_a_peak_at_the_very_first_step() -> None:
    lrs, _ = rates(optim.OneCycleLR(sgd(), max_lr=1.0, total_steps=4, pct_start=0.25))
    assert lrs[0] == 1.0


def test_steps_from_epochs() -> None:
    assert optim.OneCycleLR(sgd(), 1.0, epochs=3, steps_per_epoch=7).total_steps == 21


def test_each_group_may_have_its_own_peak() -> None:
    schedule = optim.OneCycleLR(sgd(2), max_lr=[1.0, 2.0], total_steps=10, base_momentum=[0.5, 0.6], max_momentum=0.9)
    schedule.step()
    schedule.step()
    assert schedule.get_last_lr() == [1.0, 2.0]
    assert [group["momentum"] for group in schedule.optimizer.param_groups] == [0.5, 0.6]


def test_adam_cycles_its_first_beta() -> None:
    optimizer = optim.Adam([parameter()])
    schedule = optim.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    assert optimizer.param_groups[0]["betas"] == (0.95, 0.999)
    schedule.step()
    schedule.step()
    assert optimizer.param_groups[0]["betas"] == (0.85, 0.999)


def test_the_momentum_may_stay() -> None:
    _, momenta = rates(optim.OneCycleLR(sgd(), max_lr=1.0, total_steps=10, cycle_momentum=False))
    assert set(momenta) == {0.9}


def test_the_optimizer_steps_at_the_scheduled_rate() -> None:
    learned = nn.Parameter([1.0])
    optimizer = optim.SGD([learned], lr=123.0)
    schedule = optim.OneCycleLR(optimizer, max_lr=0.5, total_steps=10, cycle_momentum=False)
    learned.grad = tg.tensor([1.0])
    optimizer.step()
    np.testing.assert_allclose(learned.item(), 1 - 0.5 / 25, rtol=1e-6)
    np.testing.assert_allclose(schedule.get_last_lr(), [0.5 / 25])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ArgumentError, "give total_steps, or both epochs and steps_per_epoch"),
        ({"epochs": 3}, ArgumentError, "give total_steps"),
        ({"total_steps": 0}, ArgumentError, "total_steps must be a finite number, at least 1, got 0"),
        ({"total_steps": 2.5}, ArgumentTypeError, "total_steps expects an int"),
        ({"total_steps": 5, "pct_start": 1.5}, ArgumentError, "pct_start must be .* at most 1, got 1.5"),
        ({"total_steps": 5, "anneal_strategy": "exp"}, ArgumentError, "'cos' or 'linear', got 'exp'"),
        ({"total_steps": 5, "div_factor": 0}, ArgumentError, "div_factor must be .* above 0"),
        ({"total_steps": 5, "max_lr": [1.0, 2.0]}, ArgumentError, "max_lr has 2 values for 1 parameter groups"),
        ({"total_steps": 5, "max_lr": -1.0}, ArgumentError, "max_lr"),
        ({"total_steps": 5, "max_momentum": 1.0}, ArgumentError, "max_momentum must be .* below 1"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        optim.OneCycleLR(sgd(), **{"max_lr": 1.0, **options})


def test_what_has_no_momentum_is_explained() -> None:
    class Plain(optim.Optimizer):
        def __init__(self) -> None:
            super().__init__([parameter()], {"lr": 0.1})

        def _update(self, group: Any) -> Any:
            raise NotImplementedError

        def _check_options(self, options: Any) -> None:
            pass

    with pytest.raises(ArgumentError, match="Plain has neither momentum nor betas; pass cycle_momentum=False"):
        optim.OneCycleLR(Plain(), 1.0, total_steps=5)
    optim.OneCycleLR(Plain(), 1.0, total_steps=5, cycle_momentum=False)
    with pytest.raises(ArgumentTypeError, match="expects an Optimizer, got list"):
        optim.OneCycleLR([], 1.0, total_steps=5)  # type: ignore[arg-type]
