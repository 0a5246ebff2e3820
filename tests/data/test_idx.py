from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_cnn.data import read_idx
from tinygrad_cnn.errors import DataError, DataNotFoundError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


def idx_bytes(array: NDArray[Any], element: int = 8) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, element, array.ndim]) + sizes + array.tobytes()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("array", [IMAGES, np.arange(7, dtype=np.uint8)], ids=["images", "labels"])
def test_an_array_is_read_back(tmp_path: Path, array: NDArray[np.uint8], pack: Any) -> None:
    read = read_idx(write(tmp_path, pack(idx_bytes(array))), ndim=array.ndim)

    assert read.dtype == np.uint8
    assert np.array_equal(read, array)


def test_the_name_does_not_decide_whether_a_file_is_gzipped(tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(idx_bytes(IMAGES))

    assert np.array_equal(read_idx(path, ndim=3), IMAGES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="images: there is no such file"):
        read_idx(tmp_path / "images", ndim=3)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path, ndim=3)


good = idx_bytes(IMAGES)
packed = gzip.compress(good)
damages = {
    "empty": (b"", "is empty, an IDX file has at least a header"),
    "half a magic number": (good[:2], "is truncated: the header alone expects 16 bytes, found 2"),
    "half a header": (good[:9], "is truncated: the header alone expects 16 bytes, found 9"),
    "no pixels": (good[:16], r"is truncated: a header of shape \(4, 5, 3\) expects 76 bytes, found 16"),
    "a missing byte": (good[:-1], "expects 76 bytes, found 75"),
    "a trailing byte": (good + b"\0", r"has trailing bytes: .* expects 76 bytes, found 77"),
    "labels": (idx_bytes(IMAGES[:, 0, 0]), r"0x00000803 \(.* as images are\), got 0x00000801 \(.* as labels are\)"),
    "floats": (idx_bytes(IMAGES.astype(">f4"), 13), r"got 0x00000d03 \(float32 in 3 dimensions\)"),
    "an unknown type": (idx_bytes(IMAGES, 0x42), r"got 0x00004203 \(0x42 is no IDX element type\)"),
    "a PNG": (b"\x89PNG\r\n\x1a\n" + good, r"got 0x89504e47 \(not an IDX file\)"),
    "a web page": (b"<!DOCTYPE html>", r"got 0x3c21444f \(not an IDX file\)"),
    "gzip cut short": (packed[:-20], "is damaged gzip data"),
    "gzip with no more than a header": (packed[:10], "is damaged gzip data"),
    "gzip with a wrong checksum": (packed[:-8] + bytes(4) + packed[-4:], r"is damaged gzip data .*CRC"),
    "gzip with damaged blocks": (packed[:10] + b"\xff" * 20 + packed[30:], "is damaged gzip data"),
    "gzip of another method": (packed[:2] + b"\x07" + packed[3:], "is damaged gzip data"),
    "gzip with a tail": (packed + b"tail", "is damaged gzip data"),
    "gzip of a truncated file": (gzip.compress(good[:-1]), "expects 76 bytes, found 75"),
}


@pytest.mark.parametrize(("content", "message"), damages.values(), ids=damages.keys())
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)

    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, ndim=3)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content, cut short, lengthened, or with one byte replaced by another."""
    position = draw(st.integers(0, len(content) - 1))
    byte = draw(st.integers(0, 255).filter(lambda value: value != content[position]))
    return draw(
        st.sampled_from(
            [
                content[:position],
                content + content[: position + 1],
                content[:position] + bytes([byte]) + content[position + 1 :],
            ]
        )
    )


@given(damaged(good))
def test_damage_to_a_plain_file_is_an_error_or_a_pixel(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("damaged"), content)

    try:
        read = read_idx(path, ndim=3)
    except DataError:
        return
    assert read.shape == IMAGES.shape
    assert (read != IMAGES).sum() == 1


@given(damaged(packed))
def test_damage_to_a_gzipped_file_is_an_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("damaged"), content)

    try:
        read = read_idx(path, ndim=3)
    except DataError:
        return
    assert np.array_equal(read, IMAGES)  # a byte that carries no data, such as the time in gzip's header
