"""MNIST from a folder with its four IDX files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.idx import read_idx
from tinygrad_cnn.data.splits import Labelled
from tinygrad_cnn.errors import DataError, DataNotFoundError

FILE_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_part(folder: Path, part: str) -> Labelled:
    """The images and labels whose file names begin with `part`: "train", or "t10k" for the test set."""
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "does not exist"
        raise DataNotFoundError(
            f"mnist: {folder} {fault}; pass data_dir, the folder that holds {', '.join(FILE_NAMES)}"
        )
    images_file, labels_file = _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)
    images, labels = read_idx(images_file, ndim=3), read_idx(labels_file, ndim=1)
    if len(images) != len(labels):
        raise DataError(
            f"{labels_file}: expects one label per image, got {len(labels)} labels for the {len(images)} images "
            f"of {images_file}; take both from the same data set"
        )
    if images.size == 0:
        raise DataError(f"{images_file}: holds no pixels (shape {images.shape}); fetch the file again")
    _check_labels(labels_file, labels)
    kind = "training" if part == "train" else "test"
    return Labelled(images[:, np.newaxis], labels.astype(np.int64), f"{kind} images of {images_file}")


def _find(folder: Path, stem: str, ndim: int) -> Path:
    spellings = (f"{stem}-idx{ndim}-ubyte", f"{stem}.idx{ndim}-ubyte")
    candidates = [name + suffix for name in spellings for suffix in ("", ".gz")]
    for name in candidates:
        if (folder / name).is_file():
            return folder / name
    raise DataNotFoundError(
        f"mnist: {folder} has no {stem} file, looked for {', '.join(candidates)}; put it there or pass another data_dir"
    )


def _check_labels(file: Path, labels: NDArray[np.uint8]) -> None:
    outside = np.flatnonzero(labels > 9)
    if outside.size:
        raise DataError(
            f"{file}: expects labels 0..9, got {labels[outside[0]]} at index {outside[0]} "
            f"({outside.size} outside in all); fetch the file again or pass another data_dir"
        )
