"""Graphs of 100,000 nodes: no pass over them, and not their end, may recurse."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg

LENGTH = 100_000


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def on_a_small_stack(work: Callable[[], None]) -> None:
    """Run `work` where recursion over a long graph, in Python or in C, could not go far."""
    failures: list[BaseException] = []

    def attempt() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if failures:
        raise failures[0]


def test_a_chain_goes_forward_backward_and_out_of_scope() -> None:
    def work() -> None:
        x = leaf(1.0, 2.0, 3.0)
        y = x
        for _ in range(LENGTH // 2):
            y = (y * 1.00001).relu()
        end = weakref.ref(y.data)
        y.backward([1.0, 1.0, 1.0], retain_graph=True)
        np.testing.assert_allclose(x.grad.data, 1.00001 ** (LENGTH // 2), rtol=1e-2)
        del y
        assert end() is None

    on_a_small_stack(work)


def test_a_chain_that_is_never_pulled_through_goes_out_of_scope() -> None:
    def work() -> None:
        x = leaf(1.0)
        y = x
        for _ in range(LENGTH):
            y = y + x
        middle = weakref.ref(y.data)
        del y
        assert middle() is None

    on_a_small_stack(work)


def test_a_chain_of_variadic_operations() -> None:
    def work() -> None:
        x = leaf(1.0)
        y = x
        for _ in range(LENGTH // 10):
            y = tg.cat([y])
        y.sum().backward()
        assert x.grad.item() == 1.0

    on_a_small_stack(work)


def test_grad_towards_the_middle_of_a_chain() -> None:
    x = leaf(1.0)
    y = middle = x * 1.0
    for i in range(LENGTH // 10):
        y = y + 1.0
        middle = y if i == 100 else middle
    gradient: Any = tg.grad(y, middle)[0]
    assert gradient.item() == 1.0
    middle.backward()  # what lies before it was not touched
    assert x.grad.item() == 1.0


def test_a_recorded_chain_differentiates_again_and_goes_out_of_scope() -> None:
    def work() -> None:
        length = LENGTH // 10
        x, factor = leaf(1.0), leaf(1.0001)
        y = x * x
        for _ in range(length):
            y = y * factor
        slope: Any = tg.grad(y, x, create_graph=True)[0]  # 2 x factor^n
        mixed: Any = tg.grad(slope, factor, create_graph=True)[0]  # 2 x n factor^(n - 1)
        assert mixed.item() == pytest.approx(2 * length * 1.0001 ** (length - 1), rel=1e-2)
        end = weakref.ref(mixed.data)
        del y, slope, mixed
        assert end() is None

    on_a_small_stack(work)


def test_a_recorded_pass_over_the_full_chain() -> None:
    def work() -> None:
        x = leaf(1.0)
        y = x
        for _ in range(LENGTH):
            y = -y
        slope: Any = tg.grad(y, x, x.detach(), create_graph=True)[0]
        assert slope.item() == 1.0

    on_a_small_stack(work)


def test_a_wide_diamond() -> None:
    x = leaf(0.5)
    branches = [x * float(i) for i in range(2000)]
    y = tg.stack(branches).sum() + sum(branches[1:], branches[0])
    y.sum().backward()
    assert x.grad.item() == 2 * sum(range(2000))


def test_a_tall_tower_of_diamonds_is_walked_once() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100):  # 2^100 paths
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.item() == 1.0
