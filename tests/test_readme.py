"""README.md keeps its word: its Python runs, and what it shows is what comes out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, testing, viz
from tinygrad_cnn.errors import ShapeError

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Everything that the Python of the README defines, after it ran from top to bottom."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    exec(compile("\n".join(fences("python")), "README.md", "exec"), namespace)
    return namespace


def test_there_are_two_commands_and_each_is_one_line() -> None:
    commands = fences("sh")
    assert [command.count("\n") for command in commands] == [1, 1]
    assert commands[0].endswith("tinygrad-cnn train\n")
    assert commands[1].endswith("pytest\n")


def test_the_python_runs_and_draws(readme: dict[str, Any], tmp_path: Path) -> None:
    svg = (tmp_path / "graph.svg").read_text("utf-8")
    assert "conv.weight" in svg
    assert readme["loss"].item() < 2.0


def test_a_mistake_names_the_layer_as_shown(readme: dict[str, Any]) -> None:
    with pytest.raises(ShapeError) as error:
        readme["model"](tg.Tensor(np.zeros((32, 1, 14, 14), np.float32)))
    assert str(error.value) == fences("text")[0].strip()


def test_a_wrong_rule_is_reported_as_shown(readme: dict[str, Any]) -> None:
    swish = readme["swish"]
    swish.defvjp(x=lambda g, x, y: -g * (y + tg.sigmoid(x) * (1 - y)))
    report = str(testing.gradient_report(swish, [np.linspace(-3, 3, 7)], order=2))
    for line in fences("text")[1].splitlines():
        if "called at" not in line and line.strip() != "...":
            assert line.strip() in report


def test_the_profile_has_the_lines_shown(readme: dict[str, Any], tmp_path: Path) -> None:
    def labels(table: str) -> set[tuple[str, ...]]:
        lines = [re.split(r"  +", line.strip()) for line in table.splitlines()]
        return {tuple(cell for cell in line if not re.match(r"[\d,.-]+$", cell)) for line in lines}

    assert labels(readme["p"].table(by="module")) == labels(fences("text")[2])
    assert (tmp_path / "trace.json").exists()


def test_the_summary_is_as_shown(readme: dict[str, Any]) -> None:
    shown = viz.summary(readme["net"], (3, 28, 28), batch_size=64)
    assert f"{shown}\n" in fences("text")


def test_a_layer_that_does_not_fit_is_named_as_shown(readme: dict[str, Any]) -> None:
    readme["net"].head = nn.Linear(400, 10)
    with pytest.raises(ShapeError) as error:
        nn.infer_shapes(readme["net"], (3, 28, 28))
    assert f"{error.value}\n" in fences("text")
