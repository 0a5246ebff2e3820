"""Who else holds an array, as reference counts tell."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.ownership import is_sole
from tinygrad_cnn.kernels import memory

LARGE = (300, 300)  # enough for an array of the kernels' pool


def test_one_variable_is_sole_and_a_second_holder_is_noticed() -> None:
    a = np.ones(3)
    assert is_sole(a)
    holders: list[Any] = [a]
    assert not is_sole(a)
    holders.clear()
    assert is_sole(a)
    holder = {"key": (a,)}
    assert not is_sole(a)
    del holder
    b = a
    assert not is_sole(b)


def test_views_count_for_what_they_look_at() -> None:
    a = np.ones((2, 3))
    view = a.T[1:]
    assert not is_sole(a)
    assert not is_sole(view)
    del view
    assert is_sole(a)
    exported = memoryview(a)  # type: ignore[arg-type]
    assert not is_sole(a)
    del exported


def test_a_view_of_all_of_what_nobody_else_holds_is_sole() -> None:
    reshaped = np.ones(6).reshape(2, 3).T
    assert is_sole(reshaped)
    again = reshaped[...]
    assert not is_sole(reshaped)
    assert not is_sole(again)


def test_parts_copies_by_stride_and_foreign_memory_are_not() -> None:
    part = np.ones(6)[:3]
    repeated = np.broadcast_to(np.ones(1), (3,))
    foreign = np.frombuffer(bytearray(24), np.float64)
    unwriteable = np.ones(3)
    unwriteable.flags.writeable = False
    subclass: Any = np.ones(3).view(type("Special", (np.ndarray,), {}))
    scalar = np.float32(1)
    assert not is_sole(part)
    assert not is_sole(repeated)
    assert not is_sole(foreign)
    assert not is_sole(unwriteable)
    assert not is_sole(subclass)
    assert not is_sole(scalar)


def test_arrays_of_the_pool_are_sole_like_others() -> None:
    a = memory.empty(LARGE, np.float32)
    assert a.base is not None
    assert is_sole(a)
    view = a[1:]
    assert not is_sole(a)
    assert not is_sole(view)
    del view
    images = memory.empty((4, 30, 30, 8), np.float32).transpose(0, 3, 1, 2)
    assert is_sole(images)
    flat = a.reshape(-1)
    del a
    assert is_sole(flat)
