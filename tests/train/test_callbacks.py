from __future__ import annotations

import pytest

from tinygrad_cnn.train import EntryRows, History, Progress, ProgressBar


def progress(**lists: list[float]) -> Progress:
    return Progress(steps=40, epochs=2, step=20, epoch=1, loss=0.5, history=History(**lists))  # type: ignore[arg-type]


def test_rows_have_a_head_and_then_one_line_per_entry() -> None:
    lines: list[str] = []
    rows = EntryRows(write=lines.append)

    rows.on_entry(progress(train_loss=[0.5], train_accuracy=[0.25], test_loss=[0.125], test_accuracy=[1.0]))
    rows.on_entry(
        progress(train_loss=[0.5, 0.4], train_accuracy=[0.25, 0.5], test_loss=[0.125, 0.1], test_accuracy=[1.0, 0.9])
    )

    assert [line.split() for line in lines] == [
        ["epoch", "training", "loss", "accuracy", "test", "loss", "accuracy"],
        ["1", "0.5000", "25.00%", "0.1250", "100.00%"],
        ["2", "0.4000", "50.00%", "0.1000", "90.00%"],
    ]
    assert len({len(line) for line in lines}) == 1  # the columns stand below their heads


def test_rows_of_steps_are_numbered_by_update() -> None:
    lines: list[str] = []
    curves = {name: [0.5] for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy")}
    EntryRows(write=lines.append).on_entry(progress(**curves, step=[1200]))

    assert [line.split()[0] for line in lines] == ["update", "1,200"]


def test_rows_go_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    EntryRows().on_entry(progress(train_loss=[1], train_accuracy=[1], test_loss=[1], test_accuracy=[1]))

    output, errors = capsys.readouterr()
    assert len(output.splitlines()) == 2
    assert errors == ""


def test_the_bar_shows_on_stderr_and_clears_itself(capsys: pytest.CaptureFixture[str]) -> None:
    bar, standing = ProgressBar(), progress()
    bar.on_start(standing)
    for _ in range(standing.steps):
        bar.on_step(standing)
    bar.on_end(standing)

    output, errors = capsys.readouterr()
    assert output == ""
    assert "0/40" in errors
    assert errors.split("\r")[-2].strip() == ""  # the last that it wrote over itself


def test_a_bar_that_never_started_ends_in_peace() -> None:
    ProgressBar().on_end(progress())
