from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from tinygrad_cnn.data import ImageData
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError


@pytest.fixture
def data() -> ImageData:
    images = np.zeros((5, 3, 8, 6), np.float32)
    labels = np.array([0, 1, 0, 1, 1])
    return ImageData("squares", ("empty", "full"), images[:3], labels[:3], images[3:], labels[3:])


def test_what_it_says_of_itself(data: ImageData) -> None:
    assert data.num_classes == 2
    assert data.image_shape == (3, 8, 6)
    assert repr(data) == "ImageData('squares', 3 training and 2 test images of (3, 8, 6), 2 classes)"


def test_it_is_frozen(data: ImageData) -> None:
    with pytest.raises(FrozenInstanceError):
        data.name = "circles"  # type: ignore[misc]


def test_an_empty_test_set_is_allowed(data: ImageData) -> None:
    assert len(replace(data, test_images=data.test_images[:0], test_labels=data.test_labels[:0]).test_images) == 0


def test_bytes_as_pixels_are_refused_with_the_mend(data: ImageData) -> None:
    with pytest.raises(DTypeError, match=r"squares: train_images expects float32 .* got uint8; .*/ 255"):
        replace(data, train_images=data.train_images.astype(np.uint8))


def test_flat_images_are_refused(data: ImageData) -> None:
    with pytest.raises(ShapeError, match=r"test_images expects the shape \(N, C, H, W\), got \(2, 144\)"):
        replace(data, test_images=data.test_images.reshape(2, -1))


def test_images_of_two_sizes_are_refused(data: ImageData) -> None:
    with pytest.raises(ShapeError, match=r"test_images expects images of \(3, 8, 6\) .* got \(3, 8, 5\)"):
        replace(data, test_images=data.test_images[..., :5])


def test_a_missing_label_is_refused(data: ImageData) -> None:
    with pytest.raises(ShapeError, match=r"train_labels expects one label per image, the shape \(3,\), got \(2,\)"):
        replace(data, train_labels=data.train_labels[:2])


def test_labels_of_another_dtype_are_refused(data: ImageData) -> None:
    with pytest.raises(DTypeError, match="train_labels expects int64, got float64"):
        replace(data, train_labels=data.train_labels.astype(float))


def test_a_label_without_a_class_is_refused(data: ImageData) -> None:
    with pytest.raises(ArgumentError, match=r"train_labels expects labels in 0\.\.1, .* got 0\.\.2"):
        replace(data, train_labels=np.array([0, 2, 1]))


def test_a_list_is_refused(data: ImageData) -> None:
    with pytest.raises(ArgumentTypeError, match="train_labels expects a NumPy array, got list"):
        replace(data, train_labels=[0, 1, 0])  # type: ignore[arg-type]
