from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, EditedInPlaceError, GradientError


def with_gradient(*values: float, dtype: type = np.float32) -> nn.Parameter:
    result = nn.Parameter(np.zeros(len(values), dtype))
    result.grad = tg.tensor(np.array(values, dtype))
    return result


def gradient(parameter: tg.Tensor) -> Any:
    assert parameter.grad is not None
    return parameter.grad


def test_the_norm_of_all_gradients_together_is_bounded() -> None:
    a, b, unused = with_gradient(3.0), with_gradient(0.0, 4.0), nn.Parameter([1.0])
    total = optim.clip_grad_norm_([a, unused, b], max_norm=1.0)
    assert total.item() == 5.0
    np.testing.assert_allclose([gradient(a).item(), *gradient(b).tolist()], [0.6, 0.0, 0.8], rtol=1e-6)
    assert unused.grad is None


def test_a_small_gradient_stays_bit_for_bit_and_all_stay_in_place() -> None:
    a = with_gradient(0.3, 0.1)
    held, values = gradient(a), gradient(a).tolist()
    memory = held.data
    optim.clip_grad_norm_(a, max_norm=1.0)
    assert held.tolist() == values
    optim.clip_grad_norm_(a, max_norm=0.1)
    optim.clip_grad_value_(a, clip_value=0.05)
    assert gradient(a) is held
    assert held.data is memory
    assert max(held.tolist()) == pytest.approx(0.05)


def test_dtypes_stay() -> None:
    a, b = with_gradient(3.0), with_gradient(4.0, dtype=np.float64)
    assert optim.clip_grad_norm_([a], np.float64(0.5)).dtype == np.float32
    assert optim.clip_grad_norm_([a, b], np.float64(0.5)).dtype == np.float64
    optim.clip_grad_value_([a, b], np.float64(0.25))
    assert (gradient(a).dtype, gradient(b).dtype) == (np.float32, np.float64)


@pytest.mark.parametrize(("norm_type", "norm"), [(1, 7.0), (2.0, 5.0), (math.inf, 4.0)])
def test_other_norms(norm_type: float, norm: float) -> None:
    assert optim.clip_grad_norm_([with_gradient(3.0), with_gradient(-4.0)], 1.0, norm_type).item() == norm


def test_gradients_that_are_not_finite() -> None:
    a, b = with_gradient(math.nan), with_gradient(1.0)
    with pytest.raises(GradientError, match="the gradients have the norm nan"):
        optim.clip_grad_norm_([a, b], 1.0, error_if_nonfinite=True)
    assert gradient(b).tolist() == [1.0]
    optim.clip_grad_norm_([a, b], 1.0)
    assert np.isnan(gradient(b).data).all()
    c = with_gradient(math.inf, -math.inf, math.nan)
    optim.clip_grad_value_(c, 2.0)
    np.testing.assert_array_equal(gradient(c).data, [2.0, -2.0, np.nan])


def test_a_recorded_gradient_is_replaced_so_that_its_graph_stays_right() -> None:
    x = tg.tensor([3.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    slope = x.grad
    assert slope is not None
    optim.clip_grad_norm_(x, 1.0)
    assert slope.item() == 27.0  # as before
    (curvature,) = tg.grad(slope.sum(), x)
    assert curvature is not None
    assert curvature.item() == 18.0
    assert x.grad is not slope
    np.testing.assert_allclose(gradient(x).item(), 1.0, rtol=1e-6)


def test_a_graph_that_kept_a_gradient_notices_the_edit() -> None:
    a = with_gradient(3.0)
    y = tg.tensor([2.0], requires_grad=True)
    loss = (y * gradient(a)).sum()
    optim.clip_grad_value_(a, 1.0)
    with pytest.raises(EditedInPlaceError):
        loss.backward()


def test_arguments_are_checked() -> None:
    with pytest.raises(ArgumentError, match=r"clip_grad_norm_: max_norm must be .* at least 0, got -1"):
        optim.clip_grad_norm_([], -1.0)
    with pytest.raises(ArgumentError, match="clip_grad_value_: clip_value"):
        optim.clip_grad_value_([], -1.0)
    with pytest.raises(ArgumentTypeError, match=r"parameters\[0\] expects a Tensor, got tuple"):
        optim.clip_grad_norm_(nn.Linear(1, 1).named_parameters(), 1.0)  # type: ignore[arg-type]
