"""`observe`: which events come, in what order, and what they carry."""

from __future__ import annotations

import inspect
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.core.modes import MODE, OBSERVED, Event


def leaf(*values: float) -> Any:
    return tg.tensor(list(values), requires_grad=True)


def here() -> int:
    """The number of the caller's line."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def names(events: list[Event]) -> list[str]:
    return [f"{event.kind} {event.primitive.name}" for event in events]


def test_forward_events_then_rules_in_reverse() -> None:
    events: list[Event] = []
    x = leaf(1.0, -2.0)
    with tg.observe(events.append):
        y = (x.relu() * 3).sum()
        y.backward()
    assert names(events) == ["forward relu", "forward mul", "forward sum", "rule sum", "rule mul", "rule relu"]
    (x * 2).sum().backward()
    assert len(events) == 6  # nothing after the block


def test_a_forward_event_carries_the_call() -> None:
    events: list[Event] = []
    x = leaf(1.0, 2.0)
    with tg.observe(events.append):
        y = x * 3
        constant = x.detach() + 1
    first, second = events
    assert first.inputs[0] is x
    assert first.inputs[1] == 3
    assert (first.output is y, first.node.plan.name, second.output is constant, second.node) == (
        True,
        "mul",
        True,
        None,
    )


def test_a_rule_event_carries_the_cotangents_and_the_same_node() -> None:
    events: list[Event] = []
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    with tg.observe(events.append):
        (x * w).backward([1.0, 10.0])
    forward, rule = events
    assert rule.node is forward.node
    assert rule.line == forward.line
    assert rule.inputs[0].tolist() == [1.0, 10.0]
    assert [g.tolist() for g in rule.output] == [[3.0, 40.0], [1.0, 20.0]]


def test_lines_are_the_users() -> None:
    events: list[Event] = []

    def residual(x: Any) -> Any:
        return x + 1.0

    number = here() + 4
    with tg.observe(events.append):
        x = leaf(1.0, 2.0)
        y = residual(x)
        y = tg.cross_entropy(y.reshape(1, 2), [0], label_smoothing=0.1)
        y.backward()
    lines: dict[str, Any] = {event.primitive.name: event.line for event in events if event.kind == "forward"}
    added = lines.pop("add")
    assert added == (__file__, inspect.getsourcelines(residual)[1] + 1, "residual")
    # cross_entropy makes several calls, and all of them come from the one line that was written
    assert {"reshape", "cross_entropy_soft"} < set(lines)
    assert set(lines.values()) == {(__file__, number, "test_lines_are_the_users")}
    assert str(lines["reshape"]) == f"{__file__}:{number} in test_lines_are_the_users"


def test_a_neighbour_of_the_package_is_the_user_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script `tinygrad_cnn_demo.py` beside the package is no part of it."""
    events: list[Event] = []
    script = tg.__path__[0] + "_demo.py"
    code = compile("def run(x):\n    return x * 2\n", script, "exec")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    with tg.observe(events.append):
        namespace["run"](leaf(1.0))
    assert events[0].line == (script, 2, "run")


def test_modules_are_those_that_were_running() -> None:
    events: list[Event] = []
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with tg.observe(events.append):
        y = model(tg.tensor([[1.0, 2.0]]))
        (y * 2).sum().backward()
    modules = {f"{event.kind} {event.primitive.name}": event.modules for event in events}
    assert modules["forward linear"] == modules["rule linear"] == (model, model[0])
    assert modules["forward relu"] == modules["rule relu"] == (model, model[1])
    assert modules["forward mul"] == modules["rule mul"] == ()


def test_seconds_are_those_of_the_call() -> None:
    @tg.primitive
    def slow(x: Any) -> Any:
        time.sleep(0.02)
        return x * 1

    def rule(g: Any) -> Any:
        time.sleep(0.03)
        return g

    slow.defvjp(x=rule)
    events: list[Event] = []
    with tg.observe(events.append):
        slow(leaf(1.0)).backward()
        leaf(1.0) * 2
    assert 0.02 <= events[0].seconds < events[1].seconds
    assert events[1].seconds >= 0.03
    assert 0 < events[2].seconds < 0.02


def test_what_a_call_does_inside_is_its_own_affair() -> None:
    @tg.primitive
    def outer(x: Any) -> Any:
        return tg.exp(tg.relu(x))

    outer.defvjp(x=lambda g, y: g * tg.exp(y))
    events: list[Event] = []
    with tg.observe(events.append):
        outer(leaf(1.0)).backward()
    assert names(events) == ["forward outer", "rule outer"]


def test_a_recorded_pass_is_reported_with_its_own_operations() -> None:
    events: list[Event] = []
    x = leaf(2.0)
    y = x.exp()
    with tg.observe(events.append):
        tg.grad(y, x, create_graph=True)
    assert names(events) == ["forward mul", "rule exp"]
    assert events[1].line is None  # nobody watched when exp was called


def test_constants_and_calls_inside_no_grad_are_reported() -> None:
    events: list[Event] = []
    with tg.observe(events.append), tg.no_grad():
        np.greater(leaf(1.0), 0)
        leaf(1.0) * 2
        np.exp(leaf(1.0))
        tg.exp(np.ones(2))  # arrays only: no Tensor, no event
    assert names(events) == ["forward gt", "forward mul", "forward exp"]
    assert [event.node for event in events] == [None] * 3


def test_observers_nest() -> None:
    outer: list[Event] = []
    inner: list[Event] = []
    x = leaf(1.0)
    with tg.observe(outer.append):
        x * 2
        with tg.observe(inner.append):
            x + 2
        x - 2
    x / 2
    assert names(outer) == ["forward mul", "forward add", "forward sub"]
    assert names(inner) == ["forward add"]
    assert outer[1] is inner[0]


def test_modes_and_observers_end_in_any_order() -> None:
    events: list[Event] = []
    silent = tg.no_grad()
    watching = tg.observe(events.append)
    watching.__enter__()
    silent.__enter__()
    watching.__exit__(None, None, None)
    assert not (leaf(1.0) * 2).requires_grad
    silent.__exit__(None, None, None)
    assert (leaf(1.0) * 2).requires_grad
    assert not MODE.flags & OBSERVED  # nobody pays any longer
    assert events == []


def test_an_exception_in_a_callback_reaches_the_user_and_ends_the_watch() -> None:
    def fussy(event: Event) -> None:
        raise ZeroDivisionError(event.primitive.name)

    with pytest.raises(ZeroDivisionError, match="mul"), tg.observe(fussy):
        leaf(1.0) * 2
    assert not MODE.flags & OBSERVED
    assert (leaf(1.0) * 2).requires_grad


def test_an_exception_in_an_operation_leaves_the_watch_on() -> None:
    events: list[Event] = []
    with tg.observe(events.append):
        with pytest.raises(ValueError, match="broadcast"):
            leaf(1.0, 2.0) + leaf(1.0, 2.0, 3.0)
        leaf(1.0) * 2
    assert names(events) == ["forward mul"]


def test_a_callback_may_compute() -> None:
    seen: list[float] = []

    def largest(event: Event) -> None:
        if event.kind == "forward":
            seen.append(event.output.abs().max().item())

    with tg.observe(largest), tg.observe(lambda event: seen.append(-1.0)):
        leaf(1.0, -3.0) * 2
        leaf(1.0, -3.0) * 3
    assert seen == [6.0, -1.0, 9.0, -1.0]


def test_each_thread_is_observed_by_itself() -> None:
    events: list[Event] = []
    with tg.observe(events.append):
        thread = threading.Thread(target=lambda: leaf(1.0) * 2)
        thread.start()
        thread.join()
    assert events == []


def test_watching_changes_no_result() -> None:
    def train() -> SimpleNamespace:
        x: Any = tg.tensor(np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3), requires_grad=True)
        y = tg.cat([x.tanh(), x * 2], dim=1).softmax(1).log().sum()
        y.backward()
        return SimpleNamespace(y=y.item(), gradient=x.grad.data)

    plain = train()
    with tg.observe(lambda event: None):
        watched = train()
    assert plain.y == watched.y
    np.testing.assert_array_equal(plain.gradient, watched.gradient)
