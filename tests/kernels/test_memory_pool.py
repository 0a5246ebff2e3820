"""The pool of memory: a block is lent again only when nobody holds an array of it, or a view of one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import window
from tinygrad_cnn.kernels import memory
from tinygrad_cnn.kernels.memory import ALIGNMENT, ROUND, SMALL, Pool

Array = NDArray[Any]

SHAPE = (100, 100)
VIEWS: list[Callable[[Any], Any]] = [
    lambda a: a,
    lambda a: a[3:5],
    lambda a: a.T[::2, 5],
    lambda a: a.view(np.int32)[0],
    lambda a: a.reshape(-1)[10:][5:],
    lambda a: memoryview(a),
    lambda a: np.asarray(memoryview(a))[1:],
    lambda a: a[...].flat,
    lambda a: np.frombuffer(a, np.uint8),
]


def address(array: Array) -> int:
    place: int = array.__array_interface__["data"][0]
    return place


@pytest.mark.parametrize("hold", VIEWS, ids=range(len(VIEWS)))
def test_what_is_held_is_not_lent_again(hold: Callable[[Any], Any]) -> None:
    pool = Pool()
    array = pool.empty(SHAPE, np.float32)
    place = address(array)
    held = hold(array)
    del array
    assert address(pool.empty(SHAPE, np.float32)) != place
    assert pool.idle_bytes < 2 * 65536  # the second block alone
    del held
    blocks = [pool.empty(SHAPE, np.float32) for _ in "ab"]
    assert place in map(address, blocks)


def test_a_copy_holds_nothing() -> None:
    pool = Pool()
    array = pool.empty(SHAPE, np.float32)
    place = address(array)
    copy = array.T[1:].reshape(-1)
    del array
    assert copy is not None
    assert address(pool.empty(SHAPE, np.float32)) == place


def test_two_arrays_at_a_time_never_share_memory() -> None:
    pool = Pool()
    held = [pool.empty(SHAPE, np.float64) for _ in range(5)]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(held) for b in held[:i])


def test_sizes_that_differ_a_little_share_a_block() -> None:
    pool = Pool()
    place = address(pool.empty((100, 100), np.float32))
    assert address(pool.empty((98, 100), np.float32)) == place
    assert address(pool.empty((49, 100), np.float64)) == place
    assert address(pool.empty((200, 100), np.float32)) != place


@given(st.lists(st.integers(0, 60), min_size=0, max_size=3), st.sampled_from([np.float32, np.float64, np.uint8]))
def test_arrays_are_as_asked_for_and_start_at_a_line_of_the_cache(shape: list[int], dtype: Any) -> None:
    array = Pool().empty(tuple(shape), dtype)
    assert array.shape == tuple(shape)
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert type(array) is np.ndarray
    if array.nbytes >= SMALL:
        assert address(array) % ALIGNMENT == 0
    array[...] = 1
    assert (array == 1).all()


def test_images_lie_channels_last() -> None:
    images = memory.empty_images(3, 20, (15, 17), np.float32)
    assert images.shape == (3, 20, 15, 17)
    assert images.transpose(0, 2, 3, 1).flags.c_contiguous


def test_the_cache_is_given_back_when_asked() -> None:
    pool = Pool()
    held = pool.empty(SHAPE, np.float32)
    pool.empty((500, 500), np.float32)
    assert pool.idle_bytes >= 500 * 500 * 4
    held[...] = 7
    pool.empty_cache()
    assert pool.idle_bytes == 0
    assert (held == 7).all()
    del held
    assert pool.idle_bytes > 0


def test_the_cache_of_all_kernels_is_given_back() -> None:
    memory.empty((1000, 1000), np.float32)
    assert memory.POOL.idle_bytes > 0
    kernels.empty_cache()
    assert memory.POOL.idle_bytes == 0


def test_a_block_that_nobody_asks_for_is_given_back_after_two_rounds() -> None:
    pool = Pool()
    pool.empty((1000, 1000), np.float32)  # idle from here on
    for _ in range(2 * ROUND + 2):
        pool.empty(SHAPE, np.float32)
    assert 0 < pool.idle_bytes < 1000 * 1000


def test_a_block_that_is_asked_for_now_and_then_stays() -> None:
    pool = Pool()
    place = address(pool.empty((1000, 1000), np.float32))
    for number in range(3 * ROUND):
        pool.empty(SHAPE, np.float32)
        if number % (ROUND // 2) == 0:
            assert address(pool.empty((1000, 1000), np.float32)) == place


def test_several_threads_never_get_the_same_block() -> None:
    pool, faults = Pool(), []

    def work(number: int) -> None:
        for _ in range(500):
            array = pool.empty((40, 40), np.float32)
            array[...] = number
            if not (array == number).all():
                faults.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_result_of_a_kernel_keeps_its_numbers_while_a_view_is_held() -> None:
    pytest.importorskip("numba")
    x, w, frame = np.ones((2, 3, 20, 20)), np.ones((4, 3, 3, 3)), window("conv2d", 20, 3, 1, 1)
    with kernels.use("jit"):
        view = kernels.conv2d(x, w, None, frame)[1:, 2]
        for _ in range(20):
            kernels.conv2d(x * 2, w, None, frame)
    assert view[0, 5, 5] == 27
