"""`tinygrad-cnn warm-up`: afterwards every kernel is compiled and kept on disk."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tinygrad_cnn.cli import main

pytest.importorskip("numba")

from tinygrad_cnn.kernels.jit import compilation

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


def test_without_a_folder_for_them_kernels_are_compiled_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "FUNCTIONS", [])
    monkeypatch.setattr(compilation._FilesOfOneStamp, "_locator_classes", [])
    double = compilation.compiled(lambda x: 2 * x)
    assert double(3) == 6
    assert compilation.cache_folder() is None
