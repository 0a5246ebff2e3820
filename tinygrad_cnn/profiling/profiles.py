"""`profile`: measures a block of code, and `Profile`: what it found."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.core import observe
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.profiling.calls import Recorder
from tinygrad_cnn.profiling.memory import PeakMeter
from tinygrad_cnn.profiling.rows import Row, added_up, grouped
from tinygrad_cnn.profiling.tables import table
from tinygrad_cnn.profiling.traces import trace


class Profile:
    """Where the time of a block went. `print` shows it by operation and by module; it may be read while the block runs.

    Each line is the forward calls of an operation, or its backward rules, added up; `Row` says what the columns mean.
    "between operations" is the time in none of them: Python, loading data, adding gradients up, the optimiser.
    """

    def __init__(self, recorder: Recorder, meter: PeakMeter | None) -> None:
        self._recorder = recorder
        self._meter = meter
        self._thread = threading.get_native_id()
        self._started = perf_counter()
        self._ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long the block took, or has taken so far."""
        return (perf_counter() if self._ended is None else self._ended) - self._started

    @property
    def peak_memory(self) -> int | None:
        """The most bytes held at once of those allocated in the block; None without memory=True."""
        return None if self._meter is None else self._meter.highest

    def rows(self, by: str = "operation", sort: str = "time") -> list[Row]:
        """The figures behind `table`.

        Raises: ArgumentError for an unknown `by` or `sort`.
        """
        return grouped(self._recorder.calls, self.seconds, by, sort)

    def table(self, by: str = "operation", sort: str = "time") -> str:
        """The profile as text.

        by: 'operation', 'module' (the innermost that was running) or 'shape' (an operation and its inputs' shapes).
        sort: 'time', 'calls', 'flops', 'bytes' or 'allocated', the largest first; 'name'; 'order' (who ran first).

        Raises: ArgumentError for an unknown `by` or `sort`.
        """
        calls, seconds = self._recorder.calls, self.seconds
        lines = grouped(calls, seconds, by, sort)
        total = replace(added_up("total", "forward", calls, seconds), seconds=seconds, share=1.0, peak=self.peak_memory)
        return table(by, lines, total, sum(call.overhead for call in calls))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write every call on a line of time, as a .json file for chrome://tracing or https://ui.perfetto.dev.

        Raises: ArgumentError where nothing ran, or `path` has another suffix; DataNotFoundError without its folder.
        """
        if Path(path).suffix != ".json":
            raise ArgumentError(f"Profile.save: writes a trace in JSON, got {os.fspath(path)!r}; give a name in .json")
        if not self._recorder.calls:
            raise ArgumentError(
                "Profile.save: no operation on Tensors ran in the block; run the model inside it, in the same thread"
            )
        found = trace(self._recorder.calls, self._started, os.getpid(), self._thread)
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(found, indent=0), "utf-8")

    def __str__(self) -> str:
        return f"{self.table('operation')}\n\n{self.table('module')}"

    def __repr__(self) -> str:
        return f"Profile({len(self._recorder.calls)} calls, {self.seconds:.3g} s)"

    def _finish(self) -> None:
        self._ended = perf_counter()
        self._recorder.forget()


@contextmanager
def profile(*, memory: bool = False) -> Iterator[Profile]:
    """Measure what the operations of this thread take, move and allocate while the block runs.

    What is profiled is what runs without it: layers that are fused stay fused. Recording a call takes 5 to 30
    microseconds, which are shown apart, and about 1 kB, for shapes and not for arrays: take some steps of a training,
    not all of it.

    memory: also find the most memory that was held at once. It makes everything slower (Python's tracemalloc counts
    each allocation of the process), so take the times from a run without.

    Raises: ArgumentError where another block measures memory already.

    Example:
        >>> import numpy as np
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Linear(100, 20), nn.Tanh(), nn.Linear(20, 10))
        >>> with profile() as p:
        ...     model(tg.Tensor(np.ones((8, 100), np.float32))).sum().backward()
        >>> [(row.name, row.direction, row.multiply_adds) for row in p.rows(by="module", sort="order")][:3]
        [('0 (Linear)', 'forward', 16000), ('1 (Tanh)', 'forward', 0), ('2 (Linear)', 'forward', 1600)]
    """
    with ExitStack() as ending:
        meter = ending.enter_context(PeakMeter()) if memory else None
        recorder = Recorder(None if meter is None else meter.since_last)
        ending.enter_context(observe(recorder, layers=False))
        result = Profile(recorder, meter)
        ending.callback(result._finish)
        yield result
