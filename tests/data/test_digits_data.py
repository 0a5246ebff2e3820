from __future__ import annotations

import sys

import numpy as np
import pytest

from tinygrad_cnn.data import digits
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, MissingDependencyError

pytest.importorskip("sklearn")


def test_shapes_dtypes_and_range() -> None:
    data = digits()

    assert data.train_images.shape == (1437, 1, 8, 8)
    assert data.test_images.shape == (360, 1, 8, 8)
    assert data.train_images.dtype == np.float32
    assert data.train_labels.dtype == np.int64
    assert data.train_images.min() == 0
    assert data.train_images.max() == 1
    assert data.class_names == tuple("0123456789")


def test_the_pixels_are_sixteenths_of_what_scikit_learn_carries() -> None:
    from sklearn.datasets import load_digits

    carried = load_digits().images[:, np.newaxis]
    data = digits()

    together = np.concatenate([data.train_images, data.test_images]) * 16
    assert np.array_equal(np.sort(together, axis=None), np.sort(carried, axis=None))


def test_the_folds_are_a_stratified_partition() -> None:
    parts = [digits(test_fold=fold) for fold in range(5)]
    held_out = np.concatenate([part.test_images for part in parts])
    trained_on = np.concatenate([parts[0].train_images, parts[0].test_images])

    assert [len(part.test_labels) for part in parts] == [360, 360, 359, 359, 359]
    assert sorted(map(bytes, held_out)) == sorted(map(bytes, trained_on))
    counts = np.array([np.bincount(part.test_labels) for part in parts])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()


def test_training_and_test_images_are_disjoint() -> None:
    data = digits()

    assert not set(map(bytes, data.train_images)) & set(map(bytes, data.test_images))


def test_the_seed_repeats_the_split_and_another_changes_it() -> None:
    assert np.array_equal(digits(seed=3).test_images, digits(seed=3).test_images)
    assert not np.array_equal(digits(seed=3).test_images, digits(seed=4).test_images)


def test_the_images_of_either_set_are_shuffled() -> None:
    from sklearn.datasets import load_digits

    carried = (load_digits().images / 16).astype(np.float32)
    places = {bytes(image): place for place, image in enumerate(carried)}
    for images in (digits().train_images, digits().test_images):
        order = [places[bytes(image)] for image in images]
        assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.15


def test_train_and_test_take_the_first_of_each() -> None:
    data, few = digits(), digits(train=100, test=20)

    assert np.array_equal(few.train_images, data.train_images[:100])
    assert np.array_equal(few.test_labels, data.test_labels[:20])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"train": 1438},
            r"digits: train=1438 asks for more than the 1437 training images of fold 0 of 5; pass train=1437",
        ),
        ({"test": 361}, "test=361 asks for more than the 360 test images"),
        ({"train": 0}, "train expects at least 1 image, got 0"),
        ({"test_fold": 5}, "test_fold expects 0 to 4 with folds=5, got 5"),
        ({"test_fold": -1}, "test_fold expects 0 to 4"),
        ({"folds": 1}, "folds expects 2 to 174, got 1"),
        ({"folds": 175}, "folds expects 2 to 174, got 175"),
        ({"seed": -1}, "seed expects 0 to 4294967295, got -1"),
    ],
    ids=["train", "test", "zero", "fold above", "fold below", "one fold", "too many folds", "seed"],
)
def test_a_number_out_of_range_is_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        digits(**arguments)


@pytest.mark.parametrize("name", ["train", "test_fold"])
def test_a_number_that_is_not_whole_is_refused(name: str) -> None:
    with pytest.raises(ArgumentTypeError, match=name):
        digits(**{name: 1.5})  # type: ignore[arg-type]


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    with pytest.raises(MissingDependencyError, match=r"digits needs sklearn.*tinygrad_cnn\[train\]"):
        digits()
