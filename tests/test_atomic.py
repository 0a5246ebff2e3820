from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentError, DataNotFoundError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def interrupted(path: Path, error: BaseException) -> None:
    with atomic_write(path) as draft:
        draft.write_text("ha")
        raise error


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "model.txt"
    with atomic_write(path) as draft:
        draft.write_text("new")
        assert draft.parent == tmp_path
        assert draft.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(tmp_path) == ["model.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_interrupted_writer_leaves_the_old_file_and_no_draft(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "model.txt"
    path.write_text("old")
    with pytest.raises(error):
        interrupted(path, error())
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.txt"]


def test_an_interrupted_first_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no space"):
        interrupted(tmp_path / "model.txt", OSError("no space left on this disk"))
    assert names(tmp_path) == []


def test_a_failing_move_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("locked")

    path = tmp_path / "model.txt"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError), atomic_write(path) as draft:
        draft.write_text("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["model.txt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_are_those_of_any_new_file_or_of_the_old_one(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    path = tmp_path / "model.txt"
    for expected in (stat.S_IMODE(ordinary.stat().st_mode), 0o600):
        with atomic_write(path) as draft:
            draft.unlink()
            os.close(os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600))  # as a writer does that replaces the draft
        assert stat.S_IMODE(path.stat().st_mode) == expected
        path.chmod(0o600)


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights elsewhere")
def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    link = tmp_path / "link.txt"
    link.symlink_to("real.txt")
    with atomic_write(link) as draft:
        draft.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new"


def test_a_missing_folder_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"no folder .*absent.* to write model\.txt"):
        atomic_write(tmp_path / "absent" / "model.txt").__enter__()
    with pytest.raises(ArgumentError, match="is a folder; add a file name"):
        atomic_write(tmp_path).__enter__()
    assert names(tmp_path) == []
