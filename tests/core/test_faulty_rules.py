"""Rules that return what does not fit, or raise: the error names the operation and the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import DTypeError, GradientError, TinygradCnnError


def backward_with(rules: dict[str, Any], joint: Callable[..., Any] | None = None, **options: Any) -> None:
    @tg.primitive(**options)
    def scaled(a: Any, b: Any) -> Any:
        return a * b

    scaled.defvjp(joint, inputs=("a", "b")) if joint else scaled.defvjp(**rules)
    a = tg.tensor(np.ones((3, 2), np.float32), requires_grad=True)
    b = tg.tensor(np.ones((3, 2), np.float32), requires_grad=True)
    scaled(a, b).sum().backward()


BAD_RULES: dict[str, tuple[Callable[[Any], Any], type[TinygradCnnError], str]] = {
    "shape": (lambda g: g[:1], GradientError, r"rule for b returned shape \(1, 2\), b has shape \(3, 2\)"),
    "transposed": (lambda g: g.T, GradientError, r"rule for b returned shape \(2, 3\), b has shape \(3, 2\)"),
    "summed": (lambda g: g.sum(), GradientError, r"rule for b returned shape \(\), b has shape \(3, 2\)"),
    "stacked": (lambda g: np.stack([g, g]), GradientError, r"rule for b returned shape \(2, 3, 2\)"),
    "integers": (lambda g: g.astype(int), DTypeError, "rule for b returned int64, b is float32"),
    "float": (lambda g: 1.0, GradientError, r"rule for b returned a float, no array"),
    "list": (lambda g: [1.0, 2.0], GradientError, "rule for b returned a list, no array"),
    "tuple": (lambda g: (g, g), GradientError, "rule for b returned a tuple"),
}


@pytest.mark.parametrize("elementwise", [False, True])
@pytest.mark.parametrize("fault", BAD_RULES)
def test_an_ill_fitting_cotangent_names_operation_and_argument(fault: str, elementwise: bool) -> None:
    rule, error, message = BAD_RULES[fault]
    with pytest.raises(error, match=f"scaled: its {message}") as caught:
        backward_with({"a": lambda g, b: g * b, "b": rule}, elementwise=elementwise)
    assert caught.value.__notes__ == ["in the backward rule of scaled, for an output of shape (3, 2)"]


def test_a_promoted_cotangent_is_refused() -> None:
    with pytest.raises(DTypeError, match="rule for a returned float64, a is float32; keep constants as Python scalars"):
        backward_with({"a": lambda g: g * np.ones((3, 2)), "b": lambda g: g})


def test_an_elementwise_cotangent_is_brought_back_to_its_input() -> None:
    @tg.primitive(elementwise=True)
    def plus(a: Any, b: Any) -> Any:
        return a + b

    plus.defvjp(a=lambda g: g, b=lambda g: g)
    a: Any = tg.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    b: Any = tg.tensor(np.ones((4, 1, 3), np.float64), requires_grad=True)
    plus(a, b).sum().backward()
    assert (a.grad.tolist(), a.grad.dtype) == ([[4.0] * 3] * 2, np.float32)
    assert (b.grad.tolist(), b.grad.dtype) == ([[[2.0] * 3]] * 4, np.float64)


@pytest.mark.parametrize(
    ("joint", "message"),
    [
        (lambda g: (g,), "its joint rule returned 1 cotangents, expected 2"),
        (lambda g: (g, g, g), "its joint rule returned 3 cotangents, expected 2"),
        (lambda g: g, "its joint rule returned a ndarray, expected a tuple of 2 cotangents"),
        (lambda g: None, "its joint rule returned a NoneType"),
        (lambda g: (g, 1.0), "its rule for b returned a float"),
    ],
    ids=["one", "three", "array", "nothing", "float"],
)
def test_a_joint_rule_returns_one_cotangent_per_input(joint: Callable[..., Any], message: str) -> None:
    with pytest.raises(GradientError, match=f"scaled: {message}"):
        backward_with({}, joint)


def test_a_rule_that_raises_says_where() -> None:
    def broken(g: Any) -> Any:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError, match="oh") as caught:
        backward_with({"a": broken, "b": broken})
    assert caught.value.__notes__ == ["in the backward rule of scaled, for an output of shape (3, 2)"]


def test_an_observed_rule_that_raises_says_which_line_called_it() -> None:
    def broken(g: Any) -> Any:
        raise ZeroDivisionError

    @tg.primitive
    def doubled(x: Any) -> Any:
        return x * 2

    doubled.defvjp(x=broken)
    with pytest.raises(ZeroDivisionError) as caught, tg.observe(lambda event: None):
        doubled(tg.tensor([1.0], requires_grad=True)).backward()
    assert __file__ in caught.value.__notes__[0]
    assert "test_an_observed_rule_that_raises" in caught.value.__notes__[0]
