"""The threads that compiled kernels run on: who does which part, errors, Python's own threads, forks and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.kernels import num_threads, set_num_threads
from tinygrad_cnn.kernels.jit import threads
from tinygrad_cnn.kernels.settings import SETTINGS

ROOT = Path(__file__).parents[2]  # where a new process finds the package, installed or not


@pytest.fixture(autouse=True)
def a_team_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(threads, "_team", threads._Team())
    set_num_threads(2)


def recorded(count: int, grain: int = 1) -> list[tuple[int, int, int]]:
    """The parts that `run` calls a function for, by number."""
    calls: list[tuple[int, int, int]] = []
    threads.run(lambda *part: calls.append(part), (), count, grain)
    return sorted(calls)


@pytest.fixture
def limited() -> Iterator[None]:
    """A test that would wait for ever fails after ten seconds instead."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("still waiting"))
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# ---- parts -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1000), st.integers(1, 200), st.integers(1, 5))
def test_parts_cover_the_range_and_are_the_same_every_time(count: int, grain: int, number: int) -> None:
    set_num_threads(number)
    calls = recorded(count, grain)
    assert [start for _, start, _ in calls] == [0, *(stop for _, _, stop in calls[:-1])]
    assert calls[-1][2] == count
    assert [part for part, _, _ in calls] == list(range(threads.parts(count, grain)))
    assert len(calls) <= number
    assert len(calls) == 1 or min(stop - start for _, start, stop in calls) >= grain
    assert recorded(count, grain) == calls


@pytest.mark.parametrize("number", [1, 2, 3])
def test_as_many_threads_as_were_set(number: int) -> None:
    set_num_threads(number)
    assert num_threads() == number
    barrier, seen = threading.Barrier(number, timeout=10), set()

    def meet(*_: int) -> None:
        seen.add(threading.get_ident())
        barrier.wait()  # all parts run at the same time, or this fails

    for _ in range(3):
        threads.run(meet, (), number)
    assert len(seen) == number
    assert threading.get_ident() in seen


@pytest.mark.parametrize(("count", "error"), [(0, ArgumentError), (-1, ArgumentError), (2.0, ArgumentTypeError)])
def test_a_number_of_threads_is_a_positive_int(count: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="set_num_threads: expects"):
        set_num_threads(count)
    assert num_threads() == 2


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_fault", [0, 1, 2])
@pytest.mark.usefixtures("limited")
def test_an_error_of_any_part_is_raised_after_all_have_ended(at_fault: int) -> None:
    set_num_threads(3)

    def fail(running: set[int], part: int, start: int, stop: int) -> None:
        if part == at_fault:
            raise ZeroDivisionError(f"part {part}")
        running.add(part)
        time.sleep(0.01)
        running.discard(part)

    for _ in range(3):
        running: set[int] = set()
        with pytest.raises(ZeroDivisionError, match=f"part {at_fault}"):
            threads.run(fail, (running,), 3)
        assert running == set()
    assert len(recorded(3)) == 3


@pytest.mark.usefixtures("limited")
def test_nothing_holds_the_arguments_afterwards() -> None:
    array = np.zeros(3)
    before = sys.getrefcount(array)
    threads.run(lambda array, *part: None, (array,), 2)
    assert sys.getrefcount(array) == before


# ---- several Python threads ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("limited")
def test_several_python_threads_at_once() -> None:
    def fill(array: Any, part: int, start: int, stop: int) -> None:
        array[start:stop] += part + 1

    def work(seed: int) -> bool:
        expected = np.repeat([1, 2], 50)
        for _ in range(200):
            array = np.zeros(100)
            threads.run(fill, (array,), 100)
            if not (array == expected).all():
                return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(work, range(5)))


@pytest.mark.usefixtures("limited")
def test_a_kernel_inside_a_kernel_does_not_wait_for_itself() -> None:
    calls: list[Any] = []
    threads.run(lambda *part: threads.run(lambda *inner: calls.append((part, inner)), (), 2), (), 2)
    assert len(set(calls)) == 4


# ---- forks and interrupts --------------------------------------------------------------------------------------------

FORK = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import window
from tinygrad_cnn.kernels.memory import POOL
kernels.set_num_threads(2)
kernels.use("jit")
x, frame = np.ones((64, 3, 32, 32), np.float32), window("conv2d", 32, 3, 1, 1)
w = np.ones((8, 3, 3, 3), np.float32)
y = kernels.conv2d(x, w, None, frame)
POOL._lock.acquire()  # as another thread may at that moment
child = os.fork()
if child:
    POOL._lock.release()
again = kernels.conv2d(x, w, None, frame)
if not child:
    os._exit(0 if (again == y).all() else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_after_a_fork_both_processes_compute() -> None:
    assert subprocess.run([sys.executable, "-c", FORK], cwd=ROOT, timeout=60, check=False).returncode == 0


def interrupts(delay: float) -> Callable[..., None]:
    """A part that sends Ctrl-C to the main thread while it, or the wait for it, goes on."""

    def part(ended: list[int], part: int, start: int, stop: int) -> None:
        if part == 1:
            time.sleep(delay)
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.05)
        ended.append(part)

    return part


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("delay", [0.0, 1e-5, 1e-4, 1e-3, 0.03])
def test_ctrl_c_waits_for_all_parts_and_leaves_nothing_waiting(delay: float) -> None:
    for _ in range(3):
        ended: list[int] = []
        with pytest.raises(KeyboardInterrupt):
            threads.run(interrupts(delay), (ended,), 2)
        assert 1 in ended  # who still works may write into arrays that are not the caller's any more
        assert len(recorded(2)) == 2
    test_as_many_threads_as_were_set(2)


MOMENTS = """
import signal, threading, time
from tinygrad_cnn.kernels import set_num_threads
from tinygrad_cnn.kernels.jit import threads

def interrupt(*_):
    raise KeyboardInterrupt

def work(running, part, start, stop):
    running.add(part)
    time.sleep(1e-5)
    running.discard(part)

signal.signal(signal.SIGALRM, interrupt)
set_num_threads(2)
hits = 0
for number in range(2000):
    running = set()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 200))
        threads.run(work, (running,), 2)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hits += 1
        assert 1 not in running
signal.setitimer(signal.ITIMER_REAL, 0)
barrier = threading.Barrier(2, timeout=10)
threads.run(lambda *part: barrier.wait(), (), 2)  # both parts run at the same time still
assert hits > 100, hits
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_ctrl_c_at_any_moment_leaves_the_team_whole() -> None:
    command = [sys.executable, "-c", MOMENTS]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
