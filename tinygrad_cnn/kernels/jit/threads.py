"""The threads that kernels share their work with: a team that waits, awake for a while, then asleep.

A worker that sleeps takes up to 50 microseconds to wake, as long as many a kernel takes; so it stays awake for as long
as the next kernel of a training step may be away, or the caller's part of one may last longer than its own. One team
serves the process: a kernel that finds it busy, as when several Python threads compute at once, makes all its calls
itself.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.jit.sharing import ASLEEP, LINE, work
from tinygrad_cnn.kernels.settings import SETTINGS, available_cores, num_threads

AWAKE = 15_000  # turns of waiting, some 2 milliseconds: after the first ones, others may have the core meanwhile


class _Worker:
    """A thread at a desk. It ends with its team."""

    def __init__(self, desk: int, memory: memoryview, number: int) -> None:
        self.memory = memory  # holds the desk for as long as the thread may look at it
        self.asleep = memory[8 * LINE * number + ASLEEP :][:8].cast("q")
        self.closed = False
        self._bell = allocate_lock()
        self._bell.acquire()
        start_new_thread(self._serve, (desk,))

    def ring(self) -> None:
        with suppress(RuntimeError):  # it was rung for already, and is about to wake
            self._bell.release()

    def _serve(self, desk: int) -> None:
        while not self.closed:
            work(desk, AWAKE)
            self._bell.acquire()


class _Team:
    """So many workers, and the memory in which kernels find them; fewer where no more threads can be started."""

    def __init__(self, size: int) -> None:
        line = 8 * LINE
        block = np.zeros((size + 2) * line, np.uint8)
        start = -block.ctypes.data % line
        self.size = size  # desks, whether somebody sits there or not
        self.address = block.ctypes.data + start
        work(self.address + line, 0)  # compiled here, before threads come to need it at once
        self.workers: list[_Worker] = []
        self._memory = block.data[start:]
        try:
            for number in range(1, size + 1):
                self.workers.append(_Worker(self.address + line * number, self._memory, number))
        except RuntimeError:  # "can't start new thread": whoever posts a call makes it
            return
        except BaseException:
            self.dismiss()
            raise

    def wake(self) -> None:
        for worker in self.workers:
            if worker.asleep[0]:
                worker.ring()

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.closed = True
            worker.ring()


class _Staff:
    """The team of this process, and a larger one when it is asked for."""

    def __init__(self) -> None:
        self.team: _Team | None = None
        self._lock = allocate_lock()

    def team_of(self, size: int) -> _Team:
        """A team of at least so many."""
        team = self.team
        if team is not None and team.size >= size:
            return team
        with self._lock:
            former = self.team
            if former is not None and former.size >= size:
                return former
            self.team = team = _Team(size)
        if former is not None:
            former.dismiss()
        return team


_staff = _Staff()


def _start_anew() -> None:
    global _staff
    _staff = _Staff()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)  # threads do not survive a fork


def parts(count: int, grain: int = 1) -> int:
    """Into how many parts `run` cuts a range, so that each holds `grain` items or more."""
    most = count // max(1, grain)
    return 1 if most <= 1 else min(num_threads(), most)  # to ask for the cores takes a microsecond


def run(function: Callable[..., None], arguments: tuple[Any, ...], count: int, grain: int = 1) -> None:
    """Call a `shared` function for range(count), on as many threads as its work is worth.

    grain: the least work worth a thread of its own, in items.
    """
    n = parts(count, grain)
    if n == 1 or (SETTINGS.threads and available_cores() == 1):  # on one core, others would only be in the way
        function(*arguments, count, n, 0)
        return
    team = _staff.team_of(n - 1)
    team.wake()
    function(*arguments, count, n, team.address)
