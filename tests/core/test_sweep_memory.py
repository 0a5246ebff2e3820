"""What a backward pass writes to, and how long it holds what it goes through."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import memory


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Nothing but reference counting frees memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def probe(rule: Callable[[Any], Any]) -> Any:
    """The identity, with that rule."""

    @tg.primitive
    def identity(x: Any) -> Any:
        return np.array(x)

    return identity.defvjp(x=rule)


# ---- sums of contributions


def test_contributions_are_added_up_in_the_first_one() -> None:
    addresses: list[int] = []

    def made(g: Any) -> Any:
        result = g + 1.0
        addresses.append(result.ctypes.data)
        return result

    x, identity = leaf(1.0, 2.0), probe(made)
    (identity(x) * 1.0 + identity(x) * 2.0 + identity(x) * 3.0).sum().backward()
    assert x.grad.tolist() == [9.0, 9.0]
    assert x.grad.data.ctypes.data == addresses[0]


KEPT = np.full(2, 5.0, np.float32)
STACKED = np.full((3, 2), 5.0, np.float32)

ALIASES: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
    "a constant of the rule's own": (lambda g: KEPT, lambda: KEPT),
    "a view of it": (lambda g: KEPT[:], lambda: KEPT),
    "a row of a larger array": (lambda g: STACKED[1], lambda: STACKED),
    "a view from the end": (lambda g: KEPT[::-1], lambda: KEPT),
    "memory seen as another type": (lambda g: KEPT.view(np.int32).view(np.float32), lambda: KEPT),
    "one number spread": (lambda g: np.broadcast_to(KEPT[0], (2,)), lambda: KEPT),
}


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize(("rule", "held"), ALIASES.values(), ids=ALIASES)
def test_what_a_rule_returns_and_somebody_holds_is_never_changed(
    rule: Callable[[Any], Any], held: Callable[[], Any], times: int
) -> None:
    x, identity = leaf(1.0, 2.0), probe(rule)
    total = sum((identity(x) for _ in range(times)), start=x * 1.0)
    total.sum().backward()
    assert x.grad.tolist() == [5.0 * times + 1] * 2
    x.grad.data[...] = -1.0
    (identity(x) * 1.0).sum().backward()  # into a gradient that is there already
    assert x.grad.tolist() == [4.0, 4.0]
    assert (held() == 5.0).all()
    gradient: Any = tg.grad(identity(x).sum(), x)[0]
    gradient.data[...] = -1.0
    assert (held() == 5.0).all()


@pytest.mark.parametrize("kind", [np.ndarray, tg.Tensor])
def test_the_users_cotangent_is_never_changed(kind: type[Any]) -> None:
    x = leaf(1.0, 2.0)
    values = np.ones(2, np.float32)
    seed = tg.Tensor(values) if kind is tg.Tensor else values
    y = x + x
    (y + x).backward(seed, retain_graph=True)  # x gets the cotangent itself, three times
    assert x.grad.tolist() == [3.0, 3.0]
    tg.grad([x, y, y], x, [seed, seed, seed])
    x.backward(seed)
    x.grad.data[...] = 7.0
    assert values.tolist() == [1.0, 1.0]


def test_what_an_observer_has_seen_is_never_changed() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Any] = []
    y = x * 2.0 + x * 3.0 + x * 4.0
    with tg.observe(seen.append):
        y.sum().backward()
    assert x.grad.tolist() == [9.0, 9.0]
    handed = [event.output[0].tolist() for event in seen if event.primitive.name == "mul"]
    assert sorted(handed) == [[2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]


def test_what_the_graph_keeps_is_never_changed() -> None:
    x = leaf(1.0, 2.0)

    @tg.primitive
    def times(x: Any, factor: Any) -> Any:
        return x * factor

    times.defvjp(x=lambda g, factor: factor)  # right for a sum of it
    factor = np.full(2, 5.0, np.float32)
    y = times(x, factor) + times(x, factor)
    for count in (1, 2):
        y.sum().backward(retain_graph=True)
        assert x.grad.tolist() == [10.0 * count] * 2
    assert factor.tolist() == [5.0, 5.0]


def test_gradients_that_were_there_are_never_changed() -> None:
    x = leaf(1.0, 2.0)
    (x * 2.0).sum().backward()
    first = x.grad
    array, view = first.data, first.data[:1]
    (x * 3.0).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]
    assert first.tolist() == array.tolist() == [2.0, 2.0]
    assert view.tolist() == [2.0]


def test_a_gradient_is_handed_over_without_a_copy() -> None:
    made: list[Any] = []

    def rule(g: Any) -> Any:
        result = g * 2.0
        made.append((result.ctypes.data, weakref.ref(result)))
        return result.reshape(1, 2).reshape(2)

    x, identity = leaf(1.0, 2.0), probe(rule)
    identity(x).sum().backward()
    assert x.grad.data.ctypes.data == made[0][0]
    assert made[0][1]() is x.grad.data.base  # not its memory alone: the array that the rule made


def test_an_array_of_the_pool_is_handed_over_and_comes_back() -> None:
    shape = (300, 300)
    addresses: list[int] = []

    def rule(g: Any) -> Any:
        result = memory.empty(g.shape, g.dtype)
        np.multiply(g, 2.0, out=result)
        addresses.append(result.ctypes.data)
        return result

    memory.empty_cache()
    x: Any = tg.tensor(np.ones(shape, np.float32), requires_grad=True)
    identity = probe(rule)
    for _ in range(3):
        identity(x).sum().backward()
        assert x.grad.data.ctypes.data == addresses[-1]
        x.grad = None
    assert len(set(addresses)) == 1


def test_one_cotangent_for_two_leaves_is_copied_for_one_of_them() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (a + b).backward(np.ones(2, np.float32))
    assert not np.shares_memory(a.grad.data, b.grad.data)
    one, two = (gradient.data for gradient in tg.grad((a * 2.0).sum(), [a, a]) if gradient is not None)
    assert not np.shares_memory(one, two)


# ---- how long arrays live


@pytest.mark.parametrize("retain", [False, True])
def test_arrays_go_as_soon_as_the_pass_is_through_with_them(retain: bool) -> None:
    alive: list[list[bool]] = []
    watched: list[Any] = []

    @tg.primitive
    def step(x: Any) -> Any:
        y = x + 1.0
        watched.append(weakref.ref(y))
        return y

    def rule(g: Any, y: Any) -> Any:
        alive.append([ref() is not None for ref in (*watched, *cotangents)])
        result = g * 2.0
        cotangents.append(weakref.ref(result))
        return result

    cotangents: list[Any] = []
    step.defvjp(x=rule)
    x = leaf(1.0, 2.0)
    y = step(step(step(x))).sum()
    y.backward(retain_graph=retain)
    kept = [retain, retain, retain]
    # In the rule of the k-th step from the end live the outputs of the steps up to it, and the last cotangent.
    assert alive == [
        [True, True, True],
        [True, True, kept[2], True],
        [True, kept[1], kept[2], False, True],
    ]
    assert [ref() is not None for ref in watched] == kept
    assert [ref() is not None for ref in cotangents] == [False, False, True]  # the gradient


def test_a_pass_towards_some_inputs_frees_as_early() -> None:
    freed: list[bool] = []
    watched: list[Any] = []

    def rule(g: Any) -> Any:
        freed.extend(ref() is None for ref in watched[:-1])
        result = g * 2.0
        watched.append(weakref.ref(result))
        return result

    x, identity = leaf(1.0, 2.0), probe(rule)
    tg.grad(identity(identity(identity(x))).sum(), x)
    assert freed == [True]
    assert [ref() is None for ref in watched] == [True, True, True]


def test_the_cotangents_of_a_joint_rule_are_let_go() -> None:
    made: list[Any] = []

    @tg.primitive
    def pair(a: Any, b: Any) -> Any:
        return a + b

    def both(g: Any) -> Any:
        results = [g * 1.0, g * 2.0]
        made.extend(map(weakref.ref, results))
        return results

    pair.defvjp(both, inputs=["a", "b"])
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    pair(a * 3.0, b * 3.0).sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([3.0, 3.0], [6.0, 6.0])
    assert made[0]() is made[1]() is None


def test_the_order_of_the_pass_holds_no_arrays() -> None:
    x = leaf(1.0, 2.0)
    y = (x.exp() * x.exp()).sum()
    y.backward()
    assert not any(isinstance(thing, np.ndarray) for thing in gc.get_referents(y._edge))
