from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.train.results import results_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_appear_together_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "first"

    with results_folder(folder) as draft:
        (draft / "history.json").write_text("new")
        (draft / "graph.svg").write_text("new")
        assert [name for name in names(folder) if not name.startswith(".")] == []

    assert names(folder) == ["graph.svg", "history.json"]


def test_earlier_results_are_replaced_and_other_files_kept(tmp_path: Path) -> None:
    for name in ("history.json", "filters-1.png", "filters-2.png", "filters-best.png", "notes.txt"):
        (tmp_path / name).write_text("old")

    with results_folder(tmp_path) as draft:
        (draft / "history.json").write_text("new")
        (draft / "filters-1.png").write_text("new")

    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {
        "history.json": "new",
        "filters-1.png": "new",
        "filters-best.png": "old",
        "notes.txt": "old",
    }


def interrupted(folder: Path, error: type[BaseException], file: str) -> None:
    """Write a file, below `folder` in the draft or beside it, and fail."""
    with results_folder(folder) as draft:
        (draft / file).write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_interrupted_run_leaves_earlier_results_as_they_were(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "history.json").write_text("old")
    (tmp_path / "filters-2.png").write_text("old")

    with pytest.raises(error):
        interrupted(tmp_path, error, "history.json")

    assert {name: (tmp_path / name).read_text() for name in names(tmp_path)} == {
        "history.json": "old",
        "filters-2.png": "old",
    }


def test_an_interrupted_run_takes_the_folders_that_it_made_away(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a" / "b" / "c", KeyboardInterrupt, "history.json")

    assert names(tmp_path) == []


def test_a_folder_in_which_somebody_else_wrote_stays(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a", KeyboardInterrupt, "../notes.txt")

    assert names(tmp_path / "a") == ["notes.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(ArgumentError, match="file is a file"), results_folder(tmp_path / "file"):
        pytest.fail("must not get so far")
    with pytest.raises(ArgumentError, match="cannot be written to"), results_folder(tmp_path / "file" / "below"):
        pytest.fail("must not get so far")

    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="everything can be written to by the super-user")
def test_a_folder_without_the_right_to_write_is_found_out_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ArgumentError, match="Permission denied"), results_folder(tmp_path / "new"):
            pytest.fail("must not get so far")
    finally:
        tmp_path.chmod(0o700)
