"""Selection by bits is `np.where`, bit for bit."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn.kernels import select
from tinygrad_cnn.kernels.numpy import selection
from tinygrad_cnn.testing.strategies import arrays, shapes


@given(data=st.data(), dtypes=st.tuples(*[st.sampled_from([np.float32, np.float64, np.int64])] * 2))
def test_it_is_where(data: Any, dtypes: tuple[Any, Any]) -> None:
    shape = data.draw(shapes(1, 3, 0))
    kinds = ["integers" if dtype is np.int64 else "special" for dtype in dtypes]
    a, b = (data.draw(arrays(shape, values=k, dtype=d)) for k, d in zip(kinds, dtypes, strict=True))
    b = data.draw(st.sampled_from([b, b[..., :1], 0.0, 0.5, -0.0, 1, np.nan, np.float64(2), b.dtype.type(3)]))
    condition = data.draw(arrays(shape, values="ties")) > 0
    for first, second in ((a, b), (b, a)):
        with mock.patch.object(selection, "FEW", -1):
            actual = select(condition, first, second)
        expected = np.where(condition, first, second)
        assert actual.dtype == expected.dtype
        assert actual.tobytes() == expected.tobytes()


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64, np.int64]))
def test_clearing_is_where_with_zeros(data: Any, dtype: Any) -> None:
    shape = data.draw(shapes(1, 3, 0))
    a = data.draw(arrays(shape, values="integers" if dtype is np.int64 else "special", dtype=dtype))
    condition = data.draw(arrays(shape, values="ties")) > 0
    with mock.patch.object(selection, "FEW", -1):
        actual = selection.cleared(condition, a)
    expected = np.where(condition, 0.0, a)
    assert actual.dtype == expected.dtype
    assert actual.tobytes() == expected.tobytes()
    assert not np.shares_memory(actual, a)


def test_scalars_and_broadcast_conditions() -> None:
    assert select(True, 1.0, 2.0) == 1.0
    a, b = np.ones((2, 3)), np.zeros((2, 3))
    np.testing.assert_array_equal(select(np.array([[True], [False]]), a, b), [[1.0] * 3, [0.0] * 3])
    assert not np.shares_memory(select(np.ones((2, 3), bool), a, b), a)
