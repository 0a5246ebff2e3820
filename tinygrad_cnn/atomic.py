"""Files that are whole or not there: written beside their place, and moved into it when complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygrad_cnn.errors import ArgumentError, DataNotFoundError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty draft beside `path`: write to it, and when the block ends it takes the place of `path` in one step.

    Whoever reads `path` meanwhile finds the old file. Where the block raises, or is interrupted, the draft is removed
    and the old file stays. The draft keeps the suffix of `path`, from which many writers read the format.

    Raises: DataNotFoundError where the folder does not exist, ArgumentError where `path` is a folder itself.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_write(Path(folder) / "note.txt") as draft:
        ...         _ = draft.write_text("complete")
        ...     [file.name for file in Path(folder).iterdir()]
        ['note.txt']
    """
    target = Path(path).resolve()  # through a symbolic link, so that the link stays one
    if target.is_dir():
        raise ArgumentError(f"atomic_write: expects the path of a file, {target} is a folder; add a file name to it")
    if not target.parent.is_dir():
        raise DataNotFoundError(
            f"atomic_write: there is no folder {target.parent} to write {target.name} in; create it"
        )
    draft = target.with_name(f".{target.stem}.{secrets.token_hex(4)}{target.suffix}")
    draft.touch(exist_ok=False)
    mode = (target if target.exists() else draft).stat().st_mode
    try:
        yield draft
        draft.chmod(mode)  # some writers leave a file that only its owner may read
        _flush(draft)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder cannot be opened; the file itself is safe either way
        _flush(target.parent)


def _flush(path: Path) -> None:
    """Wait until what was written has reached the disk: only then is the new name allowed to point at it."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
