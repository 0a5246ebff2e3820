"""Fused operations: residuals from the forward pass, and definitions for derivatives of higher order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import EditedInPlaceError, GradientError
from tinygrad_cnn.testing import check_op


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def slope(y: Any, x: Any, **options: Any) -> Any:
    (gradient,) = tg.grad(y, x, **options)
    return gradient


def fused() -> tg.Primitive:
    """x^3, whose rule reads 3x^2 from the forward pass."""

    @tg.primitive(saves=("slope",))
    def cubed(x: Any) -> Any:
        return x * x * x, 3 * x * x

    return cubed.defvjp(x=lambda g, slope: g * slope)


def test_a_float_residual_serves_the_first_order_only() -> None:
    f, x = fused(), leaf(2.0)
    f(x).backward()
    assert x.grad.item() == 12.0
    with pytest.raises(GradientError, match=r"cubed: its residual slope .* register it with cubed\.define\(\.\.\.\)"):
        tg.grad(f(x), x, create_graph=True)


def test_a_definition_carries_it_to_any_order() -> None:
    f, x = fused(), leaf(2.0)
    f.define(lambda x: x**3)
    y = f(x)
    derivatives = []
    for _ in range(4):
        y = slope(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [12.0, 12.0, 6.0, 0.0]
    check_op(f, np.array([-1.0, 0.5, 2.0]))


def test_a_definition_deep_in_a_graph_stays_connected() -> None:
    f, x = fused(), leaf(0.5)
    f.define(lambda x: x**3)
    gradient = slope(f(f(x * 2)) * x, x, create_graph=True)  # 512 x^10
    assert gradient.item() == pytest.approx(5120 * 0.5**9)
    assert slope(gradient, x).item() == pytest.approx(46080 * 0.5**8)


def test_a_definition_ends_at_its_own_inputs() -> None:
    """Also where one input was computed from the other, or is the same."""

    @tg.primitive(saves=("a2", "b2"))
    def times(a: Any, b: Any) -> Any:
        return a * b, a + 0, b + 0

    times.defvjp(lambda g, a2, b2: (g * b2, g * a2), inputs=("a", "b"))
    times.define(lambda a, b: a * b)
    cases: list[tuple[Any, float, float]] = [
        (lambda x: times(x, x * x), 3 * 2.0**2, 6 * 2.0),
        (lambda x: times(x * x, x), 3 * 2.0**2, 6 * 2.0),
        (lambda x: times(x, x), 2 * 2.0, 2.0),
        (lambda x: times(times(x, x), x), 3 * 2.0**2, 6 * 2.0),
    ]
    for make, first, second in cases:
        x = leaf(2.0)
        gradient = slope(make(x), x, create_graph=True)
        assert (gradient.item(), slope(gradient, x).item()) == (first, second)


def test_a_definition_that_ignores_an_input_gives_it_no_gradient() -> None:
    @tg.primitive
    def first(a: Any, b: Any) -> Any:
        return a * 2

    first.defvjp(a=lambda g: g * 2, b=lambda g, b: b * 0)
    first.define(lambda a, b: a * 2)
    a, b = leaf(1.0), leaf(1.0)
    slopes = tg.grad(first(a, b), (a, b), create_graph=True, allow_unused=True)
    assert slopes[0] is not None
    assert (slopes[0].item(), slopes[1]) == (2.0, None)


def test_integer_and_boolean_residuals_are_constants_in_any_order() -> None:
    @tg.primitive(saves=("mask",))
    def kept(x: Any) -> Any:
        mask = x > 0
        return x * x * mask, mask

    kept.defvjp(x=lambda g, x, mask: g * 2 * x * mask)
    x = leaf(-1.0, 3.0)
    gradient = slope(kept(x).sum(), x, create_graph=True)
    assert slope(gradient.sum(), x).tolist() == [0.0, 2.0]


def test_an_edit_after_the_first_derivative_is_noticed_in_the_second() -> None:
    f, x = fused(), leaf(2.0)
    f.define(lambda x: x * x * x)
    gradient = slope(f(x), x, create_graph=True)
    x.data -= 1.0
    with pytest.raises(EditedInPlaceError):
        gradient.backward()
