"""The threads that kernels share their work with: a team that waits, awake for a while, then asleep.

A worker that sleeps takes up to 50 microseconds to wake, as long as many a kernel takes; so it stays awake for as long
as the next kernel of a training step may be away. One team serves the process: a kernel that finds it busy, as when
several Python threads compute at once, makes all its calls itself.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.jit.sharing import ASLEEP, LINE, work
from tinygrad_cnn.kernels.settings import num_threads

AWAKE = 5000  # turns of waiting, some 200 microseconds


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
    """So many workers, and the memory in which kernels find them."""

    def __init__(self, size: int) -> None:
        line = 8 * LINE
        block = np.zeros((size + 2) * line, np.uint8)
        start = -block.ctypes.data % line
        self.address = block.ctypes.data + start
        work(self.address + line, 0)  # compiled here, before threads come to need it at once
        memory = block.data[start:]
        self.workers = [_Worker(self.address + line * number, memory, number) for number in range(1, size + 1)]

    def wake(self) -> None:
        for worker in self.workers:
            if worker.asleep[0]:
                worker.ring()

    def dismiss(self) -> None:
        for worker in self.workers:
            worker.closed = True
            worker.ring()


_team: _Team | None = None


def _team_of(size: int) -> _Team:
    """A team of at least so many."""
    global _team
    team = _team
    if team is None or len(team.workers) < size:
        _team, former = _Team(size), team
        if former is not None:
            former.dismiss()
        team = _team
    return team


def _start_anew() -> None:
    global _team
    _team = None


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
    if n == 1:
        function(*arguments, count, 1, 0)
        return
    team = _team_of(n - 1)
    team.wake()
    function(*arguments, count, n, team.address)
