"""How busy other programs keep the machine while something is measured, where psutil is installed."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from time import perf_counter
from typing import Any


class Load:
    """From now on: the time that cores spend on this process and its children, and on others."""

    def __init__(self) -> None:
        try:
            self.psutil: Any = import_module("psutil")
        except ImportError:
            self.psutil = None
            return
        self.start, self.busy, self.own = perf_counter(), self._busy(), self._own()

    def of_others(self) -> float | None:
        """Cores that other processes have kept busy on average; None where psutil is missing."""
        if self.psutil is None:
            return None
        seconds = max(perf_counter() - self.start, 1e-3)
        return max(0.0, (self._busy() - self.busy) - (self._own() - self.own)) / seconds

    def _busy(self) -> float:
        times = self.psutil.cpu_times()
        # steal: what other virtual machines took
        return float(times.user + times.system + getattr(times, "nice", 0) + getattr(times, "steal", 0))

    def _own(self) -> float:
        process = self.psutil.Process()
        seconds = float(sum(process.cpu_times()[:4]))  # its own, and that of children that have ended
        for child in process.children(recursive=True):
            with suppress(self.psutil.Error):
                seconds += sum(child.cpu_times()[:4])
        return seconds
