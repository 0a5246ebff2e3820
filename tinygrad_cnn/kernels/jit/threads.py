"""A small pool of threads for compiled loops that let go of Python's lock.

The range of a loop is cut into one part for each thread, by the numbers alone: the same range and the same number of
threads give the same parts, and so the same bits. The caller works on the first part itself and hands the others to
waiting threads, which takes about 10 microseconds; where all of them are busy, as when several Python threads compute
at once, it works on every part, one after the other.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import numpy as np

from tinygrad_cnn.kernels.jit.waiting import wait_for
from tinygrad_cnn.kernels.settings import num_threads

AWAKE = 5000  # turns of waiting, some 200 microseconds

Chunk = Callable[..., None]


class _Signal:
    """Wakes one waiting thread, at once if it has not waited long.

    A thread that sleeps takes up to 50 microseconds to wake, as long as many a kernel takes; so it stays awake for as
    long as the next kernel of a training step may be away, and sleeps after that.
    """

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()
        self._flag = np.zeros(1, np.int64)

    def give(self) -> None:
        self._lock.release()
        self._flag[0] = 1

    def wait(self) -> None:
        wait_for(self._flag, AWAKE)
        self._lock.acquire()


class _Desk:
    """Where a thread waits for calls to make."""

    def __init__(self) -> None:
        self.asked, self.answered = _Signal(), _Signal()
        self.call: tuple[Chunk, tuple[Any, ...]] | None = None
        self.error: BaseException | None = None
        self.closed = False
        self.left = allocate_lock()
        self.left.acquire()

    def serve(self) -> None:
        while not self.closed:
            self.asked.wait()
            if self.call is not None:
                function, arguments = self.call
                self.call = None
                try:
                    function(*arguments)
                except BaseException as error:
                    self.error = error
                del function, arguments  # what a waiting thread holds, nobody else can reuse
                self.answered.give()
        self.left.release()

    def close(self) -> None:
        """Let the thread end, after the call that it makes now."""
        self.closed = True
        try:
            self.asked.give()
        except RuntimeError:  # it was asked, and is about to wake
            return


class _Worker:
    """A thread to ask. It ends with this object, so that one that Ctrl-C lost makes way for another."""

    def __init__(self) -> None:
        self._desk = _Desk()
        start_new_thread(self._desk.serve, ())

    def __del__(self) -> None:
        self._desk.close()

    def ask(self, function: Chunk, arguments: tuple[Any, ...]) -> None:
        self._desk.call = function, arguments
        self._desk.asked.give()

    def wait(self) -> BaseException | None:
        """Until the call has been made; the error that it raised, if it did."""
        desk = self._desk
        desk.answered.wait()
        error, desk.error = desk.error, None
        return error

    def dismiss(self) -> None:
        """Until the thread has ended."""
        self._desk.close()
        self._desk.left.acquire()


class _Team:
    """The workers there are, at most one fewer than the threads a kernel runs on."""

    def __init__(self) -> None:
        self.idle: list[_Worker] = []  # append and pop are atomic: several Python threads share it
        self._members: WeakSet[_Worker] = WeakSet()

    def borrow(self) -> _Worker | None:
        """A worker that waits, a new one while the team is not complete, or None."""
        try:
            return self.idle.pop()
        except IndexError:
            if len(self._members) >= num_threads() - 1:
                return None
            worker = _Worker()
            self._members.add(worker)
            return worker

    def dismiss(self, workers: list[_Worker]) -> None:
        """End the threads of borrowed workers, and have new ones next time."""
        for worker in workers:
            worker.dismiss()
            self._members.discard(worker)


_team = _Team()


def _start_anew() -> None:
    global _team
    _team = _Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)  # threads do not survive a fork


def parts(count: int, grain: int = 1) -> int:
    """Into how many parts `run` cuts a range, so that each holds `grain` items or more."""
    most = count // max(1, grain)
    return 1 if most <= 1 else min(num_threads(), most)  # to ask for the cores takes a microsecond


def run(function: Chunk, arguments: tuple[Any, ...], count: int, grain: int = 1) -> None:
    """Call `function(*arguments, part, start, stop)` for every part of range(count), at the same time.

    function: compiled with `compiled`, so that it lets go of Python's lock. grain: the least work worth a thread of its
    own, in items.
    """
    n = parts(count, grain)
    if n == 1:
        function(*arguments, 0, 0, count)
        return
    bounds = [count * part // n for part in range(n + 1)]
    calls = [(*arguments, part, bounds[part], bounds[part + 1]) for part in range(n)]
    asked: list[_Worker] = []
    team = _team
    try:
        for call in calls[1:]:
            worker = team.borrow()
            if worker is None:
                break
            asked.append(worker)
            worker.ask(function, call)
        function(*calls[0])
        for call in calls[1 + len(asked) :]:
            function(*call)
        errors = [worker.wait() for worker in asked]
    except BaseException:
        # An error of the caller's own part, or Ctrl-C at any point: the others still write into the caller's arrays.
        team.dismiss(asked)
        raise
    team.idle.extend(asked)
    for error in errors:
        if error is not None:
            raise error
