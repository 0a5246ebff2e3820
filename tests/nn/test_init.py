from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import (
    ArgumentError,
    ArgumentTypeError,
    DTypeError,
    EditedInPlaceError,
    GradientError,
    ShapeError,
)
from tinygrad_cnn.nn import init

SEED: Any = 0  # where a generator is expected
SHAPE = (64, 32, 5, 5)  # fan_in 800, fan_out 1600


def weight() -> nn.Parameter:
    return nn.Parameter(np.zeros(SHAPE, np.float32))


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("fill", "variance", "is_uniform"),
    [
        (lambda w, g: init.uniform_(w, -3, 3, generator=g), 3.0, True),
        (lambda w, g: init.normal_(w, 0, 2, generator=g), 4.0, False),
        (lambda w, g: init.xavier_uniform_(w, generator=g), 2 / 2400, True),
        (lambda w, g: init.xavier_normal_(w, gain=3, generator=g), 9 * 2 / 2400, False),
        (lambda w, g: init.kaiming_uniform_(w, generator=g), 2 / 800, True),
        (lambda w, g: init.kaiming_uniform_(w, math.sqrt(5), generator=g), 1 / 3 / 800, True),
        (lambda w, g: init.kaiming_normal_(w, mode="fan_out", generator=g), 2 / 1600, False),
        (lambda w, g: init.kaiming_normal_(w, nonlinearity="tanh", generator=g), 25 / 9 / 800, False),
    ],
    ids=["uniform", "normal", "xavier_u", "xavier_n", "kaiming_u", "kaiming_u_a", "kaiming_n_out", "kaiming_n_tanh"],
)
def test_variances_are_those_of_the_formulas(
    fill: Callable[[nn.Parameter, np.random.Generator], nn.Parameter], variance: float, is_uniform: bool
) -> None:
    parameter = weight()
    assert fill(parameter, generator()) is parameter
    drawn = parameter.data
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.var(), variance, rtol=0.02)  # 51,200 draws: 2 % is more than 3 deviations
    assert abs(drawn.mean()) < 4 * math.sqrt(variance / drawn.size)
    assert (np.abs(drawn).max() <= math.sqrt(3 * variance) * (1 + 1e-6)) is np.bool_(is_uniform)
    np.testing.assert_array_equal(fill(weight(), generator()).data, drawn)


def test_plain_values_keep_the_dtype() -> None:
    tensor = tg.tensor(np.zeros((2, 2)))
    assert init.ones_(tensor) is tensor
    assert tensor.tolist() == [[1.0, 1.0]] * 2
    assert tensor.dtype == np.float64
    assert init.constant_(tensor, 0.5).tolist() == [[0.5, 0.5]] * 2
    assert init.zeros_(tg.tensor(np.ones(3, np.int64))).tolist() == [0, 0, 0]


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert init.calculate_gain("leaky_relu", 1) == 1
    assert init.calculate_gain("tanh") == 5 / 3
    with pytest.raises(ArgumentError, match=r"nonlinearity must be one of .* got 'gelu'"):
        init.calculate_gain("gelu")


def test_fans_count_the_window() -> None:
    assert init.fan_in_and_fan_out(tg.tensor(np.zeros((5, 3)))) == (3, 5)
    assert init.fan_in_and_fan_out(weight()) == (800, 1600)


def test_the_default_generator_follows_the_seed() -> None:
    tg.manual_seed(1)
    first = init.normal_(weight()).tolist()
    tg.manual_seed(1)
    assert init.normal_(weight()).tolist() == first


def test_writing_counts_as_an_edit_and_needs_a_leaf() -> None:
    parameter = nn.Parameter([1.0, 2.0])
    loss = (parameter * parameter).sum()
    with pytest.raises(GradientError, match="leaves only"):
        init.zeros_(loss)
    init.ones_(parameter)
    with pytest.raises(EditedInPlaceError):
        loss.backward()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: init.kaiming_normal_(tg.tensor([1.0])), ShapeError, r"at least 2 dimensions, got shape \(1,\)"),
        (lambda: init.xavier_uniform_(tg.tensor(1.0)), ShapeError, "at least 2 dimensions"),
        (lambda: init.kaiming_normal_(weight(), mode="fan"), ArgumentError, "'fan_in' or 'fan_out', got 'fan'"),
        (lambda: init.uniform_(weight(), 1, 0), ArgumentError, "a <= b"),
        (lambda: init.normal_(weight(), 0, -1), ArgumentError, "std >= 0"),
        (lambda: init.normal_(tg.tensor([1, 2])), DTypeError, "floating-point"),
        (lambda: init.normal_(weight(), generator=SEED), ArgumentTypeError, "np.random.Generator, got int"),
    ],
    ids=["one_dim", "scalar", "mode", "interval", "std", "integers", "seed"],
)
def test_refusals(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_empty_weight_is_left_alone() -> None:
    assert init.kaiming_uniform_(tg.tensor(np.zeros((0, 0)))).shape == (0, 0)
