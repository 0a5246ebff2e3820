"""`tinygrad-cnn check`: the table of rules, and a user's own operation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinygrad_cnn.cli import main

MODULE = """
import numpy as np
import tinygrad_cnn as tg

@tg.primitive
def right(x):
    return x / (1 + np.exp(-x))
right.defvjp(x=lambda g, x, y: g * (y + tg.sigmoid(x) * (1 - y)))

@tg.primitive
def halved(x):
    return x**2
halved.defvjp(x=lambda g, x: g * x)

@tg.primitive
def without(x):
    return x
"""


@pytest.fixture
def users_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "users_operations.py").write_text(MODULE, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "users_operations"


def test_a_row_for_each_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "relu", "conv2d", "--examples", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["operation", "order", "cases", "comparisons", "at", "kinks", "seconds"]
    assert [line.split()[:3] for line in lines[1:3]] == [["relu", "2", "3"], ["conv2d", "2", "3"]]


def test_the_users_right_operation_passes(users_module: str) -> None:
    assert main(["check", f"{users_module}:right", "--examples", "3"]) == 0


def test_the_users_wrong_operation_fails_with_a_hint(users_module: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", f"{users_module}:halved", "--examples", "3", "--order", "1"]) == 1
    out = capsys.readouterr().out
    assert "at fault: the rule of halved for x" in out
    assert "factor of 0.5" in out
    assert "testing.check_grad(halved, [np.array(" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["zzz"], "no primitive is called zzz; there are abs, "),
        (["conv"], "did you mean conv2d"),
        (["no_such_module:op"], "cannot import no_such_module"),
        (["users_operations:missing"], "must be a primitive or a Specification, found nothing"),
        (["users_operations:without"], "has no rule yet; add one with without.defvjp(...)"),
        (["gt"], "gt has no rule to check"),
        (["--examples", "0"], "--examples must be at least 1, got 0"),
        (["--order", "3"], "--order"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, users_module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert words in err
