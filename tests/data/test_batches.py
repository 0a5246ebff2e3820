from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn.data import BatchLoader
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.random import fork

samples = st.integers(0, 30)
batch_sizes = st.integers(1, 35)


@given(samples, batch_sizes, st.booleans(), st.booleans())
def test_an_epoch_holds_every_sample_once(n: int, batch_size: int, shuffled: bool, drop_last: bool) -> None:
    generator = fork(0, "shuffle") if shuffled else None
    loader = BatchLoader(np.arange(n), batch_size=batch_size, generator=generator, drop_last=drop_last)

    batches = [batch for (batch,) in loader]

    seen = np.concatenate(batches) if batches else np.arange(0)
    assert len(batches) == len(loader)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert len(np.unique(seen)) == len(seen) == (n - n % batch_size if drop_last else n)
    assert shuffled or np.array_equal(seen, np.arange(len(seen)))


@given(samples, batch_sizes)
def test_arrays_stay_paired_when_shuffled(n: int, batch_size: int) -> None:
    labels = np.arange(n)
    images = np.broadcast_to(labels[:, None, None, None], (n, 1, 2, 3)) * 10.0

    for x, y, z in BatchLoader(images, labels, labels[::-1], batch_size=batch_size, generator=fork(1, "shuffle")):
        assert x.shape == (len(y), 1, 2, 3)
        assert (x == y[:, None, None, None] * 10).all()
        assert (z == n - 1 - y).all()


def test_each_epoch_is_a_new_order_and_the_seed_repeats_them_all() -> None:
    def epochs() -> list[list[int]]:
        loader = BatchLoader(np.arange(50), batch_size=7, generator=fork(3, "shuffle"))
        return [[int(i) for (batch,) in loader for i in batch] for _ in range(3)]

    first = epochs()

    assert first[0] != first[1] != first[2] != list(range(50))
    assert epochs() == first


def test_an_array_in_another_layout_is_copied_once_and_not_for_every_batch() -> None:
    columns = np.zeros((6, 5), order="F")
    loader = BatchLoader(columns, batch_size=2, shuffle=True)
    assert loader.arrays[0].flags.c_contiguous
    assert BatchLoader(columns, batch_size=2).arrays[0] is columns


def test_batches_in_order_are_views_and_shuffled_ones_contiguous_copies() -> None:
    images = np.zeros((6, 2, 4, 4), np.float32)[:, ::-1]

    assert all(np.shares_memory(x, images) for (x,) in BatchLoader(images, batch_size=4))
    for (x,) in BatchLoader(images, batch_size=4, generator=fork(0, "shuffle")):
        assert not np.shares_memory(x, images)
        assert x.flags.c_contiguous
        assert x.dtype == np.float32


def test_a_list_is_an_array() -> None:
    assert [y.tolist() for (y,) in BatchLoader([3, 1, 2], batch_size=2)] == [[3, 1], [2]]


def test_fewer_samples_than_a_batch_with_drop_last_is_no_batch() -> None:
    loader = BatchLoader(np.zeros((3, 2)), batch_size=4, drop_last=True)

    assert len(loader) == 0
    assert list(loader) == []


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one_is_refused(batch_size: int) -> None:
    with pytest.raises(ArgumentError, match=f"batch_size expects at least 1, got {batch_size}"):
        BatchLoader(np.zeros(3), batch_size=batch_size)


def test_a_batch_size_that_is_no_integer_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="batch_size expects an integer, got float"):
        BatchLoader(np.zeros(3), batch_size=2.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [0, np.random.RandomState(0)], ids=["int", "RandomState"])
def test_a_generator_of_another_kind_is_refused(seed: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"expects a numpy\.random\.Generator, got .*fork\(0, 'shuffle'\)"):
        BatchLoader(np.zeros(3), batch_size=2, generator=seed)


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"arrays of one length, got the shapes \(4, 1\), \(3,\)"):
        BatchLoader(np.zeros((4, 1)), np.zeros(3), batch_size=2)


def test_scalars_and_nothing_are_refused() -> None:
    with pytest.raises(ShapeError, match="with a first axis"):
        BatchLoader(np.float32(3), batch_size=2)
    with pytest.raises(ArgumentError, match="at least one array, got none"):
        BatchLoader(batch_size=2)
