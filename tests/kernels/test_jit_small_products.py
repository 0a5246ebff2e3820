"""The compiled affine map of small layers against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn.kernels import jit
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import small_products
from tinygrad_cnn.kernels.jit.small_products import small_linear, small_linear_grads

Array = NDArray[Any]

TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-13}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sizes below are."""
    monkeypatch.setattr(small_products, "FEW", 1 << 30)


@st.composite
def layers(draw: st.DrawFn) -> tuple[Array, Array, Array | None]:
    rows, features, outputs = draw(st.integers(0, 9)), draw(st.integers(0, 40)), draw(st.integers(0, 11))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x, w, b = (rng.normal(size=shape).astype(dtype) for shape in ((rows, features), (outputs, features), (outputs,)))
    laid = draw(st.sampled_from([x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]]))
    laid.flags.writeable = draw(st.booleans())
    return laid, w, draw(st.sampled_from([b, None]))


@given(layers(), st.booleans(), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_small_layers_and_their_gradients(
    layer: tuple[Array, Array, Array | None], relu: bool, needs: tuple[bool, bool, bool]
) -> None:
    x, w, b = layer
    tolerance = TOLERANCE[x.dtype]
    y = small_linear(x, w, b, relu)
    expected = reference.linear(x, w, b, relu)
    assert_allclose(y, expected, rtol=tolerance, atol=10 * tolerance)
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)

    g = np.random.default_rng(0).normal(size=y.shape).astype(x.dtype)
    seen = expected if relu else None
    for one, other, is_needed in zip(
        small_linear_grads(g, x, w, seen, needs), reference.linear_grads(g, x, w, seen, needs), needs, strict=True
    ):
        assert (one is not None) == (other is not None) == is_needed
        if one is not None and other is not None:
            assert_allclose(one, other, rtol=tolerance, atol=10 * tolerance)
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert not any(np.shares_memory(one, array) for array in (g, x, w, y))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_comes_out_as_in_numpy(odd: float) -> None:
    x, w, b = np.ones((3, 5)), np.ones((4, 5)), np.zeros(4)
    x[1, 2], b[3] = odd, odd
    g = np.ones((3, 4))
    g[0, 0] = odd
    with np.errstate(invalid="ignore"):
        for relu in (False, True):
            y = small_linear(x, w, b, relu)
            assert_array_equal(y, reference.linear(x, w, b, relu))
            seen = y if relu else None
            for one, other in zip(
                small_linear_grads(g, x, w, seen, (True, True, True)),
                reference.linear_grads(g, x, w, seen, (True, True, True)),
                strict=True,
            ):
                assert_array_equal(one, other)


def test_the_gradient_where_relu_has_cut_off_is_0_whatever_comes_in() -> None:
    x, w = np.ones((1, 2)), np.full((1, 2), -1.0)
    y = small_linear(x, w, None, True)
    gx, gw, gb = small_linear_grads(np.array([[np.inf]]), x, w, y, (True, True, True))
    assert [array.tolist() for array in (gx, gw, gb) if array is not None] == [[[0.0, 0.0]], [[0.0, 0.0]], [0.0]]


def test_other_dtypes_and_more_dimensions_are_numpys() -> None:
    x, w = np.arange(12).reshape(2, 2, 3), np.arange(6).reshape(2, 3)
    assert_array_equal(jit.linear(x, w, None, False), x @ w.T)
    y = jit.linear(x.astype(np.float32), w.astype(np.float32), None, False)
    assert_array_equal(y, (x @ w.T).astype(np.float32))
    assert y.dtype == np.float32


def test_the_same_bits_each_time() -> None:
    x, w, b = (np.random.default_rng(i).normal(size=shape) for i, shape in enumerate([(7, 33), (5, 33), (5,)]))
    assert small_linear(x, w, b, True).tobytes() == small_linear(x, w, b, True).tobytes()
