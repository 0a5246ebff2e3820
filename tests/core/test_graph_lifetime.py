"""When a graph and its arrays go: freed by the pass that used them, and by reference counting alone."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.edges import Node
from tinygrad_cnn.errors import GraphFreedError


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def slope(y: Any, x: Any, **options: Any) -> Any:
    (gradient,) = tg.grad(y, x, **options)
    return gradient


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing but reference counting frees memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def nodes() -> int:
    """How many recorded calls are alive."""
    return sum(type(thing) is Node for thing in gc.get_objects())


@pytest.mark.parametrize(
    "make",
    [lambda x: x * x, lambda x: x + 1, lambda x: tg.cat([x, x]).sum(), lambda x: x.exp() + x],
    ids=["keeps inputs", "keeps nothing", "variadic", "several nodes"],
)
def test_a_second_pass_through_a_freed_graph_is_refused(make: Callable[[Any], Any]) -> None:
    x = leaf(2.0)
    y = make(x)
    y.backward()
    before = x.grad.item()
    with pytest.raises(GraphFreedError, match="an earlier backward pass freed this graph; pass retain_graph=True"):
        y.backward()
    assert x.grad.item() == before


def test_a_graph_freed_in_part_is_refused_too() -> None:
    x = leaf(2.0)
    shared = x * x
    (shared + 1).backward()
    with pytest.raises(GraphFreedError, match=r"^mul: "):
        (shared + 2).backward()


def test_retain_graph_keeps_it() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    assert slope(y, x, retain_graph=True).item() == 4.0
    y.backward()
    assert x.grad.item() == 12.0
    with pytest.raises(GraphFreedError):
        y.backward()


def test_grad_frees_only_what_it_used() -> None:
    x, w = leaf(2.0), leaf(3.0)
    a, b = x * x, w * w
    y = a + b
    assert slope(y, a).item() == 1.0  # stops at a
    (a * 1.0).backward()
    (b * 1.0).backward()
    assert (x.grad.item(), w.grad.item()) == (4.0, 6.0)


def test_graphs_are_freed_by_reference_counting_alone(no_collector: None) -> None:
    x, before = leaf(1.0, 2.0), nodes()
    watched: list[Any] = []

    def forward() -> Any:
        hidden = x.exp()
        y = (hidden * hidden).sum()
        watched.extend([weakref.ref(hidden), weakref.ref(hidden.data), weakref.ref(y), weakref.ref(y.data)])
        return y

    y = forward()
    assert watched[0]() is None  # the graph holds no Tensors
    assert watched[1]() is not None  # but the array that the rules asked for
    del y
    assert [ref() for ref in watched] == [None] * 4

    watched.clear()
    y = forward()
    y.backward()
    assert watched[1]() is None  # freed by the pass, although y lives on
    del y
    assert [ref() for ref in watched] == [None] * 4
    assert nodes() == before


def test_what_no_rule_asks_for_is_not_kept(no_collector: None) -> None:
    x = leaf(1.0, 2.0)
    hidden = x * 3  # neither addition nor relu reads it
    array = weakref.ref(hidden.data)
    y = (hidden + 1).relu()
    del hidden
    assert array() is None
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_recorded_derivatives_are_freed_by_reference_counting_too(no_collector: None) -> None:
    x, before = leaf(1.0, 2.0), nodes()
    gradient = slope((x.exp() * x).sum(), x, create_graph=True)
    curvature = slope((gradient * gradient).sum(), x, create_graph=True)
    arrays = [weakref.ref(gradient.data), weakref.ref(curvature.data)]
    del gradient, curvature
    assert [array() for array in arrays] == [None, None]
    assert nodes() == before


def test_fused_definitions_are_freed_by_reference_counting_too(no_collector: None) -> None:
    x, before = leaf(1.0, 2.0), nodes()
    loss = tg.cross_entropy(x.reshape(1, 2), [0])
    gradient = slope(loss, x, create_graph=True)
    assert slope(gradient.sum(), x) is not None
    del gradient, loss
    assert nodes() == before


def test_passes_over_one_graph_do_not_pile_up(no_collector: None) -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    before = nodes()
    dead = [weakref.ref(slope(y, x, retain_graph=True, create_graph=True).data) for _ in range(5)]
    assert [array() for array in dead] == [None] * 5
    assert nodes() == before
