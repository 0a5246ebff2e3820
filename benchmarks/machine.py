"""What a benchmark ran on, and the settings that give every framework the same number of threads."""

from __future__ import annotations

import importlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

THREADS = 2
PACKAGES = ("numpy", "numba", "llvmlite", "torch", "jax", "mygrad", "dezero", "tinygrad")


def thread_environment(threads: int) -> dict[str, str]:
    """Environment variables under which NumPy, Numba and every peer use that many threads."""
    names = (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
        *("NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS", "TINYGRAD_CNN_THREADS"),
        "NPROC",  # the pool of XLA
        "NUM_CPU_THREADS",  # tinygrad
    )
    multi = "true" if threads > 1 else "false"
    return {**dict.fromkeys(names, str(threads)), "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={multi}"}


def installed_version(package: str) -> tuple[str, str] | None:
    """The package and its version."""
    try:
        return package, version(package)
    except PackageNotFoundError:
        return None


def cpu_name() -> str:
    """The processor as the system calls it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def description(threads: int | None) -> dict[str, Any]:
    """The machine, for the JSON of a run."""
    found = {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": dict(filter(None, map(installed_version, PACKAGES))),
    }
    if threads is None:
        return found
    return {**found, "threads": threads, "environment": thread_environment(threads)}


def thread_pools() -> list[dict[str, Any]]:
    """The thread pools of this process's libraries, where threadpoolctl is installed."""
    try:
        threadpoolctl: Any = importlib.import_module("threadpoolctl")
    except ImportError:
        return []
    keys = ("internal_api", "version", "num_threads", "architecture")
    return [{key: pool[key] for key in keys if key in pool} for pool in threadpoolctl.threadpool_info()]
