"""Operations of one's own: how they are called, what their rules may ask for, and which rules run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.registry import OPS
from tinygrad_cnn.errors import ArgumentTypeError, GradientError
from tinygrad_cnn.testing import check_op


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def slope(y: Any, x: Any, **options: Any) -> Any:
    (gradient,) = tg.grad(y, x, **options)
    return gradient


def product() -> tg.Primitive:
    """A primitive of two inputs, still without rules."""

    @tg.primitive
    def product(a: Any, b: Any) -> Any:
        return a * b

    return product


# ---- calls


def test_arrays_in_give_arrays_and_one_tensor_makes_a_tensor() -> None:
    f = product().defvjp(a=lambda g, b: g * b)
    array = np.ones(2, np.float32)
    assert type(f(array, array)) is np.ndarray
    assert type(f(array, tg.tensor([1.0, 2.0]))) is tg.Tensor
    assert f(2.0, 3.0) == 6.0


def test_arguments_by_position_by_name_and_by_default() -> None:
    @tg.primitive
    def leaky(x: Any, slope: float = 0.1, *, shift: float = 0.0) -> Any:
        return np.where(x > 0, x, slope * x) + shift

    leaky.defvjp(x=lambda g, x, slope: g * np.where(x > 0, 1, slope).astype(g.dtype))
    for y, expected in [
        (leaky(leaf(-1.0, 2.0)), [-0.1, 2.0]),
        (leaky(leaf(-1.0, 2.0), 0.5), [-0.5, 2.0]),
        (leaky(leaf(-1.0, 2.0), slope=0.5), [-0.5, 2.0]),
        (leaky(x=leaf(-1.0, 2.0), shift=1.0), [0.9, 3.0]),
    ]:
        np.testing.assert_allclose(y.data, expected, rtol=1e-6)
    x = leaf(-1.0, 2.0)
    leaky(x, slope=0.5).sum().backward()
    assert x.grad.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f, x: f(x), "product: b is missing"),
        (lambda f, x: f(x, x, x), "product: takes 2 arguments, got 3"),
        (lambda f, x: f(x, x, a=x), "product: a is given twice"),
        (lambda f, x: f(x, c=x), "product: no parameter c; it takes a, b"),
    ],
    ids=["missing", "too many", "twice", "unknown"],
)
def test_wrong_calls_are_refused(call: Callable[[tg.Primitive, tg.Tensor], Any], message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        call(product(), leaf(1.0))


def test_a_function_that_raises_says_with_what() -> None:
    @tg.primitive
    def fussy(x: Any, mode: str) -> Any:
        raise KeyError(mode)

    with pytest.raises(KeyError) as caught:
        fussy(leaf(1.0, 2.0), "loud")
    assert caught.value.__notes__ == ["in fussy(x float32 (2,), mode 'loud')"]


def test_it_looks_like_its_function() -> None:
    def halve(x: Any) -> Any:
        """x / 2."""
        return x / 2

    f = tg.primitive(halve)
    assert (f.__name__, f.__doc__, f.__wrapped__) == ("halve", "x / 2.", halve)
    assert repr(f) == "<primitive halve(x)>"


def test_a_users_primitive_never_replaces_an_operator() -> None:
    before = dict(OPS)

    @tg.primitive
    def mul(a: Any, b: Any) -> Any:
        return a - b

    mul.defvjp(a=lambda g: g)
    assert before == OPS
    assert (leaf(3.0) * 2.0).item() == 6.0


# ---- what rules may ask for


def test_rules_get_what_they_name() -> None:
    asked: dict[str, Any] = {}

    @tg.primitive(saves=("sign",))
    def scaled(x: Any, factor: Any = 2.0) -> Any:
        return x * factor, np.sign(x).astype(np.int8)

    def rule(cotangent: Any, y: Any, sign: Any, x_shape: Any, x: Any, factor: Any, needs: Any) -> Any:
        asked.update(y=y, sign=sign, x_shape=x_shape, x=x, factor=factor, needs=needs)
        return cotangent * factor

    scaled.defvjp(x=rule)
    x = leaf(-1.0, 2.0)
    scaled(x, factor=3.0).sum().backward()
    assert asked["y"].tolist() == [-3.0, 6.0]
    assert asked["sign"].tolist() == [-1, 1]
    assert (asked["x_shape"], asked["x"].tolist(), asked["factor"]) == ((2,), [-1.0, 2.0], 3.0)
    assert asked["needs"] == (True,)


def test_rules_may_be_replaced() -> None:
    f = product().defvjp(a=lambda g, b: g * b, b=lambda g, a: g * a)
    x = leaf(2.0)
    f(x, 3.0).backward()
    f.defvjp(a=lambda g, b: g * b * 10)
    f(x, 3.0).backward()
    assert x.grad.item() == 3.0 + 30.0


def test_rules_over_primitives_differentiate_to_any_order() -> None:
    @tg.primitive
    def cube(x: Any) -> Any:
        return x**3

    cube.defvjp(x=lambda g, x: g * 3 * x**2)
    check_op(cube, np.array([-1.0, 0.5, 2.0]))
    x = leaf(2.0)
    derivatives = []
    y = cube(x)
    for _ in range(4):
        y = slope(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [12.0, 12.0, 6.0, 0.0]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"a": lambda g, z: g}, "its rule asks for z, which is none of a, b, y, needs, a_shape, b_shape"),
        ({"a": lambda g, c_shape: g}, "its rule asks for c_shape"),
        ({"c": lambda g: g}, r"a rule for c, which is none of \['a', 'b'\]"),
    ],
    ids=["unknown", "shape of unknown", "for unknown"],
)
def test_rules_that_ask_for_the_unknown_are_refused_at_once(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        product().defvjp(**rules)


def test_joint_rules_are_refused_where_they_do_not_fit() -> None:
    with pytest.raises(
        ArgumentTypeError, match="give a rule for each input by its name, or one joint rule and the inputs"
    ):
        product().defvjp(lambda g: (g, g), inputs=("a", "b"), a=lambda g: g)
    with pytest.raises(ArgumentTypeError, match="a rule for z"):
        product().defvjp(lambda g: (g,), inputs=("z",))
    with pytest.raises(ArgumentTypeError, match="asks for z"):
        product().defvjp(lambda g, z: (g, g), inputs=("a", "b"))


def test_names_that_mean_something_else_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"'y' means something else to rules.*rename it"):
        tg.primitive(lambda x, y: x)
    with pytest.raises(ArgumentTypeError, match="'needs' means"):
        tg.primitive(lambda x, needs: x)
    for residual in ("y", "x"):
        with pytest.raises(ArgumentTypeError, match=f"'{residual}' means something else"):
            tg.primitive(saves=(residual,))(lambda x: (x, x))


@pytest.mark.parametrize(
    "returned", [lambda x: x, lambda x: (x,), lambda x: (x, x, x), lambda x: None], ids=["y", "one", "three", "none"]
)
def test_residuals_must_come_as_announced(returned: Callable[[Any], Any]) -> None:
    @tg.primitive(saves=("mask",))
    def forgetful(x: Any) -> Any:
        return returned(x)

    for x in (leaf(1.0, 2.0), np.ones(2)):
        with pytest.raises(ArgumentTypeError, match=r"forgetful: its function must return \(y, mask\)"):
            forgetful(x)


# ---- only what is needed runs


def counting(calls: list[str]) -> tg.Primitive:
    def rule_a(g: Any, b: Any) -> Any:
        calls.append("a")
        return g * b

    def rule_b(g: Any, a: Any) -> Any:
        calls.append("b")
        return g * a

    return product().defvjp(a=rule_a, b=rule_b)


def test_rules_of_constants_do_not_run() -> None:
    calls: list[str] = []
    f = counting(calls)
    f(leaf(2.0), 3.0).backward()
    f(np.ones(1, np.float32), leaf(2.0)).backward()
    f(leaf(2.0).detach(), leaf(2.0)).backward()
    assert calls == ["a", "b", "b"]


def test_grad_runs_only_the_rules_on_the_way() -> None:
    calls: list[str] = []
    f = counting(calls)
    x, w = leaf(2.0), leaf(3.0)
    tg.grad(f(f(x, w), 1.0), x)
    assert calls == ["a", "a"]
    calls.clear()
    tg.grad(f(x, w), (w, x))
    assert sorted(calls) == ["a", "b"]
    calls.clear()
    tg.grad(f(x, 1.0) + f(w, 1.0), w)  # the branch of x does not lead to w
    assert calls == ["a"]


def test_a_joint_rule_learns_what_is_needed() -> None:
    asked: list[tuple[bool, ...]] = []

    def rule(g: Any, a: Any, b: Any, needs: tuple[bool, ...]) -> Any:
        asked.append(needs)
        return g * b if needs[0] else None, g * a if needs[1] else None

    f = product().defvjp(rule, inputs=("a", "b"))
    a, b = leaf(2.0), leaf(3.0)
    f(a, b).backward()
    assert (a.grad.item(), b.grad.item()) == (3.0, 2.0)
    f(a, 3.0).backward()
    f(2.0, b).backward()
    assert slope(f(a, b), b).item() == 2.0
    assert asked == [(True, True), (True, False), (False, True), (False, True)]
    gradient = slope(f(a, b), a, create_graph=True)
    assert slope(gradient, b).item() == 1.0
    check_op(f, np.array([1.5, -2.0]), np.array([0.5, 3.0]))


# ---- inputs without a rule


def test_a_gradient_to_an_input_without_a_rule_is_refused_in_the_forward_pass() -> None:
    f = product().defvjp(a=lambda g, b: g * b)
    with pytest.raises(GradientError, match=r"product: no rule for b, which requires a gradient; .*pass b.detach\(\)"):
        f(leaf(1.0), leaf(2.0))
    assert not f(tg.tensor([1.0]), leaf(2.0).detach()).requires_grad
    with tg.no_grad():
        assert f(leaf(1.0), leaf(2.0)).item() == 2.0


def test_a_primitive_without_rules_gives_constants() -> None:
    @tg.primitive
    def floor(x: Any) -> Any:
        return np.floor(x)

    @tg.primitive(elementwise=True)
    def half(x: Any) -> Any:
        return np.floor(x / 2)

    assert not floor(leaf(1.5)).requires_grad
    assert half(tg.tensor([3])).tolist() == [1.0]
