"""`backward` and `grad`: what arrives where, what is freed, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import (
    ArgumentTypeError,
    DTypeError,
    GradientError,
    GraphFreedError,
    ShapeError,
    TinygradCnnError,
)


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def slope(y: Any, x: Any, **options: Any) -> Any:
    (gradient,) = tg.grad(y, x, **options)
    return gradient


# ---- backward


def test_contributions_of_all_paths_add_up() -> None:
    x, w = leaf(2.0), leaf(3.0)
    y = x * w
    (y * x + y + x).backward()  # x^2 w + x w + x
    assert (x.grad.item(), w.grad.item()) == (2 * 2 * 3 + 3 + 1, 4 + 2)


def test_gradients_add_up_over_passes_until_cleared() -> None:
    x = leaf(2.0)
    (x * 3).backward()
    first = x.grad
    (x * 4).backward()
    assert (x.grad.item(), first.item()) == (7.0, 3.0)  # the Tensor that was read earlier is not changed
    x.grad = None
    (x * 4).backward()
    assert x.grad.item() == 4.0


def test_the_same_input_twice_gets_both_contributions() -> None:
    x = leaf(3.0)
    (x * x).backward()
    assert x.grad.item() == 6.0
    y = leaf(3.0)
    (y - y).backward()
    assert y.grad.item() == 0.0


def test_backward_of_a_leaf_is_its_cotangent() -> None:
    x = leaf(3.0)
    x.backward()
    assert x.grad.item() == 1.0


def test_a_cotangent_may_be_an_array_a_list_or_a_tensor() -> None:
    for cotangent in ([1.0, 10.0], np.array([1, 10]), tg.tensor([1.0, 10.0])):
        x = leaf(2.0, 3.0)
        (x * x).backward(cotangent)
        assert x.grad.tolist() == [4.0, 60.0]
        assert x.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: (x * 2).backward(), ShapeError, r"backward: expects a scalar, got shape \(2,\); reduce it"),
        (lambda x: (x * 2).backward([1.0]), ShapeError, r"expects a cotangent of float32 \(2,\), got float32 \(1,\)"),
        (lambda x: (x * 2).backward(tg.tensor(np.ones(2))), DTypeError, "expects a cotangent of float32.*got float64"),
        (lambda x: x.detach().sum().backward(), GradientError, "backward: nothing was recorded"),
        (lambda x: (x > 0).any().backward(), GradientError, "backward: nothing was recorded"),
        (lambda x: tg.grad(x * 2, x), ShapeError, "grad: expects a scalar"),
        (lambda x: tg.grad(x.sum(), x.detach()), GradientError, r"grad: inputs\[0\] requires no gradient"),
        (lambda x: tg.grad(x.detach().sum(), x), GradientError, "grad: nothing was recorded"),
        (lambda x: tg.grad([x.sum(), x[0]], x, [None]), ArgumentTypeError, "grad: 2 outputs, 1 grad_outputs"),
        (lambda x: tg.grad(x.sum(), [x, leaf(1.0)]), GradientError, r"no output depends on inputs\[1\]; pass allow_un"),
    ],
    ids=[
        "no scalar",
        "wrong shape",
        "wrong dtype",
        "constant",
        "piecewise constant",
        "grad: no scalar",
        "grad: constant input",
        "grad: constant output",
        "grad: count",
        "grad: unused",
    ],
)
def test_what_has_no_gradient_is_refused(
    call: Callable[[Any], Any], error: type[TinygradCnnError], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(leaf(1.0, 2.0))


def test_backward_works_inside_no_grad() -> None:
    x = leaf(2.0)
    y = x * x
    with tg.no_grad():
        y.backward()
    assert x.grad.item() == 4.0
    assert not x.grad.requires_grad


# ---- no gradient shares memory with anything


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a + b,
        lambda a, b: a.reshape(1, 2) + b.reshape(1, 2),
        lambda a, b: tg.cat([a, b]),
        lambda a, b: tg.stack([a, b], dim=1),
    ],
    ids=["add", "reshape", "cat", "stack"],
)
def test_gradients_are_nobody_elses(combine: Callable[[Any, Any], Any], create_graph: bool) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = combine(a, b)
    seed = tg.tensor(np.ones(y.shape, np.float32))
    y.backward(seed, create_graph=create_graph)
    if not create_graph:
        assert not any(np.shares_memory(a.grad.data, other.data) for other in (b.grad, seed, a, b, y))
    a.grad[0] = 100.0
    assert (a.grad.tolist(), b.grad.tolist(), seed.data.max()) == ([100.0, 1.0], [1.0, 1.0], 1.0)


def test_gradients_of_one_array_do_not_share_memory() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    seed = np.ones(2, np.float32)
    for create_graph in (False, True):
        gradients: Any = tg.grad(a + b, (a, b, a), seed, create_graph=create_graph)
        arrays = [seed, *(g.data for g in gradients)]
        assert not any(np.shares_memory(p, q) for i, p in enumerate(arrays) for q in arrays[:i])


def test_a_gradient_may_be_scaled_in_place() -> None:
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    x.grad.data *= 0.5
    assert x.grad.tolist() == [1.5, 1.5]
    (x * 3).sum().backward()
    x.grad.data *= 2.0
    assert x.grad.tolist() == [9.0, 9.0]


# ---- grad


def test_inputs_may_lie_anywhere_in_the_graph() -> None:
    x = leaf(2.0)
    middle = x * x
    late = middle * 3
    y = late + middle * x
    gradients: Any = tg.grad(y, [x, middle, late, y])
    # each with what comes after it: dy/dlate = 1, dy/dmiddle = 3 + x, dy/dx = x^2 + (3 + x) 2x
    assert [g.item() for g in gradients] == [4 + 5 * 4, 5.0, 1.0, 1.0]
    assert x.grad is None


def test_an_input_may_be_an_ancestor_of_another() -> None:
    x = leaf(3.0)
    a = x * 2
    b = a * a
    gradients: Any = tg.grad(b * 5, (a, b, x))
    assert [g.item() for g in gradients] == [60.0, 5.0, 120.0]


def test_an_input_may_be_asked_for_twice() -> None:
    x = leaf(3.0)
    gradients: Any = tg.grad(x * x, (x, x))
    assert [g.item() for g in gradients] == [6.0, 6.0]


def test_several_outputs_add_up() -> None:
    x = leaf(2.0, 3.0)
    a = x * x
    gradients: Any = tg.grad([a, a.sum(), a], [x], [np.ones(2, np.float32), None, tg.tensor([10.0, 0.0])])
    assert gradients[0].tolist() == [12 * 4.0, 2 * 6.0]
    x = leaf(2.0, 3.0)
    assert slope([x.sum(), x[0]], x).tolist() == [2.0, 1.0]


def test_an_output_may_be_the_input_of_another() -> None:
    x = leaf(2.0)
    a = x * x
    assert slope([a, a * 3], x).item() == 16.0


def test_unused_inputs_give_none_where_allowed() -> None:
    x, unused = leaf(2.0), leaf(1.0)
    other = unused * 2
    gradients: Any = tg.grad(x * x, (x, unused, other), allow_unused=True)
    assert (gradients[0].item(), *gradients[1:]) == (4.0, None, None)
    assert tg.grad([], []) == ()


def test_grad_changes_no_leaf() -> None:
    x, w = leaf(2.0), leaf(3.0)
    tg.grad(x * w, x)
    assert (x.grad, w.grad) == (None, None)


# ---- derivatives of higher order


def test_third_order() -> None:
    x = leaf(0.5, 2.0)
    y = (x.exp() * x**3).sum()  # derivatives: e^x (x^3 + 3x^2), ...
    first = slope(y, x, create_graph=True)
    second = slope(first.sum(), x, create_graph=True)
    third = slope(second.sum(), x)
    v = x.data.astype(np.float64)
    np.testing.assert_allclose(first.data, np.exp(v) * (v**3 + 3 * v**2), rtol=1e-5)
    np.testing.assert_allclose(second.data, np.exp(v) * (v**3 + 6 * v**2 + 6 * v), rtol=1e-5)
    np.testing.assert_allclose(third.data, np.exp(v) * (v**3 + 9 * v**2 + 18 * v + 6), rtol=1e-5)
    assert (second.requires_grad, third.requires_grad) == (True, False)


def test_mixed_second_derivatives() -> None:
    x, w = leaf(2.0), leaf(3.0)
    gx, gw = tg.grad(x * x * w * w, (x, w), create_graph=True)
    assert slope(gx, w, retain_graph=True).item() == slope(gw, x).item() == 4 * 2 * 3


def test_a_gradient_penalty_reaches_the_leaves() -> None:
    x, w = leaf(2.0), leaf(3.0)
    gradient = slope(w * x * x, x, create_graph=True)  # 2 w x
    ((gradient**2).sum() + w * x).backward()  # 4 w^2 x^2 + w x
    assert (x.grad.item(), w.grad.item()) == (8 * 9 * 2 + 3, 8 * 3 * 4 + 2)


def test_backward_with_create_graph_leaves_differentiable_gradients() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    gradient, x.grad = x.grad, None
    gradient.backward()
    assert (gradient.item(), x.grad.item()) == (12.0, 12.0)


def test_the_cotangent_is_differentiated_too() -> None:
    x, v = leaf(2.0, 3.0), leaf(1.0, 1.0)
    pulled = slope(x * x, x, grad_outputs=v, create_graph=True)
    assert slope(pulled, v, grad_outputs=tg.tensor([1.0, 10.0])).tolist() == [4.0, 60.0]  # forward mode: J v


def test_an_unrecorded_pass_gives_constants() -> None:
    x = leaf(2.0)
    assert not slope(x * x, x).requires_grad
    (x * x).backward()
    assert not x.grad.requires_grad


def test_create_graph_keeps_the_graph_unless_told_otherwise() -> None:
    x = leaf(2.0)
    y = x * x
    slope(y, x, create_graph=True)
    slope(y, x, create_graph=True, retain_graph=False)
    with pytest.raises(GraphFreedError):
        slope(y, x)
