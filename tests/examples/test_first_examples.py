"""The two examples to read first run, and what they claim in their docstrings holds."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def run(name: str, *arguments: str) -> Any:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"](list(arguments))


def test_custom_model(tmp_path: Path) -> None:
    assert run("custom_model", "--out", str(tmp_path)) > 0.85
    assert "conv.weight" in (tmp_path / "graph.svg").read_text("utf-8")


def test_figures(tmp_path: Path) -> None:
    assert run("figures", "--out", str(tmp_path)) > 0.9
    assert len(list(tmp_path.glob("*.png"))) == 10
