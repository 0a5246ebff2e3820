"""MNIST over the network, through scikit-learn's OpenML client and its cache."""

from __future__ import annotations

import http.client
import os
import warnings
import zlib
from typing import Any
from urllib.error import HTTPError

import numpy as np

from tinygrad_cnn.data.mnist_folder import FILE_NAMES
from tinygrad_cnn.data.splits import Labelled
from tinygrad_cnn.errors import DataError, DataNotFoundError
from tinygrad_cnn.optional import require

_TRAINING_IMAGES = 60_000
_TEST_IMAGES = 10_000
_SIDE = 28


def download(data_home: str | os.PathLike[str] | None) -> dict[str, Labelled]:
    """The parts "train" and "t10k" of OpenML's mnist_784, whose first 60,000 rows are the training images."""
    bunch = _fetch(data_home)
    expected = (_TRAINING_IMAGES + _TEST_IMAGES, _SIDE * _SIDE)
    if bunch.data.shape != expected:
        raise DataError(
            f"mnist: OpenML's mnist_784 expects the shape {expected}, got {bunch.data.shape}; pass data_dir"
        )
    images = bunch.data.astype(np.uint8).reshape(-1, 1, _SIDE, _SIDE)
    labels = np.asarray(bunch.target).astype(np.int64)
    training = slice(0, _TRAINING_IMAGES)
    test = slice(_TRAINING_IMAGES, None)
    return {
        "train": Labelled(images[training], labels[training], "training images of mnist_784"),
        "t10k": Labelled(images[test], labels[test], "test images of mnist_784"),
    }


def _fetch(data_home: str | os.PathLike[str] | None) -> Any:
    datasets = require("sklearn.datasets", feature="mnist without data_dir (a download)", extra="train")
    with warnings.catch_warnings():
        # Each retry warns; what counts is how it ends, and the error below says that.
        warnings.filterwarnings("ignore", message="A network error occurred")
        try:
            return datasets.fetch_openml(
                "mnist_784", version=1, data_home=data_home, as_frame=False, parser="liac-arff", n_retries=1
            )
        # The client lets through whatever the network does to it: no route, half an answer, a login page, other JSON.
        except (OSError, EOFError, http.client.HTTPException, zlib.error, ValueError, LookupError, TypeError) as error:
            if isinstance(error, HTTPError):
                error.close()  # it is also the server's answer, and holds the connection
            why = " ".join(str(error).split()) or type(error).__name__
            raise DataNotFoundError(
                f"mnist: no folder was given and the download from OpenML failed ({why}); pass data_dir "
                f"(on the command line --data-dir), a folder with {', '.join(FILE_NAMES)}, each gzipped or not"
            ) from error
