"""`no_grad`: as a context manager, on functions and generators, nested, and in several threads."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentTypeError


def records() -> bool:
    """Whether an operation is really recorded, and the mode says so."""
    recorded = (tg.tensor([1.0], requires_grad=True) * 2).requires_grad
    assert recorded == tg.is_grad_enabled()
    return recorded


# ---- blocks


def test_blocks_nest_and_end() -> None:
    assert records()
    with tg.no_grad():
        assert not records()
        with tg.enable_grad():
            assert records()
            with tg.no_grad():
                assert not records()
            assert records()
        assert not records()
    assert records()


def test_an_exception_ends_the_block() -> None:
    with pytest.raises(ZeroDivisionError), tg.no_grad(), tg.enable_grad(), tg.no_grad():
        raise ZeroDivisionError
    assert records()


def test_one_object_serves_several_blocks() -> None:
    mode = tg.no_grad()
    with mode, tg.enable_grad(), mode:
        assert not records()
    assert records()


def test_an_operation_that_fails_leaves_the_mode_alone() -> None:
    with tg.no_grad():
        with pytest.raises(ValueError, match="broadcast"):
            tg.tensor([1.0, 2.0]) + tg.tensor([1.0, 2.0, 3.0])
        assert not records()
    x = tg.tensor([1.0], requires_grad=True)

    def fails(g: Any) -> Any:
        raise ZeroDivisionError

    with tg.no_grad():
        bad = tg.primitive(lambda x: x * 2).defvjp(x=fails)
        with tg.enable_grad():
            y = bad(x)
        with pytest.raises(ZeroDivisionError):
            y.backward()
        assert not records()


def test_what_was_recorded_outside_is_differentiated_inside() -> None:
    x: Any = tg.tensor([2.0], requires_grad=True)
    y = x * x
    with tg.no_grad():
        assert not (y * 2).requires_grad
        gradient: Any = tg.grad(y, x, create_graph=True)[0]
        assert gradient.requires_grad  # asked for explicitly
        assert not records()


# ---- threads


def test_each_thread_has_its_own_mode() -> None:
    inside, checked = threading.Event(), threading.Event()
    seen: dict[str, bool] = {}

    def silent() -> None:
        with tg.no_grad():
            inside.set()
            checked.wait(5)
            seen["silent"] = records()

    thread = threading.Thread(target=silent)
    thread.start()
    assert inside.wait(5)
    seen["main"] = records()  # while the other thread is inside its block
    with tg.no_grad():
        other = threading.Thread(target=lambda: seen.update(new=records()))
        other.start()
        other.join()
    checked.set()
    thread.join()
    assert seen == {"main": True, "silent": False, "new": True}
    assert records()


# ---- decorated functions


def test_a_decorated_function_does_not_record() -> None:
    @tg.no_grad()
    def predict(x: tg.Tensor, factor: float = 2.0) -> tg.Tensor:
        """The prediction."""
        return x * factor

    x = tg.tensor([1.0], requires_grad=True)
    assert not predict(x, factor=3.0).requires_grad
    assert (predict.__name__, predict.__doc__) == ("predict", "The prediction.")
    assert records()


def test_a_decorated_function_may_recurse_and_raise() -> None:
    @tg.no_grad()
    def countdown(n: int) -> int:
        assert not records()
        if n == 0:
            raise ZeroDivisionError
        return countdown(n - 1)

    with pytest.raises(ZeroDivisionError):
        countdown(3)
    assert records()


def test_enable_grad_decorates_too() -> None:
    recorded = tg.enable_grad()(records)
    with tg.no_grad():
        assert recorded()
        assert not records()


def test_coroutines_are_refused() -> None:
    async def coroutine() -> None: ...

    async def generator() -> AsyncIterator[int]:
        yield 1

    for function in (coroutine, generator):
        with pytest.raises(ArgumentTypeError, match=r"no_grad: cannot decorate the coroutine .*use a with block"):
            tg.no_grad()(function)


# ---- decorated generators


def test_a_decorated_generator_holds_the_mode_only_while_it_runs() -> None:
    @tg.no_grad()
    def batches() -> Iterator[bool]:
        yield records()
        yield records()

    steps = batches()
    assert records()
    assert next(steps) is False
    assert records()
    with tg.no_grad():
        assert next(steps) is False
        assert not records()
    assert list(steps) == []
    assert records()
    for recorded in batches():
        assert not recorded
        assert records()


def test_values_are_sent_and_returned() -> None:
    @tg.no_grad()
    def echo() -> Generator[Any, Any, str]:
        sent = yield "ready"
        while sent is not None:
            sent = yield sent, records()
        return "done"

    steps = echo()
    assert next(steps) == "ready"
    assert steps.send(1) == (1, False)
    assert records()
    assert steps.send(2) == (2, False)
    with pytest.raises(StopIteration) as stop:
        steps.send(None)
    assert stop.value.value == "done"
    assert records()


def test_exceptions_are_thrown_in_and_come_out() -> None:
    seen: list[Any] = []

    @tg.no_grad()
    def stubborn() -> Generator[Any, None, None]:
        try:
            yield 1
        except ValueError as error:
            seen.append((str(error), records()))
            yield "caught"
        raise KeyError("out")

    steps = stubborn()
    next(steps)
    assert steps.throw(ValueError("in")) == "caught"
    assert records()
    with pytest.raises(KeyError, match="out"):
        next(steps)
    assert seen == [("in", False)]
    assert records()
    with pytest.raises(StopIteration):
        next(steps)


def test_an_exception_nobody_catches_passes_through() -> None:
    @tg.no_grad()
    def plain() -> Iterator[int]:
        yield 1

    steps: Any = plain()
    next(steps)
    with pytest.raises(ZeroDivisionError):
        steps.throw(ZeroDivisionError)
    assert records()


@pytest.mark.parametrize("end", [lambda steps: steps.close(), lambda steps: None], ids=["close", "del"])
def test_a_closed_generator_cleans_up_in_its_mode(end: Callable[[Any], None]) -> None:
    seen: list[bool] = []

    @tg.no_grad()
    def careful() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(records())

    steps: Any = careful()
    next(steps)
    end(steps)
    del steps
    assert seen == [False]
    assert records()


def test_a_generator_never_started_may_be_closed() -> None:
    @tg.no_grad()
    def idle() -> Iterator[int]:
        yield 1

    steps: Any = idle()
    steps.close()
    assert list(steps) == []


def test_interleaved_generators_do_not_disturb_each_other() -> None:
    @tg.no_grad()
    def silent() -> Iterator[bool]:
        while True:
            yield records()

    @tg.enable_grad()
    def loud() -> Iterator[bool]:
        while True:
            yield records()

    a, b = silent(), loud()
    assert [next(a), next(b), next(a), next(b), records()] == [False, True, False, True, True]
    with tg.no_grad():
        assert [next(b), next(a), records()] == [True, False, False]
    assert records()
