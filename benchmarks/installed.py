"""What a package costs before it does anything: the time of its import, and its size on the disk."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from statistics import median

from benchmarks.processes import ROOT

CLOCK = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def import_times(modules: Sequence[str], runs: int) -> dict[str, float]:
    """Median seconds of the import in a fresh process, NumPy's included where a module needs it; all in turn.

    Modules that do not import are left out.
    """
    times: dict[str, list[float]] = {module: [] for module in modules}
    for run in range(runs + 1):
        for module in list(times):
            command = [sys.executable, "-c", CLOCK.format(module)]
            found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if found.returncode:
                del times[module]
            elif run:  # the first one reads files that are not in memory yet, or compiles them
                times[module].append(float(found.stdout))
    return {module: median(found) for module, found in times.items()}


def sizes(packages: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """By name the bytes of distributions, each with all that it requires."""
    return {name: sum(map(size_of, {*_closure(distributions)})) for name, distributions in packages.items()}


def size_of(name: str) -> int:
    """Bytes of the files of one distribution; of this repository's package where it is not installed as one."""
    files: list[Path] = []
    if (found := _distribution(name)) is not None:
        files = [Path(str(found.locate_file(path))) for path in found.files or []]
    if name == "tinygrad-cnn" and not any(path.suffix == ".py" for path in files):  # absent, or in editable mode
        files = [path for path in (ROOT / "tinygrad_cnn").rglob("*") if "__pycache__" not in path.parts]
    return sum(path.stat().st_size for path in files if path.is_file())


def _closure(names: Sequence[str]) -> Iterator[str]:
    """The distributions and what they require, where it is installed; extras are left out."""
    seen: set[str] = set()
    waiting = [_canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        found = _distribution(name)
        requirements = (found.requires or []) if found else ["numpy"] if name == "tinygrad-cnn" else []
        waiting += [_canonical(line) for line in requirements if "extra ==" not in line]


def _distribution(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _canonical(requirement: str) -> str:
    """The name that a requirement begins with: numpy for 'NumPy>=2; python_version > "3"'."""
    name = re.match(r"[\w.-]+", requirement.strip())
    return re.sub(r"[-_.]+", "-", name.group()).lower() if name else ""
