from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn.data import one_hot
from tinygrad_cnn.errors import ArgumentError, DTypeError


@given(st.lists(st.integers(0, 6), max_size=20), st.sampled_from([np.int64, np.uint8, np.int32]))
def test_one_hot_has_its_one_at_the_label(labels: list[int], dtype: type[np.integer[Any]]) -> None:
    rows = one_hot(np.array(labels, dtype), num_classes=7)

    assert rows.shape == (len(labels), 7)
    assert rows.dtype == np.float32
    assert np.array_equal(rows.sum(1), np.ones(len(labels)))
    assert np.array_equal(rows.argmax(1), labels)


def test_one_hot_adds_its_axis_last() -> None:
    assert one_hot(np.zeros((2, 3), np.int64), num_classes=4).shape == (2, 3, 4)


def test_one_hot_takes_an_empty_list() -> None:
    assert one_hot([], num_classes=3).shape == (0, 3)


def test_one_hot_gives_the_dtype_asked_for() -> None:
    assert one_hot([1], num_classes=2, dtype=np.float64).dtype == np.float64


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0]], ids=["above", "below"])
def test_a_label_without_a_class_is_refused(labels: list[int]) -> None:
    with pytest.raises(ArgumentError, match=r"one_hot: labels expects values in 0\.\.2, got"):
        one_hot(labels, num_classes=3)


def test_labels_that_are_no_integers_are_refused() -> None:
    with pytest.raises(DTypeError, match="labels expects integers, got float64"):
        one_hot([0.0, 1.0], num_classes=2)


def test_no_classes_are_refused() -> None:
    with pytest.raises(ArgumentError, match="num_classes expects at least 1, got 0"):
        one_hot([], num_classes=0)
