"""`tinygrad-cnn warm-up`: afterwards every kernel is compiled and kept on disk."""

from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tinygrad_cnn.cli import main

pytest.importorskip("numba")

from numba.core import config

from tinygrad_cnn.kernels.jit import compilation, disk_cache

ROOT = Path(__file__).parents[2]  # where a new process finds the package, installed or not

FLOAT32_ALONE = {"_map", "_map_grad", "_sum_tiles", "_finish", "_transform_rows", "_convolve_tiles"}
WITHOUT_FLOATS = {"work"}

# What each compiled function has been compiled for: the dtypes of its float arrays.
COMPILED = """
from tinygrad_cnn.kernels.jit import compilation, warming
skipped = {skipped}
for name, call in warming.calls().items():
    if name not in skipped:
        call()
print([
    (f.__name__, [sorted({{str(a.dtype) for a in types if hasattr(a, "layout")}} & {{"float32", "float64"}})
                  for types in f.signatures])
    for f in compilation.FUNCTIONS
])
"""


def compiled(*skipped: str) -> list[tuple[str, list[list[str]]]]:
    """The compiled functions, and for which dtypes, in a process that made the calls of the warm-up."""
    command = [sys.executable, "-c", COMPILED.format(skipped=skipped)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: list[Any] = ast.literal_eval(run.stdout)
    return found


def missing(found: list[tuple[str, list[list[str]]]]) -> set[str]:
    """The functions that lack a dtype."""
    lacking = set()
    for name, versions in found:
        dtypes = {dtype for version in versions for dtype in version}
        expected = {"float32"} if name in FLOAT32_ALONE else {"float32", "float64"}
        if name in WITHOUT_FLOATS:
            expected = set()
        if not versions or not expected <= dtypes:
            lacking.add(name)
    return lacking


def test_every_function_is_compiled_for_every_dtype() -> None:
    found = compiled()
    assert len(found) == len(compilation.FUNCTIONS)
    assert missing(found) == set()


def test_control_a_call_that_is_missing_is_found() -> None:
    assert missing(compiled("gelu, float32", "linear, small, float64")) == {"_map", "_linear"}


def test_the_command_tells_what_runs_and_where_it_lies(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm-up"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"kernels: .*\n\d+ functions in \d+\.\d s, kept in .+\n", out)
    assert err == ""  # nobody watches
    assert str(compilation.cache_folder()) in out


def test_progress_where_somebody_watches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["warm-up"]) == 0
    lines = capsys.readouterr().err.split("\r\033[K")
    assert re.fullmatch(r"1 of \d+: threads", lines[1])
    assert lines[-1] == ""


def test_without_numba_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['numba'] = None; from tinygrad_cnn.cli import main; sys.exit(main(['warm-up']))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert run.stderr.endswith("pip install 'tinygrad_cnn[fast]'\n")


# ---- what is kept on disk


def test_without_a_folder_for_them_kernels_are_compiled_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "FUNCTIONS", [])
    monkeypatch.setattr(disk_cache.DiskCache._impl_class, "_locator_classes", [])
    double = compilation.compiled(lambda x: 2 * x)
    assert double(3) == 6
    assert compilation.cache_folder() is None


def test_where_the_sources_are_no_files_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "FUNCTIONS", [])
    monkeypatch.setattr(compilation, "stamp", lambda: None)
    double = compilation.compiled(lambda x: 2 * x)
    assert double(3) == 6
    assert compilation.cache_folder() is None


KEPT = """
from tinygrad_cnn.kernels.jit import compilation, disk_cache

def double(x):
    return 2 * x

def run():
    function = compilation.compiled(double)
    results = function(3), function(1.5)
    return results, sum(function.stats.cache_hits.values())
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """A function compiled as in a new process, for integers and for floats: the results, and how many were kept."""
    monkeypatch.setattr(compilation, "FUNCTIONS", [])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "kept.py").write_text(KEPT, "utf-8")
    namespace = runpy.run_path(str(tmp_path / "kept.py"))
    found: Callable[[], Any] = namespace["run"]
    return found


def test_what_was_compiled_once_is_kept_for_each_type(run: Callable[[], Any], tmp_path: Path) -> None:
    assert run() == ((6, 3.0), 0)
    assert run() == ((6, 3.0), 2)
    assert len(list((tmp_path / "cache").rglob("*.nbc"))) == 2


def test_a_file_that_cannot_be_read_is_as_good_as_none(run: Callable[[], Any], tmp_path: Path) -> None:
    run()
    for path in (tmp_path / "cache").rglob("*.nbc"):
        path.write_bytes(path.read_bytes()[:100])
    assert run() == ((6, 3.0), 0)
    assert run() == ((6, 3.0), 2)


def test_files_of_other_sources_make_way(
    run: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.setattr(disk_cache, "stamp", lambda: "another")
    assert run() == ((6, 3.0), 0)
    names = [path.name for path in (tmp_path / "cache").rglob("*.nbc")]
    assert len(names) == 2
    assert all(".another." in name for name in names)


def test_a_full_disk_costs_no_result(run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk_cache, "atomic_write", fail)
    assert run() == ((6, 3.0), 0)
