"""Arrays edited between forward and backward: an error where a rule kept them, nothing where none did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import EditedInPlaceError, GradientError

MESSAGE = "an array that its rule needs was edited after the forward pass; run the forward pass again, or edit a copy"


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def slope(y: Any, x: Any, **options: Any) -> Any:
    (gradient,) = tg.grad(y, x, **options)
    return gradient


# ---- edits of what a rule kept


def assign(x: Any) -> None:
    x.data = x.data * 2


def subtract(x: Any) -> None:
    x.data -= 0.5


def fill(x: Any) -> None:
    with tg.no_grad():
        x[:] = 0.5


def through_detach(x: Any) -> None:
    x.detach().data -= 0.5


def through_detach_twice(x: Any) -> None:
    x.detach().detach().data += 1.0


def through_another_tensor(x: Any) -> None:
    tg.Tensor(x).data -= 0.5


EDITS = [assign, subtract, fill, through_detach, through_detach_twice, through_another_tensor]

KEEPERS: dict[str, Callable[[Any], Any]] = {
    "mul": lambda x: x * x.detach(),
    "square": lambda x: x * x,
    "pow": lambda x: x**3,
    "log": lambda x: x.log(),
    "div": lambda x: 1.0 / x * x,
    "matmul": lambda x: x @ x,
    "linear": lambda x: tg.linear(x, x.detach().reshape(1, 2)),
    "view": lambda x: x.reshape(2, 1) * x.reshape(1, 2),
    "view of a view": lambda x: x.reshape(2, 1).T[0:1].exp() * x.reshape(1, 2).T.reshape(2),
    "cross_entropy": lambda x: tg.cross_entropy(leaf(1.0, 2.0).reshape(1, 2), x.reshape(1, 2)),
    "maximum": lambda x: tg.maximum(x, 1.5),
    "amax": lambda x: x.max(),
    "cat": lambda x: tg.cat([x, x * 2]) * tg.cat([x, x]),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("name", KEEPERS)
def test_an_edit_of_what_a_rule_kept_is_an_error(name: str, edit: Callable[[Any], None]) -> None:
    x = leaf(1.0, 2.0)
    y = KEEPERS[name](x).sum()
    edit(x)
    with pytest.raises(EditedInPlaceError, match=MESSAGE):
        y.backward()
    KEEPERS[name](x).sum().backward()  # a new forward pass works with the new values


def test_the_error_names_the_operation() -> None:
    x = leaf(2.0)
    y = (x.log() + 1) * 2
    x.data += 1
    with pytest.raises(EditedInPlaceError, match=r"^log: "):
        y.backward()


def test_an_optimisers_step_between_forward_and_backward_is_an_error() -> None:
    w, x = leaf(1.0, 2.0), tg.tensor([3.0, 4.0])
    loss = ((w * x).sum() - 1.0) ** 2
    loss.backward(retain_graph=True)
    w.data -= 0.1 * w.grad.data
    second = (w * w).sum()
    loss.backward()  # kept x and (w x), which nobody edited
    w.data -= 0.1 * w.grad.data
    with pytest.raises(EditedInPlaceError):
        second.backward()


@pytest.mark.parametrize("edit", EDITS)
def test_a_second_derivative_notices_too(edit: Callable[[Any], None]) -> None:
    x = leaf(1.0, 2.0)
    gradient = slope((x * x * x).sum(), x, create_graph=True)
    edit(x)
    with pytest.raises(EditedInPlaceError):
        gradient.sum().backward()


def test_a_rule_that_kept_a_view_notices_an_edit_of_its_base() -> None:
    @tg.primitive(views=True)
    def tail(x: Any) -> Any:
        return x[1:]

    tail.defvjp(x=lambda g, y: np.concatenate([g[:1] * 0, g * y]))  # not a derivative, but it reads y
    x = leaf(1.0, 2.0, 3.0)
    y = tail(x).sum()
    x.data -= 1.0
    with pytest.raises(EditedInPlaceError, match=r"^tail: "):
        y.backward()


def test_labels_and_indices_are_safe() -> None:
    labels = tg.tensor([0, 1])
    x = leaf(1.0, 2.0, 3.0)
    loss = tg.cross_entropy(x.reshape(1, 3), labels[:1])
    loss.backward()
    loss = tg.cross_entropy(tg.stack([x, x]), labels)
    labels.data += 1
    with pytest.raises(EditedInPlaceError, match=r"^cross_entropy: "):
        loss.backward()

    x, index = leaf(1.0, 2.0, 3.0), tg.tensor([0, 1])
    y = x[index] + x.reshape(1, 3)[0, index] + tg.take_along_dim(x, index, 0) + x.gather(0, index)
    index.data += 1
    y.sum().backward()
    assert x.grad.tolist() == [4.0, 4.0, 0.0]

    mask = tg.tensor([True, False])
    z = tg.where(mask, leaf(1.0, 2.0), 0.0)
    mask.data = ~mask.data
    with pytest.raises(EditedInPlaceError, match=r"^where: "):
        z.sum().backward()


# ---- edits that do not matter


@pytest.mark.parametrize(
    "forget",
    [
        lambda x: x + 1.0,
        lambda x: x * 3.0,
        lambda x: x.relu(),
        lambda x: x.exp(),
        lambda x: x.sum(),
        lambda x: x.reshape(2, 1).T,
        lambda x: x[0:1],
        lambda x: x.softmax(0),
        lambda x: tg.pad(x, (1, 1)),
        lambda x: x @ tg.tensor([1.0, 2.0]),
        lambda x: (x * 1.0) ** 2,
    ],
    ids=["add", "scale", "relu", "exp", "sum", "views", "slice", "softmax", "pad", "matmul", "of a result"],
)
def test_an_edit_of_what_no_rule_kept_is_none_of_our_business(forget: Callable[[Any], Any]) -> None:
    x, twin = leaf(1.0, 2.0), leaf(1.0, 2.0)
    y = forget(x).sum()
    x.data -= 0.5
    y.backward()
    forget(twin).sum().backward()
    np.testing.assert_array_equal(x.grad.data, twin.grad.data)


def test_edits_before_the_forward_pass_do_not_matter() -> None:
    x = leaf(1.0, 2.0)
    for _ in range(3):
        x.data -= 0.5
        x.grad = None
        y = (x * x).sum()
        y.backward()
        assert x.grad.tolist() == (2 * x.data).tolist()


def test_an_edit_of_a_copy_does_not_matter() -> None:
    x = leaf(2.0)
    y = x * x
    copied = tg.tensor(x)
    copied.data += 100.0
    y.backward()
    assert x.grad.item() == 4.0


def test_an_edit_of_another_tensor_does_not_matter() -> None:
    x, w = leaf(2.0), leaf(3.0)
    y = x * x + w
    w.data += 1
    y.backward()
    assert (x.grad.item(), w.grad.item()) == (4.0, 1.0)


def test_results_are_not_editable() -> None:
    y = leaf(1.0) * 2
    for tensor in (y, y.detach(), y.reshape(1, 1), tg.tensor([1.0]) * 2):
        with pytest.raises(GradientError, match=r"data: assignable on leaves only.*edit a copy: tensor\(x\)"):
            tensor.data = np.zeros(tensor.shape)
