"""The shape every data set here has: training images, test images, and the names of their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Labelled images, divided into what is trained on and what is tested on.

    Shapes: images (N, C, H, W), labels (N,); C, H, W the same for training and test.
    Units: pixels float32 in [0, 1]; labels int64, an index into `class_names`.
    Raises: ShapeError, DTypeError or ArgumentError where the arrays are not so.

    Example:
        >>> images, labels = np.zeros((4, 1, 8, 8), np.float32), np.array([0, 1, 1, 0])
        >>> ImageData("squares", ("empty", "full"), images[:3], labels[:3], images[3:], labels[3:])
        ImageData('squares', 3 training and 1 test images of (1, 8, 8), 2 classes)
    """

    name: str
    class_names: tuple[str, ...]
    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check_part(self.name, "train", self.train_images, self.train_labels, self.num_classes)
        _check_part(self.name, "test", self.test_images, self.test_labels, self.num_classes)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ShapeError(
                f"{self.name}: test_images expects images of {self.image_shape} as in train_images, "
                f"got {self.test_images.shape[1:]}; bring both to one size"
            )

    @property
    def num_classes(self) -> int:
        """The number of classes, which is what the last layer of a classifier puts out."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.train_images.shape[1:]
        return channels, height, width

    def __repr__(self) -> str:
        return (
            f"ImageData({self.name!r}, {len(self.train_images)} training and {len(self.test_images)} test images "
            f"of {self.image_shape}, {self.num_classes} classes)"
        )


def _check_part(name: str, part: str, images: NDArray[Any], labels: NDArray[Any], num_classes: int) -> None:
    for field, array in ((f"{part}_images", images), (f"{part}_labels", labels)):
        if not isinstance(array, np.ndarray):
            raise ArgumentTypeError(f"{name}: {field} expects a NumPy array, got {type(array).__name__}")
    if images.ndim != 4:
        raise ShapeError(f"{name}: {part}_images expects the shape (N, C, H, W), got {images.shape}; reshape them")
    if images.dtype != np.float32:
        raise DTypeError(
            f"{name}: {part}_images expects float32 pixels in [0, 1], got {images.dtype}; "
            "convert them (bytes: images.astype('float32') / 255)"
        )
    if labels.shape != images.shape[:1]:
        raise ShapeError(
            f"{name}: {part}_labels expects one label per image, the shape ({len(images)},), got {labels.shape}"
        )
    if labels.dtype != np.int64:
        raise DTypeError(f"{name}: {part}_labels expects int64, got {labels.dtype}; convert them with astype('int64')")
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ArgumentError(
            f"{name}: {part}_labels expects labels in 0..{num_classes - 1}, one per class name, "
            f"got {labels.min()}..{labels.max()}"
        )
