"""The 1,797 handwritten digits of 8x8 pixels that scikit-learn carries: real data without a download."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data.image_data import ImageData
from tinygrad_cnn.data.splits import Labelled, check_count, first
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.optional import require

_BRIGHTEST = 16  # a pixel counts the inked ones among 4x4 pixels of the scan


def digits(
    test_fold: int = 0, folds: int = 5, seed: int = 0, *, train: int | None = None, test: int | None = None
) -> ImageData:
    """The 8x8 digits, one stratified fold of them held out as the test set.

    The images are shuffled by `seed` and dealt into `folds` parts that each hold every digit in the same proportion;
    part `test_fold` is tested on, the others are trained on. The mean over test_fold = 0..folds-1 is the
    cross-validated score. `train` and `test` keep only the first so many images of either set.

    Shapes: images (N, 1, 8, 8), labels (N,); by default 1,437 training and 360 test images.
    Units: pixels float32 in [0, 1] (sixteenths), labels int64 0..9.
    Raises: ArgumentError for a number out of range; ArgumentTypeError for one that is not whole;
    MissingDependencyError where scikit-learn is not installed.
    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.

    Example:
        >>> digits()
        ImageData('digits', 1437 training and 360 test images of (1, 8, 8), 10 classes)
    """
    counts = {"train": check_count("digits", "train", train), "test": check_count("digits", "test", test)}
    datasets = require("sklearn.datasets", feature="digits", extra="train")
    images, labels = datasets.load_digits(return_X_y=True)
    pixels = (images / _BRIGHTEST).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = labels.astype(np.int64)
    train_rows, test_rows = _stratified_rows(labels, test_fold, folds, seed)
    train_part = Labelled(pixels[train_rows], labels[train_rows], f"training images of fold {test_fold} of {folds}")
    test_part = Labelled(pixels[test_rows], labels[test_rows], f"test images of fold {test_fold} of {folds}")
    train_part = first("digits", train_part, "train", counts["train"])
    test_part = first("digits", test_part, "test", counts["test"])
    return ImageData(
        name="digits",
        class_names=tuple("0123456789"),
        train_images=train_part.images,
        train_labels=train_part.labels,
        test_images=test_part.images,
        test_labels=test_part.labels,
    )


def _stratified_rows(
    labels: NDArray[np.int64], test_fold: int, folds: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    try:
        test_fold, folds, seed = operator.index(test_fold), operator.index(folds), operator.index(seed)
    except TypeError:
        raise ArgumentTypeError(
            f"digits: test_fold, folds and seed expect integers, got {test_fold!r}, {folds!r}, {seed!r}"
        ) from None
    most = int(np.bincount(labels).min())  # every fold needs an image of the rarest digit
    if not 2 <= folds <= most:
        raise ArgumentError(f"digits: folds expects 2 to {most}, got {folds}; pass e.g. folds=5")
    if not 0 <= test_fold < folds:
        raise ArgumentError(f"digits: test_fold expects 0 to {folds - 1} with folds={folds}, got {test_fold}")
    if not 0 <= seed < 2**32:
        raise ArgumentError(f"digits: seed expects 0 to {2**32 - 1}, got {seed}")
    selection = require("sklearn.model_selection", feature="digits", extra="train")
    dealt = selection.StratifiedKFold(n_splits=folds, shuffle=True, random_state=seed).split(labels, labels)
    train_rows, test_rows = list(dealt)[test_fold]  # in the order of the file, which is that of the writers
    shuffled = np.random.default_rng(seed).permutation
    return shuffled(train_rows), shuffled(test_rows)
