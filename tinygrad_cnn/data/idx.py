"""The IDX format, in which MNIST and its relatives are published: a small header, then the bytes of one array.

    offset 0   0x00 0x00      always
           2   element type   0x08 = unsigned byte
           3   dimensions     1 for labels, 3 for images
           4   sizes          one big-endian 32-bit integer per dimension
    then       elements       the last index varies fastest

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section
"File formats for the MNIST database".
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import DataError, DataNotFoundError

_ELEMENT_TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: str | os.PathLike[str], ndim: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file of `ndim` dimensions, gzipped or not.

    Whether a file is gzipped is seen from its first bytes, not from its name: browsers unpack and keep the `.gz`.

    Shapes: (N,) for labels, (N, H, W) for images. The array is a read-only view of the file's bytes.
    Raises: DataNotFoundError where there is no such file; DataError, naming the file, where it is damaged or of
    another kind.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "labels")
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + bytes([5, 0, 4]))
        ...     read_idx(path, ndim=1)
        array([5, 0, 4], dtype=uint8)
    """
    file = Path(path)
    content = _unpacked(file, _content(file))
    sizes = _sizes(file, content, ndim)
    header = 4 + 4 * ndim
    expected = header + math.prod(sizes)
    if len(content) != expected:
        fault = "is truncated" if len(content) < expected else "has trailing bytes"
        raise DataError(
            f"{file}: {fault}: a header of shape {sizes} expects {expected} bytes, found {len(content)}; "
            "fetch the file again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(sizes)


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise DataNotFoundError(f"{file}: there is no such file; pass the path of an IDX file") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); pass a file that you may read") from error
    if not content:
        raise DataError(f"{file}: is empty, an IDX file has at least a header; fetch the file again")
    return content


def _unpacked(file: Path, content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file}: is damaged gzip data ({error}); fetch the file again") from error


def _sizes(file: Path, content: bytes, ndim: int) -> tuple[int, ...]:
    header = 4 + 4 * ndim
    expected = bytes([0, 0, _UNSIGNED_BYTE, ndim])
    magic = content[:4]
    if len(magic) == 4 and magic != expected:
        raise DataError(
            f"{file}: expects the magic number 0x{expected.hex()} ({_meaning(expected)}), "
            f"got 0x{magic.hex()} ({_meaning(magic)}); pass a file of the right kind"
        )
    if len(content) < header:
        raise DataError(
            f"{file}: is truncated: the header alone expects {header} bytes, found {len(content)}; fetch the file again"
        )
    return tuple(int.from_bytes(content[offset : offset + 4], "big") for offset in range(4, header, 4))


def _meaning(magic: bytes) -> str:
    if magic[:2] != b"\x00\x00":
        return "not an IDX file"
    element = _ELEMENT_TYPES.get(magic[2])
    if element is None:
        return f"0x{magic[2]:02x} is no IDX element type"
    holds = {(_UNSIGNED_BYTE, 1): ", as labels are", (_UNSIGNED_BYTE, 3): ", as images are"}.get(
        (magic[2], magic[3]), ""
    )
    return f"{element} in {magic[3]} dimension{'s' if magic[3] != 1 else ''}{holds}"
