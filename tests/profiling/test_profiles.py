"""`tg.profile`: what it counts, where it says that it ran, and what it leaves behind."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.core.modes import MODE
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.profiling import Profile, Row
from tinygrad_cnn.train import Trainer

N = 3
IMAGES = np.random.default_rng(0).normal(size=(N, 1, 28, 28)).astype(np.float32)
LABELS = np.arange(N)

# Multiply-adds of LeNet for one image, output pixels times filters times taps.
LENET = {
    "0 (Conv2d)": 28 * 28 * 6 * 25,
    "3 (Conv2d)": 10 * 10 * 16 * 6 * 25,
    "7 (Linear)": 400 * 120,
    "9 (Linear)": 120 * 84,
    "11 (Linear)": 84 * 10,
}


def lenet() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def leaf(*shape: int) -> tg.Tensor:
    return tg.Tensor(np.ones(shape, np.float32), requires_grad=True)


def found(p: Profile, by: str = "operation") -> dict[tuple[str, str], Row]:
    return {(row.name, row.direction): row for row in p.rows(by)}


def products(p: Profile, direction: str) -> dict[str, int]:
    return {
        name: row.multiply_adds
        for (name, way), row in found(p, "module").items()
        if way == direction and row.multiply_adds
    }


@pytest.fixture(autouse=True)
def nobody_watches() -> Iterator[None]:
    yield
    assert (MODE.flags, MODE.observers, MODE.modules) == (0, (), [])
    assert not tracemalloc.is_tracing()


# ---- what is counted


def test_lenet_by_module() -> None:
    model = lenet()
    with tg.profile() as p:
        tg.cross_entropy(model(tg.Tensor(IMAGES)), LABELS).backward()
    assert products(p, "forward") == {name: N * count for name, count in LENET.items()}
    # towards the weights and the input; the images need no gradient
    assert products(p, "backward") == {
        name: N * count * (1 if name == "0 (Conv2d)" else 2) for name, count in LENET.items()
    }
    outside = found(p, "module")["(no module)", "forward"]
    assert outside.multiply_adds == 0
    assert outside.operations == 5 * 10 * N + 3 * N + N + 1  # cross entropy, and its mean


def test_calls_are_counted_apart() -> None:
    x = leaf(4, 5)
    with tg.profile() as p:
        y = (x * 2 + x * 3).sum()
    assert {key: row.calls for key, row in found(p).items()} == {
        ("mul", "forward"): 2,
        ("add", "forward"): 1,
        ("sum", "forward"): 1,
    }
    with tg.profile() as p:
        y.backward()
    assert {key: row.calls for key, row in found(p).items()} == {
        ("mul", "backward"): 2,
        ("add", "backward"): 1,
        ("sum", "backward"): 1,
    }


def test_shapes_tell_calls_apart() -> None:
    with tg.profile() as p:
        for size in (3, 4, 4):
            tg.linear(leaf(2, size), leaf(5, size)).sum().backward()
        tg.cat([leaf(1, 2), leaf(2, 2)]) + tg.Tensor(np.ones(2))
    calls = {name: row.calls for (name, way), row in found(p, "shape").items() if way == "forward"}
    assert calls == {
        "linear (2, 3) (5, 3)": 1,
        "linear (2, 4) (5, 4)": 2,
        "sum (2, 5)": 3,
        "cat (1, 2) (2, 2)": 1,
        "add (3, 2) (2,) float64": 1,
    }
    assert ("linear (2, 4) (5, 4)", "backward") in found(p, "shape")


def test_a_backward_pass_alone_costs_what_it_costs_with_its_forward() -> None:
    model = lenet()
    loss = tg.cross_entropy(model(tg.Tensor(IMAGES)), LABELS)
    with tg.profile() as alone:
        loss.backward()
    with tg.profile() as both:
        tg.cross_entropy(model(tg.Tensor(IMAGES)), LABELS).backward()
    expected = {key: (row.flops, row.bytes) for key, row in found(both).items() if key[1] == "backward"}
    assert {key: (row.flops, row.bytes) for key, row in found(alone).items()} == expected
    assert products(alone, "backward") == {"(no module)": sum(products(both, "backward").values())}


def test_a_backward_pass_alone_knows_joined_inputs_too() -> None:
    y = tg.cat([leaf(2, 3), tg.Tensor(np.ones((1, 3), np.float32))]).sum()
    with tg.profile() as p:
        y.backward()
    assert ("cat", "backward") in found(p)
    assert "cat (2, 3)" in p.table("shape")


def test_a_recorded_pass_counts_its_own_calls_once() -> None:
    """The rule of matmul calls matmul twice: those two do the work, and they run backward."""
    x, w = leaf(20, 30), leaf(30, 40)
    with tg.profile() as p:
        y = tg.matmul(x, w).sum()
        gradients = tg.grad(y, [x, w], create_graph=True)
    rows = found(p)
    assert (rows["matmul", "forward"].multiply_adds, rows["matmul", "forward"].calls) == (24_000, 1)
    assert (rows["matmul", "backward"].multiply_adds, rows["matmul", "backward"].calls) == (48_000, 3)
    assert rows["matmul", "backward"].allocated == 4 * (600 + 1200)
    assert sum(row.seconds for row in rows.values()) < p.seconds
    assert gradients[0] is not None


def test_what_a_recorded_pass_runs_stands_in_the_rules_module() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    with tg.profile() as p:
        tg.grad(model(tg.Tensor(IMAGES)).sum(), list(model.parameters()), create_graph=True)
    backward = [row for row in p.rows("module") if row.direction == "backward" and row.multiply_adds]
    assert [row.name for row in backward] == ["0 (Conv2d)"]


# ---- time


def sleeper(forward: float, backward: float) -> Any:
    @tg.primitive
    def sleep(x: Any) -> Any:
        time.sleep(forward)
        return x * 1

    def rule(g: Any) -> Any:
        time.sleep(backward)
        return g * 1

    return sleep.defvjp(x=rule)


def test_seconds_are_those_of_the_calls_and_shares_of_the_block() -> None:
    with tg.profile() as p:
        sleeper(0.02, 0.04)(leaf(2)).sum().backward()
        time.sleep(0.03)
    rows = found(p)
    assert 0.02 <= rows["sleep", "forward"].seconds < rows["sleep", "backward"].seconds < p.seconds
    assert rows["sleep", "backward"].seconds >= 0.04
    assert p.seconds >= 0.09
    for row in rows.values():
        assert row.share == pytest.approx(row.seconds / p.seconds)
    assert p.seconds - sum(row.seconds for row in rows.values()) >= 0.03


def test_a_recorded_rules_own_time_leaves_out_what_it_called() -> None:
    slow = sleeper(0.05, 0.0)

    @tg.primitive
    def outer(x: Any) -> Any:
        return x * 1

    outer.defvjp(x=lambda g: slow(g))
    x = leaf(2)
    with tg.profile() as p:
        tg.grad(outer(x).sum(), x, create_graph=True)
    rows = found(p)
    assert rows["sleep", "backward"].seconds >= 0.05
    assert rows["outer", "backward"].seconds < 0.04
    assert sum(row.seconds for row in rows.values()) <= p.seconds


def test_the_time_stands_still_after_the_block() -> None:
    with tg.profile() as p:
        leaf(2) * 2
        before = p.seconds
        assert p.seconds > before
        assert len(p.rows()) == 1  # it may be read while it runs
    assert p.seconds == p.seconds
    assert p.table() == p.table()


# ---- memory


def test_allocated_is_what_came_back_and_what_was_kept() -> None:
    @tg.primitive(saves=("mask",))
    def positive(x: Any) -> Any:
        mask = x > 0
        return x * mask, mask

    positive.defvjp(x=lambda g, mask: g * mask)
    x = leaf(1000)
    with tg.profile() as p:
        positive(x).reshape(10, 100).sum().backward()
    rows = found(p)
    assert rows["positive", "forward"].allocated == 4000 + 1000
    assert rows["positive", "backward"].allocated == 4000
    assert rows["reshape", "forward"].allocated == rows["reshape", "backward"].allocated == 0
    assert rows["sum", "forward"].allocated == 4


def test_the_same_memory_counts_once() -> None:
    @tg.primitive(saves=("rows",))
    def both(x: Any, w: Any) -> Any:
        y = x + w
        return y, y.reshape(10, 100)

    def rule(g: Any, rows: Any) -> Any:
        h = g * rows.reshape(-1)
        return h, h[:]

    both.defvjp(rule, inputs=["x", "w"])
    x, w = leaf(1000), leaf(1000)
    with tg.profile() as p:
        (both(x, w) + w).backward(np.ones(1000, np.float32))
    rows = found(p)
    assert (rows["both", "forward"].allocated, rows["both", "backward"].allocated) == (4000, 4000)
    assert (rows["add", "forward"].allocated, rows["add", "backward"].allocated) == (4000, 0)


def test_the_peak_sees_what_is_freed_again() -> None:
    @tg.primitive
    def spacious(x: Any) -> Any:
        return np.ones(1_000_000)[:1] * x

    with tg.profile(memory=True) as p:
        leaf(1) * 2
        spacious(leaf(1))
        leaf(1) * 2
    rows = found(p)
    spacious_peak, mul_peak = rows["spacious", "forward"].peak, rows["mul", "forward"].peak
    assert spacious_peak is not None
    assert mul_peak is not None
    assert rows["spacious", "forward"].allocated < 100
    assert 8_000_000 <= spacious_peak < 8_200_000
    assert mul_peak < 200_000
    assert p.peak_memory == spacious_peak
    assert "peak MB" in p.table()
    assert p.peak_memory == spacious_peak


def test_memory_is_measured_only_on_demand_and_once_at_a_time() -> None:
    with tg.profile() as p:
        leaf(1) * 2
        assert not tracemalloc.is_tracing()
    assert (p.peak_memory, p.rows()[0].peak) == (None, None)
    assert "peak" not in p.table()
    with tg.profile(memory=True):
        with pytest.raises(ArgumentError, match="another block measures it already"), tg.profile(memory=True):
            pass
        with tg.profile():
            pass
    with tg.profile(memory=True):
        pass


def test_a_trace_of_memory_that_was_on_stays_on() -> None:
    tracemalloc.start()
    try:
        with tg.profile(memory=True):
            leaf(1) * 2
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_no_array_and_no_model_is_kept_alive() -> None:
    model = lenet()
    with tg.profile() as p:
        y = model(tg.Tensor(IMAGES))
        array = weakref.ref(y.data)
        del y
        assert array() is None
    watched = weakref.ref(model)
    del model
    gc.collect()
    assert watched() is None
    assert "0 (Conv2d)" in p.table("module")


# ---- places


class Net(nn.Module):
    def __init__(self) -> None:
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh())
        self.head = nn.Linear(2 * 26 * 26, 3)

    def forward(self, x: Any) -> Any:
        return self.head(tg.flatten(self.features(x) * 2, 1))


def test_modules_go_by_their_paths() -> None:
    model = Net()
    with tg.profile() as p:
        loss = tg.cross_entropy(model(tg.Tensor(IMAGES)), LABELS)
        loss.backward()
    names = {(row.name, row.direction) for row in p.rows("module")}
    modules = ["features.0 (Conv2d)", "features.1 (Tanh)", "head (Linear)", "Net", "(no module)"]
    assert names == {(name, direction) for name in modules for direction in ("forward", "backward")}


def test_two_models_are_told_apart() -> None:
    first, second, loss = Net(), Net(), nn.CrossEntropyLoss()
    with tg.profile() as p:
        for model in (first, second, second):
            loss(model(tg.Tensor(IMAGES)), LABELS)
    calls = {row.name: row.calls for row in p.rows("module")}
    assert calls["Net.head (Linear)"] == 1
    assert calls["Net#2.head (Linear)"] == 2
    assert calls["CrossEntropyLoss"] == 3


def test_a_module_unknown_to_its_caller_goes_by_its_class() -> None:
    class Wrapper(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.Tanh()(x)

    with tg.profile() as p:
        Wrapper()(leaf(2))
    assert [row.name for row in p.rows("module")] == ["Tanh (Tanh)"]


# ---- with other things


def test_inside_no_grad_all_is_forward() -> None:
    model = lenet()
    with tg.no_grad(), tg.profile() as p:
        model(tg.Tensor(IMAGES))
    assert products(p, "forward") == {name: N * count for name, count in LENET.items()}
    assert products(p, "backward") == {}


def test_a_trainer_runs_inside() -> None:
    model = lenet()
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.01))
    with tg.profile() as p:
        trainer.fit([(IMAGES, LABELS)] * 2, epochs=1)
    assert products(p, "forward") == {name: 2 * N * count for name, count in LENET.items()}
    assert found(p, "module")["CrossEntropyLoss", "backward"].calls == 2


def test_profiles_nest() -> None:
    x = leaf(2)
    with tg.profile() as outer:
        x * 2
        with tg.profile() as inner:
            x + 2
        x - 2
    assert [row.name for row in outer.rows(sort="order")] == ["mul", "add", "sub"]
    assert [row.name for row in inner.rows()] == ["add"]


def test_other_threads_are_left_out() -> None:
    with tg.profile() as p:
        thread = threading.Thread(target=lambda: leaf(1) * 2)
        thread.start()
        thread.join()
    assert p.rows() == []


def test_an_exception_ends_the_block_and_keeps_what_was_measured() -> None:
    def fail() -> None:
        leaf(2) * 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), tg.profile(memory=True) as p:
        fail()
    assert [row.calls for row in p.rows()] == [1]
    assert p.seconds == p.seconds


def test_a_call_that_fails_is_no_call() -> None:
    with tg.profile() as p, pytest.raises(ValueError, match="broadcast"):
        leaf(2) * leaf(3)
    assert p.rows() == []


def test_profiling_changes_no_result() -> None:
    model = lenet()
    plain = model(tg.Tensor(IMAGES))
    with tg.profile():
        watched = model(tg.Tensor(IMAGES))
    np.testing.assert_array_equal(plain.data, watched.data)


def test_importing_the_package_does_not_import_the_profiler() -> None:
    script = """
import sys
import tinygrad_cnn as tg
names = {"tinygrad_cnn.profiling", "tinygrad_cnn.ops.costs", "tracemalloc"}
print(len(names & set(sys.modules)), tg.profile.__name__, len(names & set(sys.modules)))
"""
    root = Path(tg.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["0", "profile", "3"]
