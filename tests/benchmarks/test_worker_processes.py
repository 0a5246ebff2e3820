"""A service in a process of its own answers, fails and is left out as it would be here."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from benchmarks.processes import LeftOut, Worker

SERVICE = "tests.benchmarks.test_worker_processes:Service"


class Service:
    def __init__(self, start: int) -> None:
        if start < 0:
            raise LeftOut("no negative numbers")
        self.count = start

    def add(self, number: int, times: int = 1) -> int:
        sys.stdout.write("frameworks print what they like\n")
        self.count += times * number
        return self.count

    def fail(self) -> None:
        raise ValueError("as asked for")

    def leave(self) -> None:
        raise LeftOut("no such operation")

    def end(self) -> Any:
        raise SystemExit(3)


def test_a_worker_keeps_its_state_and_survives_errors() -> None:
    with Worker(SERVICE, {}, start=1) as worker:
        assert worker.call("add", 2) == 3
        with pytest.raises(RuntimeError, match="as asked for"):
            worker.call("fail")
        with pytest.raises(LeftOut, match="no such operation"):
            worker.call("leave")
        assert worker.call("add", 2, times=3) == 9
        with pytest.raises(RuntimeError, match=r"ended with exit code 3 in end"):
            worker.call("end")
    assert worker.process.returncode == 3


def test_a_service_may_be_left_out_at_once() -> None:
    with pytest.raises(LeftOut, match="no negative numbers"):
        Worker(SERVICE, {}, start=-1)
