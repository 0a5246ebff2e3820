"""Data sets as arrays, and mini-batches of them."""

from __future__ import annotations

from tinygrad_cnn.data.batches import BatchLoader
from tinygrad_cnn.data.digits_data import digits
from tinygrad_cnn.data.idx import read_idx
from tinygrad_cnn.data.image_data import ImageData
from tinygrad_cnn.data.labels import one_hot
from tinygrad_cnn.data.mnist_data import mnist

__all__ = ["BatchLoader", "ImageData", "digits", "mnist", "one_hot", "read_idx"]
