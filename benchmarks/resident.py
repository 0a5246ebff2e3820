"""The memory that a process has held in RAM."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.processes import LeftOut


def peak_memory() -> int:
    """The most bytes that this process has had in RAM at once. Raises: LeftOut on Windows."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux ru_maxrss begins with what the parent had when it started this process
        for line in status.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        resource: Any = import_module("resource")
    except ImportError as error:
        raise LeftOut(f"no peak memory on this system: {error}") from error
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)
