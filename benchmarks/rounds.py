"""Measuring several processes in turn: what disturbs the machine for a while then disturbs all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import mean, median
from time import perf_counter
from typing import TypeVar

from benchmarks.load import Load

Name = TypeVar("Name")
Measure = Callable[[float], list[float]]  # from seconds: milliseconds of each call that fitted in

ROUNDS = 5
WARM_UP = 0.15  # of a round, and at least LEAST seconds: caches fill, threads wake up
LEAST = 0.01
QUIET = 0.1  # cores that other programs may use in a round that counts
PAUSE = 0.03  # seconds between two rounds: the threads of the last one stop spinning


@dataclass(frozen=True)
class Times:
    """Milliseconds of one thing over all rounds. others: cores that other programs kept busy meanwhile (0: unknown)."""

    median: float
    best: float
    count: int
    others: float


def in_turn(measures: Mapping[Name, Measure], seconds: float, rounds: int = ROUNDS) -> dict[Name, Times]:
    """The times of each measure, which gets its part of the seconds in every round.

    Rounds that other programs disturb are measured again, up to as many as were asked for; the quietest count.
    """
    found: list[tuple[float, dict[Name, list[float]]]] = []
    while len(found) < 2 * rounds and sum(others <= QUIET for others, _ in found) < rounds:
        load, times = Load(), {}
        for name, measure in measures.items():
            time.sleep(PAUSE)
            times[name] = measure(seconds / rounds)
        found.append((load.of_others() or 0.0, times))
    quietest = sorted(found, key=itemgetter(0))[:rounds]
    others = mean(others for others, _ in quietest)
    return {name: summary([ms for _, times in quietest for ms in times[name]], others) for name in measures}


def summary(times: Sequence[float], others: float) -> Times:
    return Times(median(times), min(times), len(times), others)


def warn_of_others(times: Iterable[Times]) -> None:
    """Say so where other programs ran beside the measurements."""
    others = max((found.others for found in times), default=0.0)
    if others > QUIET:
        print(f"warning: other programs kept {others:.1f} cores busy beside some of these measurements")


def repeat(work: Callable[[], object], seconds: float) -> list[float]:
    """Milliseconds of each of the calls that fit into that time, at least one, after some that do not count."""
    start = perf_counter()
    while perf_counter() - start < max(WARM_UP * seconds, LEAST):
        work()
    times: list[float] = []
    start = now = perf_counter()
    while not times or now - start < seconds:
        before = perf_counter()
        work()
        now = perf_counter()
        times.append(1000 * (now - before))
    return times
