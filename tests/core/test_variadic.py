"""Operations of any number of inputs: `op(*xs, key=...)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentTypeError, GradientError
from tinygrad_cnn.testing import check_op


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def slope(y: Any, x: Any, **options: Any) -> Any:
    (gradient,) = tg.grad(y, x, **options)
    return gradient


def total(rule: Callable[..., Any]) -> tg.Primitive:
    @tg.primitive
    def total(*xs: Any, scale: Any = 1.0) -> Any:
        result = xs[0] * scale
        for x in xs[1:]:
            result = result + x * scale
        return result

    return total.defvjp(xs=rule)


def test_a_primitive_of_any_number_of_inputs() -> None:
    f = total(lambda g, xs, scale: [g * scale for _ in xs])
    a, b = leaf(1.0), leaf(2.0)
    y = f(a, b, a, np.float32(4), tg.tensor([5.0]), scale=2.0)
    y.backward()
    assert y.item() == 26.0
    assert (a.grad.item(), b.grad.item()) == (4.0, 2.0)
    assert f(np.ones(1), np.ones(1)).tolist() == [2.0]
    assert slope(f(a, b), b).item() == 1.0


def test_it_differentiates_again_beside_plain_numbers() -> None:
    @tg.primitive
    def squares(*xs: Any) -> Any:
        return sum(x * x for x in xs)

    squares.defvjp(xs=lambda g, xs: [2 * x * g for x in xs])
    x = leaf(3.0)
    gradient = slope(squares(x, 2.0, np.ones(1, np.float32)), x, create_graph=True)
    assert slope(gradient, x).item() == 2.0
    check_op(squares, np.array([1.0, 2.0]), np.array([3.0, -1.0]))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda g: [g], "its rule for xs returned 1 cotangents, expected 2"),
        (lambda g: [g, g, g], "its rule for xs returned 3 cotangents, expected 2"),
        (lambda g: g, "its rule for xs returned a ndarray"),
        (lambda g: (g, g[:0]), r"its rule for xs\[1\] returned shape \(0,\), xs\[1\] has shape \(1,\)"),
    ],
    ids=["one", "three", "array", "shape"],
)
def test_its_rule_returns_one_cotangent_per_input(rule: Callable[..., Any], message: str) -> None:
    f = total(rule)
    f(leaf(1.0), 1.0, 2.0)  # another number of inputs before
    with pytest.raises(GradientError, match=f"total: {message}"):
        f(leaf(1.0), leaf(2.0)).backward()


def test_its_options_go_by_name() -> None:
    @tg.primitive
    def scaled(*xs: Any, scale: Any) -> Any:
        return sum(xs) * scale

    with pytest.raises(ArgumentTypeError, match="scaled: scale is missing"):
        scaled(leaf(1.0))
    with pytest.raises(ArgumentTypeError, match="scaled: no parameter size; it takes scale"):
        scaled(leaf(1.0), size=2)
    with pytest.raises(TypeError) as caught:
        scaled(leaf(1.0), None, scale=2)
    assert caught.value.__notes__ == ["in scaled(xs[0] float32 (1,), xs[1] None, scale 2)"]
