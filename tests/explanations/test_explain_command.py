"""`tinygrad-cnn explain`."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.explanations import explain, samples


def test_it_prints_the_text_of_the_example_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--kernel", "3", "--stride", "2", "--padding", "1", "--size", "5"]
    assert main(["explain", "conv2d", *options]) == 0

    x, w = samples.image(5), samples.filters(3)
    assert capsys.readouterr().out == explain("conv2d", x, w, np.ones(1), stride=2, padding=1).text


@pytest.mark.parametrize(
    ("options", "sign"),
    [
        (["max_pool2d", "--size", "6", "--kernel", "2", "--dilation", "2"], "O_H = ⌊"),
        (["avg_pool2d", "--kernel", "3", "--stride", "1"], "1/9"),
        (["conv2d", "--padding", "same", "--kernel", "2"], "P + P'"),
        (["sigmoid", "--lang", "ja"], "逆伝播の式の導出"),
        (["softmax", "--latex"], r"\section*{softmax: its backward rule, derived}"),
    ],
)
def test_options(options: list[str], sign: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *options]) == 0
    assert sign in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["conv2"], "did you mean conv2d?"),
        (["relu", "--lang", "de"], "lang must be one of en, ja, got 'de'"),
        (["relu", "--kernel", "3"], "argument --kernel: goes with conv2d, max_pool2d, avg_pool2d, not with relu"),
        (["avg_pool2d", "--dilation", "2"], "argument --dilation: goes with conv2d, max_pool2d, not with avg_pool2d"),
        (["conv2d", "--size", "0"], "argument --size: must be at least 1, got 0"),
        (["conv2d", "--kernel", "-1"], "argument --kernel: must be at least 1, got -1"),
        (["conv2d", "--kernel", "9"], "kernel 9x9 is larger than its padded input 5x5"),
        (["conv2d", "--padding", "much"], "argument --padding"),
        ([], "OP"),
    ],
)
def test_refusals(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *options]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.count("\n") == 1


def test_an_output_that_cannot_write_the_signs_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert main(["explain", "relu"]) == 2
    assert "set PYTHONIOENCODING=utf-8" in capsys.readouterr().err


def test_the_readme_shows_what_comes_out() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    (shown,) = [fence for fence in re.findall(r"```text\n(.*?)```", readme, re.DOTALL) if "∂J/∂X_mn" in fence]
    text = explain("conv2d", stride=2, padding=1).text
    for part in shown.split("...\n"):
        assert part in text
