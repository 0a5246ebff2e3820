"""The threads that compiled kernels share their work with: who does which part, errors, Python's own threads, forks and
Ctrl-C.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from _thread import _count as count_threads
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numba")

import numba

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.kernels import num_threads, set_num_threads
from tinygrad_cnn.kernels.jit import threads
from tinygrad_cnn.kernels.jit.atomics import latest, publish, rest, turned
from tinygrad_cnn.kernels.jit.sharing import divided
from tinygrad_cnn.kernels.settings import SETTINGS

ROOT = Path(__file__).parents[2]  # where a new process finds the package, installed or not
LONG = 100_000  # turns of waiting for what should come


def shared(body: Callable[..., None]) -> Any:
    """As the kernels' own, but kept nowhere."""
    return numba.njit(nogil=True)(divided(body))


@shared
def record(log: Any, part: int, start: int, stop: int) -> None:
    log[part, 0] += 1
    log[part, 1] = start
    log[part, 2] = stop


@shared
def fill(array: Any, part: int, start: int, stop: int) -> None:
    array[start:stop] += part + 1


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def count_in(counter: int) -> None:
    while True:
        seen = latest(counter)
        if turned(counter, seen, seen + 1):
            break


@shared
def meet(counter: int, parties: int, part: int, start: int, stop: int) -> None:
    """Count oneself in, and wait for a while until all have."""
    count_in(counter)
    turn = 0
    while latest(counter) < parties and turn < LONG:
        rest(turn)
        turn += 1
    if latest(counter) >= parties:
        count_in(counter + 8)  # and met all others before giving up


@shared
def fail(at_fault: int, running: int, part: int, start: int, stop: int) -> None:
    if part == at_fault:
        raise ValueError
    publish(running + 8 * part, 1)
    for turn in range(10_000):
        rest(turn)
    publish(running + 8 * part, 0)


@pytest.fixture(autouse=True)
def a_team_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(threads, "_staff", threads._Staff())
    set_num_threads(2)
    yield
    if threads._staff.team is not None:
        threads._staff.team.dismiss()


def recorded(count: int, grain: int = 1) -> list[tuple[int, int]]:
    """The parts that `run` calls a function for, in order."""
    log = np.zeros((8, 3), np.int64)
    threads.run(record, (log,), count, grain)
    made = log[: threads.parts(count, grain)]
    assert (made[:, 0] == 1).all()
    assert not log[len(made) :].any()
    return [(int(start), int(stop)) for _, start, stop in made]


def check_that_all_meet(number: int) -> None:
    """All parts run at the same time; not every time, as a worker may fall asleep just before it is needed."""
    for _ in range(100):
        counter = np.zeros(2, np.int64)
        threads.run(meet, (counter.ctypes.data, number), number)
        if counter[1] == number:
            return
    pytest.fail(f"{number} threads never ran at the same time")


@pytest.fixture
def limited() -> Iterator[None]:
    """A test that would wait for ever ends the process after a minute instead."""
    signal.alarm(60)
    yield
    signal.alarm(0)


# ---- parts -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1000), st.integers(1, 200), st.integers(1, 5))
def test_parts_cover_the_range_and_are_the_same_every_time(count: int, grain: int, number: int) -> None:
    set_num_threads(number)
    calls = recorded(count, grain)
    assert [start for start, _ in calls] == [0, *(stop for _, stop in calls[:-1])]
    assert calls[-1][1] == count
    assert len(calls) <= number
    assert len(calls) == 1 or min(stop - start for start, stop in calls) >= grain
    assert recorded(count, grain) == calls


@pytest.mark.usefixtures("limited")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_as_many_threads_as_were_set(number: int) -> None:
    set_num_threads(number)
    assert num_threads() == number
    for _ in range(3):
        check_that_all_meet(number)
        time.sleep(0.01)  # until the workers sleep


@pytest.mark.parametrize(("count", "error"), [(0, ArgumentError), (-1, ArgumentError), (2.0, ArgumentTypeError)])
def test_a_number_of_threads_is_a_positive_int(count: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="set_num_threads: expects"):
        set_num_threads(count)
    assert num_threads() == 2


def test_who_posted_a_call_makes_it_where_the_worker_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(recorded(2)) == 2
    time.sleep(0.05)
    monkeypatch.setattr(threads._Team, "wake", lambda team: None)
    assert recorded(2) == [(0, 1), (1, 2)]
    assert recorded(2) == [(0, 1), (1, 2)]


@pytest.mark.usefixtures("limited")
def test_a_larger_team_takes_the_place_of_a_smaller_one() -> None:
    check_that_all_meet(2)
    before = count_threads()
    set_num_threads(3)
    check_that_all_meet(3)
    while count_threads() > before + 1:  # two came, and one will go
        time.sleep(0.001)


@pytest.mark.usefixtures("limited")
def test_threads_that_ask_at_once_for_teams_get_ones_large_enough_and_leave_one() -> None:
    check_that_all_meet(2)
    before = count_threads()
    sizes = [1, 5, 2, 4, 3]
    with ThreadPoolExecutor(len(sizes)) as pool:
        for _ in range(50):
            threads._staff.team = None
            teams = list(pool.map(threads._staff.team_of, sizes))
            assert all(team.size >= size for team, size in zip(teams, sizes, strict=True))
            assert threads._staff.team is not None
            threads._staff.team.dismiss()
    while count_threads() > before + 1:  # the test's own first team is not dismissed
        time.sleep(0.001)


def test_where_no_thread_can_be_started_the_caller_makes_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "start_new_thread", fail)
    set_num_threads(3)
    assert len(recorded(9)) == 3


def test_on_one_core_the_caller_makes_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 1)
    assert len(recorded(9)) == 2
    assert threads._staff.team is None


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_fault", [0, 1, 2])
@pytest.mark.usefixtures("limited")
def test_an_error_of_any_part_is_raised_after_all_have_ended(at_fault: int) -> None:
    set_num_threads(3)
    for _ in range(3):
        running = np.zeros(3, np.int64)
        with pytest.raises(MemoryError, match="a kernel found no memory"):
            threads.run(fail, (at_fault, running.ctypes.data), 3)
        assert not running.any()
    check_that_all_meet(3)


def test_nothing_holds_the_arguments_afterwards() -> None:
    threads.run(fill, (np.zeros(3),), 2)  # compiled: the compiler keeps what it was called with for a while
    array = np.zeros(3)
    before = sys.getrefcount(array)
    threads.run(fill, (array,), 2)
    assert sys.getrefcount(array) == before


# ---- several Python threads ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("limited")
def test_several_python_threads_at_once() -> None:
    def work(seed: int) -> bool:
        expected = np.repeat([1.0, 2.0], 50)
        for _ in range(2000):
            array = np.zeros(100)
            threads.run(fill, (array,), 100)
            if not (array == expected).all():
                return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert all(pool.map(work, range(5)))
    check_that_all_meet(2)


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


MOMENTS = """
import signal
import numba, numpy as np
from tinygrad_cnn.kernels import set_num_threads
from tinygrad_cnn.kernels.jit import threads
from tinygrad_cnn.kernels.jit.atomics import latest, publish, rest, turned
from tinygrad_cnn.kernels.jit.sharing import divided

def interrupt(*_):
    raise KeyboardInterrupt

def work(running, part, start, stop):
    publish(running + 8 * part, 1)
    for turn in range(200):
        rest(turn)
    publish(running + 8 * part, 0)

@numba.njit(nogil=True)
def count_in(counter):
    while True:
        seen = latest(counter)
        if turned(counter, seen, seen + 1):
            break

def meet(counter, part, start, stop):
    count_in(counter)
    turn = 0
    while latest(counter) < 2 and turn < 100_000:
        rest(turn)
        turn += 1
    if latest(counter) == 2:
        count_in(counter + 8)

work, meet = (numba.njit(nogil=True)(divided(body)) for body in (work, meet))
running, counter = np.zeros(2, np.int64), np.zeros(2, np.int64)
set_num_threads(2)
threads.run(work, (running.ctypes.data,), 2)
signal.signal(signal.SIGALRM, interrupt)
hits = 0
for number in range(2000):
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 200))
        threads.run(work, (running.ctypes.data,), 2)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        hits += 1
        assert not running.any()
signal.setitimer(signal.ITIMER_REAL, 0)
tries = 0
while counter[1] < 2 and tries < 100:  # both parts run at the same time still
    counter[:] = 0
    threads.run(meet, (counter.ctypes.data,), 2)
    tries += 1
assert counter[1] == 2
assert hits > 10, hits
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer")
def test_ctrl_c_at_any_moment_waits_for_all_parts_and_leaves_the_team_whole(tmp_path: Path) -> None:
    script = tmp_path / "moments.py"  # Numba reads the source of what it compiles
    script.write_text(MOMENTS, "utf-8")
    command = [sys.executable, str(script)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
