from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from tinygrad_cnn import tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.viz import confusion_matrix, plot_confusion_matrix, worst_mistakes

LABELS = np.array([0, 1, 2, 2, 1, 0])
SCORES = np.array([[3, 0, 0], [9, 0, 0], [0, 0, 5], [0, 4, 0], [0, 1, 0], [0, 0, 1]], np.float32)
IMAGES = np.random.default_rng(0).random((6, 1, 4, 4))


def test_rows_are_true_classes_and_columns_what_they_were_taken_for() -> None:
    expected = [[1, 0, 1], [1, 1, 0], [0, 1, 1]]
    np.testing.assert_array_equal(confusion_matrix(LABELS, SCORES), expected)
    np.testing.assert_array_equal(confusion_matrix(LABELS.astype(np.uint8), tensor(SCORES)), expected)


def test_the_worst_mistakes_are_those_of_the_largest_loss() -> None:
    assert worst_mistakes(LABELS, SCORES).tolist() == [1, 3, 5]
    assert worst_mistakes(LABELS, SCORES, count=2).tolist() == [1, 3]
    assert worst_mistakes(LABELS, SCORES + 1000).tolist() == [1, 3, 5]  # a softmax does not care
    assert worst_mistakes([0, 1], np.eye(2)).tolist() == []


def test_the_matrix_is_drawn_with_counts_and_names() -> None:
    axes = plot_confusion_matrix(LABELS, SCORES, class_names=["cat", "dog", "elk"]).axes[0]
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): "1", (2, 0): "1", (0, 1): "1", (1, 1): "1", (1, 2): "1", (2, 2): "1",
    }  # fmt: skip
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cat", "dog", "elk"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "taken for")
    np.testing.assert_array_equal(axes.images[0].get_array(), np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]]) / 2)


def test_the_worst_mistakes_stand_beside_it() -> None:
    figure = plot_confusion_matrix(LABELS, SCORES, IMAGES)
    gallery = figure.axes[1]
    assert len(gallery.images) == 3
    assert [text.get_text() for text in gallery.texts] == [
        "1, taken for 0\n(100% sure)", "2, taken for 1\n(96% sure)", "0, taken for 2\n(58% sure)"
    ]  # fmt: skip
    np.testing.assert_array_equal(gallery.images[0].get_array(), IMAGES[1, 0])
    assert plot_confusion_matrix([0, 1], np.eye(2), IMAGES[:2]).axes[1].get_title() == "no mistakes"


def test_long_names_do_not_overlap() -> None:
    names = ["African elephant", "golden retriever", "a name that nobody would want to read"]
    figure = plot_confusion_matrix(LABELS, SCORES, IMAGES, names)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[1].texts]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert figure.axes[1].texts[1].get_text().startswith("a name that nobod…,\ntaken for golden retriever")


def test_many_classes_are_drawn_without_counts_and_an_absent_one_is_white() -> None:
    axes: Any = plot_confusion_matrix(np.arange(49), np.eye(50)[:49]).axes[0]
    assert len(axes.texts) == 0
    assert len(axes.get_xticks()) <= 30
    assert axes.images[0].get_array()[49].sum() == 0


def test_it_is_drawn_on_axes_of_the_users() -> None:
    figure = Figure()
    ax = figure.subplots()
    assert plot_confusion_matrix(LABELS, SCORES, ax=ax) is figure
    with pytest.raises(ArgumentError, match="images need a Figure of their own"):
        plot_confusion_matrix(LABELS, SCORES, IMAGES, ax=ax)


@pytest.mark.parametrize(
    ("labels", "scores", "options", "error", "message"),
    [
        ([0, 1], SCORES, {}, ShapeError, r"labels \(N,\) and scores \(N, classes\), got shapes \(2,\) and \(6, 3\)"),
        (LABELS, LABELS, {}, ShapeError, r"and \(6,\)"),
        ([], np.zeros((0, 3)), {}, ArgumentError, "at least one image, got none"),
        (LABELS + 1, SCORES, {}, ArgumentError, "classes from 0 to 2, got 3"),
        (LABELS / 2, SCORES, {}, ArgumentTypeError, "class numbers and scores, got arrays of float64"),
        (LABELS, SCORES, {"class_names": "ab"}, ArgumentError, "expects 3 class_names, got 2"),
        (LABELS, SCORES, {"images": IMAGES[:2]}, ShapeError, r"images \(6, C, H, W\), got shape \(2, 1, 4, 4\)"),
        (LABELS, SCORES, {"max_mistakes": 0}, ArgumentError, "count must be at least 1, got 0"),
    ],
    ids=["lengths", "no scores", "empty", "label", "fractions", "names", "images", "maximum"],
)
def test_what_does_not_fit_is_refused(
    labels: Any, scores: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        plot_confusion_matrix(labels, scores, **options)
