"""Named arrays to and from safetensors files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentTypeError, DataError, DataNotFoundError, DTypeError
from tinygrad_cnn.optional import require

_DTYPES = frozenset({"bool", "float16", "float32", "float64"}) | {
    f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays to a safetensors file, whole or not at all.

    Shapes and dtype: any shape, 0-d and empty ones too; booleans, integers and floats up to 64 bits.

    metadata: text by name, kept in the file's header; `load_metadata` reads it.

    Raises: ArgumentTypeError where a name or metadata is no string or a value no array; DTypeError for a dtype that the
    format lacks; MissingDependencyError without safetensors.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "model.safetensors"
        ...     save_tensors(path, {"weight": np.eye(2, dtype=np.float32)}, {"epoch": "3"})
        ...     load_tensors(path)["weight"].tolist(), load_metadata(path)
        ([[1.0, 0.0], [0.0, 1.0]], {'epoch': '3'})
    """
    writer = require("safetensors.numpy", feature="save_tensors", extra="train")
    arrays = {_text("a name", name): _plain(name, array) for name, array in tensors.items()}
    header = {_text("metadata", key): _text("metadata", value) for key, value in (metadata or {}).items()}
    with atomic_write(path) as draft:
        writer.save_file(arrays, draft, metadata=header or None)


def load_tensors(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The arrays of a safetensors file by name, in memory of their own.

    Raises: DataNotFoundError where there is no such file; DataError where it is damaged or in another format, or where
    it holds a dtype that NumPy lacks (bfloat16); MissingDependencyError without safetensors.
    """
    with _opened(path, "load_tensors") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text that `save_tensors` was given as `metadata`; empty where there was none. Raises as `load_tensors`."""
    with _opened(path, "load_metadata") as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: str | os.PathLike[str], operation: str) -> Iterator[Any]:
    safetensors = require("safetensors", feature=operation, extra="train")
    if not Path(path).is_file():
        raise DataNotFoundError(f"{operation}: there is no file {Path(path)}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except safetensors.SafetensorError as error:
        raise DataError(f"{operation}: {Path(path)} is damaged, or no safetensors file ({error})") from error
    except (AttributeError, TypeError) as error:  # how the package meets a dtype that NumPy does not have
        raise DataError(f"{operation}: {Path(path)} holds a dtype that NumPy lacks ({error})") from error


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"save_tensors: {what} must be a string, got {type(value).__name__} {value!r}")
    return value


def _plain(name: str, array: Any) -> NDArray[Any]:
    """The array as the package needs it: the package reads memory in order and would not notice strides."""
    if not isinstance(array, np.ndarray):
        raise ArgumentTypeError(
            f"save_tensors: {name!r} must be an ndarray, got {type(array).__name__}; pass x.data of a Tensor"
        )
    if array.dtype.name not in _DTYPES:
        raise DTypeError(f"save_tensors: {name!r} is {array.dtype}, which the format lacks; convert it with .astype")
    return np.asarray(array, order="C")
