"""Rounds in turn, and the load of other programs."""

from __future__ import annotations

from functools import partial

import pytest

from benchmarks import rounds
from benchmarks.rounds import Times, in_turn, repeat, warn_of_others
from benchmarks.tables import short, table


class FakeLoad:
    """Other programs run beside the first rounds."""

    loads: list[float]

    def of_others(self) -> float:
        return self.loads.pop(0)


def test_measures_take_turns_and_disturbed_rounds_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeLoad.loads = [1.5, 0.0, 0.9, 0.05, 0.0]
    monkeypatch.setattr(rounds, "Load", FakeLoad)
    monkeypatch.setattr(rounds, "QUIET", 0.1)
    calls: list[str] = []

    def measure(name: str, seconds: float) -> list[float]:
        calls.append(name)
        assert seconds == 1.0
        return [float(len(calls))]

    times = in_turn({name: partial(measure, name) for name in "ab"}, seconds=3.0, rounds=3)
    assert "".join(calls) == "ab" * 5
    assert times["a"] == Times(median=7.0, best=3.0, count=3, others=times["b"].others)
    assert times["a"].others == pytest.approx(0.05 / 3)


def test_disturbed_rounds_count_where_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    FakeLoad.loads = [0.5, 0.7, 0.6, 0.9]
    monkeypatch.setattr(rounds, "Load", FakeLoad)
    monkeypatch.setattr(rounds, "QUIET", 0.1)
    times = in_turn({"a": lambda seconds: [1.0]}, seconds=1.0, rounds=2)
    assert times["a"].others == pytest.approx(0.55)
    warn_of_others(times.values())
    assert capsys.readouterr().out == "warning: other programs kept 0.6 cores busy beside some of these measurements\n"


def test_at_least_one_call_is_timed() -> None:
    assert len(repeat(lambda: None, 0.0)) == 1


def test_tables_are_aligned_and_numbers_short() -> None:
    lines = table(["name", "ms"], [["a", "1"], ["long name", "12.5"]]).splitlines()
    assert lines[1] == "| :-------- | ---: |"
    assert lines[2] == "| a         |    1 |"
    assert [short(number) for number in (0.0, 0.04123, 1.2345, 81.44, 99.96, 2371.0)] == [
        *("0", "0.0412", "1.23", "81.4", "100.0", "2370")
    ]
