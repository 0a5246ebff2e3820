"""`tinygrad-cnn summary`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygrad_cnn.cli import main

MODELS = """
from tinygrad_cnn import nn

def make():
    return nn.Sequential({"features": nn.Conv2d(3, 8, 3, 2), "flat": nn.Flatten(), "head": nn.Linear(1800, 3)})

wrong = nn.Sequential(nn.Flatten(), nn.Linear(10, 3))
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of models, in the folder where the user stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "summarised_models.py").write_text(MODELS)
    return "summarised_models"


def shown(capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert main(["summary", *options]) == 0
    return capsys.readouterr().out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["summary", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_the_network_that_train_makes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys)
    assert lines[0] == "Sequential, input 1 x 8 x 8, batch of 32"
    assert "parameters                 13,706" in lines


def test_its_options_and_another_image(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--filters", "4,4", "--hidden", "20", "--padding", "0", "--input", "3,28,28", "--batch-size", "10"]
    lines = shown(capsys, *options)
    assert lines[0] == "Sequential, input 3 x 28 x 28, batch of 10"
    assert "  ^ 1 row, 1 column unread: ceil_mode=True, or input 12x12" in lines


def test_the_optimiser_whose_state_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  state of SGD             0 B" in shown(capsys, "--optimizer", "sgd")


def test_a_model_of_the_users(capsys: pytest.CaptureFixture[str], module: str) -> None:
    lines = shown(capsys, f"{module}:make", "--input", "3,32,32")
    assert lines[3].startswith("features  Conv2d")
    assert lines[4] == "  ^ 1 row, 1 column unread: padding=1, or input 33x33"


def test_html(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = tmp_path / "summary.html"
    assert shown(capsys, "--html", str(page)) == [str(page)]
    text = page.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "<td>16 x 8 x 8</td>" in text


def test_what_is_wrong_is_said_in_one_line(capsys: pytest.CaptureFixture[str], module: str) -> None:
    for options, message in [
        (
            [f"{module}:wrong", "--input", "4,4"],
            "1: Linear expects 10 features, Flatten gives 16 (4 x 4 from the input)",
        ),
        ([f"{module}:make"], "argument --input: MODEL needs the shape of one input"),
        ([f"{module}:make", "--input", "8,3,32,32"], "pass (3, 32, 32)"),
        ([f"{module}:make", "--input", "3,32,32", "--filters", "3"], "argument --filters: says what the network is"),
        ([f"{module}:make", "--input", "3,32,32", "--data", "mnist"], "argument --data: says what the network is"),
        ([f"{module}:number", "--input", "3"], "must be a Module, or make one without arguments, got int"),
        ([f"{module}:nothing", "--input", "3"], "has no nothing"),
        (["no_such_module:make", "--input", "3"], "there is no module no_such_module"),
        ([module, "--input", "3"], "expects package.module:name"),
        (["--input", "3,x"], "argument --input: expects whole numbers"),
        (["--input", "8,8"], "expects an image C,H,W"),
    ]:
        error = refused(capsys, *options)
        assert message in error
        assert error.count("\n") == 1
