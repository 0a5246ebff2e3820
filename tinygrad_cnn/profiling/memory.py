"""The memory that is held at most, as Python's tracemalloc counts it; NumPy reports its arrays there."""

from __future__ import annotations

import tracemalloc
from threading import Lock
from types import TracebackType
from typing import Self

from tinygrad_cnn.errors import ArgumentError

_BUSY = Lock()  # there is one tracemalloc, and one mark of its peak, for the whole process


class PeakMeter:
    """While it is entered, tells the largest number of bytes held at once of those allocated since then.

    Raises: ArgumentError where another one is entered already.
    """

    def __enter__(self) -> Self:
        if not _BUSY.acquire(blocking=False):
            raise ArgumentError(
                "profile: memory is measured for the whole process, and another block measures it already; "
                "pass memory=True to one of them only"
            )
        self._is_ours = not tracemalloc.is_tracing()
        if self._is_ours:
            tracemalloc.start()
        tracemalloc.reset_peak()
        self._before, self.highest = tracemalloc.get_traced_memory()[0], 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.since_last()
        if self._is_ours:
            tracemalloc.stop()
        _BUSY.release()

    def since_last(self) -> int:
        """The most that was held since this was last asked."""
        peak = max(0, tracemalloc.get_traced_memory()[1] - self._before)
        tracemalloc.reset_peak()
        self.highest = max(self.highest, peak)
        return peak
