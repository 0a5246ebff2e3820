"""Types: what users write passes mypy --strict, and their mistakes do not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.typing_samples import user_code

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "tests" / "typing_samples" / "user_code.py"

MISTAKES = """
import tinygrad_cnn as tg

x = tg.tensor([1.0, 2.0])
x.clamp(minimum=0)
x.sum(dim="rows")
name: str = x.exp()
tg.var(x, corection=1)
"""


def mypy(*arguments: str) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("needs mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_user_code_runs() -> None:
    losses = user_code.train(3)
    assert losses[-1] < losses[0]


def test_user_code_passes_mypy_strict() -> None:
    run = mypy(str(SAMPLE))
    assert run.returncode == 0, run.stdout


def test_control_finds_mistakes(tmp_path: Path) -> None:
    sample = tmp_path / "mistakes.py"
    sample.write_text(MISTAKES, "utf-8")
    run = mypy(str(sample))
    assert run.returncode == 1
    assert [line.rsplit("[", 1)[1] for line in run.stdout.splitlines() if ": error:" in line] == [
        "call-arg]",
        "arg-type]",
        "assignment]",
        "call-arg]",
    ], run.stdout
