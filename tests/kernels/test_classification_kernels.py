"""Cross entropy against its formula, in whichever backend runs, and the compiled one against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from tinygrad_cnn import kernels
from tinygrad_cnn.kernels import numpy as reference

Array = NDArray[Any]

EXACT = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-13}


@st.composite
def batches(draw: st.DrawFn) -> tuple[Array, Array]:
    """Scores and labels, read-only, of few classes and many, small scores and large."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 9)), draw(st.sampled_from([1, 2, 10, 16, 33]))
    scale, dtype = draw(st.sampled_from([0.0, 1.0, 30.0, 1e4])), draw(st.sampled_from([np.float32, np.float64]))
    x = (rng.normal(size=shape) * scale).astype(dtype)
    laid = draw(st.sampled_from([x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]]))
    labels = rng.integers(0, shape[1], shape[0]).astype(draw(st.sampled_from([np.int64, np.int32, np.uint8])))
    laid.flags.writeable = labels.flags.writeable = False
    return laid, labels


@given(batches())
def test_cross_entropy_and_its_gradient_are_the_formulas(drawn: tuple[Array, Array]) -> None:
    x, labels = drawn
    exact = x.astype(np.float64)
    softmax = np.exp(exact - exact.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    hits = np.eye(x.shape[1])[labels]
    top = exact.max(axis=1)
    losses = np.log(np.exp(exact - top[:, None]).sum(axis=1)) + top - (exact * hits).sum(axis=1)

    loss, p = kernels.cross_entropy(x, labels)
    g = np.asarray(1.5, x.dtype)
    gx = kernels.cross_entropy_grad(g, p, labels)
    tolerance = EXACT[x.dtype]
    assert_allclose(loss, losses.mean(), rtol=tolerance, atol=10 * tolerance)
    assert_allclose(p, softmax, rtol=40 * tolerance, atol=tolerance)
    assert_allclose(gx, (softmax - hits) * 1.5 / len(x), atol=10 * tolerance)
    assert (np.asarray(loss).shape, p.shape, gx.shape) == ((), x.shape, x.shape)
    assert {np.asarray(loss).dtype, p.dtype, gx.dtype} == {x.dtype}


INFINITE = [[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 1.0], [-np.inf, -np.inf], [3e38, -3e38], [np.nan, np.nan]]


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("scores", INFINITE, ids=str)
def test_what_is_not_finite_comes_out_as_in_numpy(scores: list[float], label: int) -> None:
    jit = pytest.importorskip("tinygrad_cnn.kernels.jit", exc_type=ImportError)
    x, labels = np.array([scores], np.float32), np.array([label])
    with np.errstate(invalid="ignore", over="ignore"):
        expected = reference.cross_entropy(x, labels)
    for actual, value in zip(jit.cross_entropy(x, labels), expected, strict=True):
        assert_array_equal(actual, value)


def test_many_rows_are_summed_exactly_and_alike_every_time() -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(20_000, 10)).astype(np.float32), rng.integers(0, 10, 20_000)
    loss, p = kernels.cross_entropy(x, labels)
    assert_allclose(loss, reference.cross_entropy(x.astype(np.float64), labels)[0], rtol=1e-6)
    again, q = kernels.cross_entropy(x, labels)
    assert loss == again
    assert_array_equal(p, q)
