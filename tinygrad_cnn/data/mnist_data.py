"""MNIST: 70,000 handwritten digits of 28x28 pixels, the data set of the first experiments."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.image_data import ImageData
from tinygrad_cnn.data.mnist_download import download
from tinygrad_cnn.data.mnist_folder import read_part
from tinygrad_cnn.data.splits import Labelled, check_count, first, first_then_next

_BRIGHTEST = 255


def mnist(
    data_dir: str | os.PathLike[str] | None = None,
    train: int | None = None,
    test: int | None = None,
    *,
    data_home: str | os.PathLike[str] | None = None,
) -> ImageData:
    """MNIST from the four IDX files in `data_dir`, gzipped or not; without a folder, downloaded by scikit-learn.

    Which images are taken:

    - neither `train` nor `test`: the official split, 60,000 training and 10,000 test images;
    - both: *both sets come from the training file*, the first `test` images to test on and the next `train` images
      to train on. `train=9000, test=1000` is the split X[1000:10000], X[:1000];
    - only `train`: the first `train` training images, and the official test set;
    - only `test`: the official training set, and the first `test` images of the official test set.

    A download is kept in scikit-learn's cache, `data_home` (by default ~/scikit_learn_data); parsing it takes about
    ten seconds a call, reading a folder less than one. Folders of the same format (Fashion-MNIST, KMNIST) load too.

    Shapes: images (N, 1, 28, 28), labels (N,).
    Units: pixels float32 in [0, 1] (bytes / 255), labels int64 0..9.
    Raises: DataNotFoundError where folder, file or network are missing; DataError, naming the file, where one is
    damaged; ArgumentError for more images than there are; MissingDependencyError where a download would need
    scikit-learn and it is not installed.
    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86 (1998), section III-A.

    Example:
        >>> mnist("no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        tinygrad_cnn.errors.DataNotFoundError: mnist: no/such/folder does not exist; pass data_dir, the folder ...
    """
    train, test = check_count("mnist", "train", train), check_count("mnist", "test", test)
    read = _reader(data_dir, data_home)
    if train is not None and test is not None:
        train_part, test_part = first_then_next("mnist", read("train"), test=test, train=train)
    else:
        train_part = first("mnist", read("train"), "train", train)
        test_part = first("mnist", read("t10k"), "test", test)
    return ImageData(
        name="mnist",
        class_names=tuple("0123456789"),
        train_images=_pixels(train_part.images),
        train_labels=train_part.labels,
        test_images=_pixels(test_part.images),
        test_labels=test_part.labels,
    )


def _reader(
    data_dir: str | os.PathLike[str] | None, data_home: str | os.PathLike[str] | None
) -> Callable[[str], Labelled]:
    if data_dir is None:
        return download(data_home).__getitem__
    folder = Path(data_dir).expanduser()
    return lambda part: read_part(folder, part)


def _pixels(images: NDArray[Any]) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = np.divide(images, _BRIGHTEST, dtype=np.float32)
    return pixels
