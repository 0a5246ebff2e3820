"""The compiled activations, arithmetic, and sums over images, against NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn.kernels import jit, set_num_threads
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import activations, channels, elementwise
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    lambda a: np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1),  # channels last
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a.T.copy().T,
    lambda a: a[::-1].copy()[::-1],  # negative strides
]


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for arrays as small as these, which are compiled code's too."""
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(activations, "FEW", 0)
    monkeypatch.setattr(channels, "FEW", 0)
    for module in (elementwise, channels):
        monkeypatch.setattr(module, "GRAIN", 8)
    set_num_threads(2)


@st.composite
def pairs(draw: st.DrawFn, values: list[float] | None = None) -> tuple[Array, Array]:
    """Two read-only arrays of one shape and dtype, each with a memory layout of its own."""
    shape = draw(
        st.one_of(
            st.tuples(st.integers(0, 3), st.sampled_from([1, 3, 8, 19]), st.integers(1, 5), st.integers(1, 5)),
            st.tuples(st.integers(0, 40), st.integers(1, 40)),
        )
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    drawn = [rng.choice(values or [-1.0, 0.0, 2.0, np.nan, np.inf, -np.inf], shape).astype(dtype) for _ in range(2)]
    first, second = (draw(st.sampled_from(LAYOUTS))(array) for array in drawn)
    first.flags.writeable = second.flags.writeable = False
    return first, second


@given(pairs())
def test_relu_and_its_gradient(drawn: tuple[Array, Array]) -> None:
    x, g = drawn
    y, expected = jit.relu(x), reference.relu(x)
    assert_array_equal(y, expected)
    assert (y.dtype, y.shape) == (x.dtype, x.shape)
    assert not np.shares_memory(y, x)
    gx = jit.relu_grad(g, y)
    assert_array_equal(gx, reference.relu_grad(g, expected))
    assert gx.dtype == g.dtype


def test_relu_of_a_scalar_of_integers_and_of_more_dimensions() -> None:
    assert jit.relu(np.array(-2.0, np.float32)).item() == 0
    assert jit.relu(np.array([-3, 3])).tolist() == [0, 3]
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6))
    assert_array_equal(jit.relu(x[..., ::2]), np.maximum(x[..., ::2], 0))


def test_relu_keeps_the_order_of_memory() -> None:
    x = LAYOUTS[1](np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    y = jit.relu(x)
    assert y.strides == x.strides
    assert jit.relu_grad(np.ascontiguousarray(x), y).strides == x.strides


# ---- the others


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -3.0, 3.0, 100.0, -100.0, 1e10, -1e10, 1e-30]
OPTIONS = {
    "sigmoid": (),
    "tanh": (),
    "silu": (),
    "gelu": (),
    "gelu_tanh": (),
    "elu": (0.7,),
    "leaky_relu": (0.2,),
    "hardswish": (),
}


@pytest.mark.parametrize(("name", "option"), OPTIONS.items(), ids=OPTIONS)
def test_every_activation_and_its_gradient(name: str, option: tuple[float, ...]) -> None:
    x = np.concatenate([np.linspace(-12, 12, 50_001), np.geomspace(1e-20, 1, 1001), SPECIAL]).astype(np.float32)
    g = np.random.default_rng(0).normal(size=x.shape).astype(np.float32)
    x.flags.writeable = g.flags.writeable = False
    with np.errstate(invalid="ignore", over="ignore"):
        y, exact = getattr(jit, name)(x, *option), getattr(reference, name)(x.astype(np.float64), *option)
        known, exactly_known = (y, exact) if name in ("sigmoid", "tanh") else (x, x.astype(np.float64))
        gx = getattr(jit, f"{name}_grad")(g, known, *option)
        exact_gx = getattr(reference, f"{name}_grad")(g.astype(np.float64), exactly_known, *option)
    assert (y.dtype, gx.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(y, exact, rtol=3e-7, atol=1e-6)
    np.testing.assert_allclose(gx, exact_gx, rtol=3e-7, atol=4e-6)
    near_zero = np.abs(x) < 0.1
    if name in ("tanh", "elu"):  # as exact where the function is small
        np.testing.assert_allclose(y[near_zero], exact[near_zero], rtol=3e-7)


@pytest.mark.parametrize("name", OPTIONS)
def test_float64_is_left_to_numpy_and_float32_keeps_its_layout(name: str) -> None:
    x = LAYOUTS[1](np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
    for array in (x, x.astype(np.float32)):
        y = getattr(jit, name)(array, *OPTIONS[name])
        gx = getattr(jit, f"{name}_grad")(np.ascontiguousarray(array), array, *OPTIONS[name])
        assert (y.shape, gx.shape, y.dtype, gx.dtype) == (x.shape, x.shape, array.dtype, array.dtype)
        np.testing.assert_allclose(y, getattr(reference, name)(array, *OPTIONS[name]), rtol=1e-5, atol=1e-6)
    assert (y.strides, gx.strides) == (array.strides, array.strides)


# ---- arithmetic


@pytest.mark.parametrize("ufunc", [np.add, np.subtract, np.multiply, np.divide, np.maximum])
@given(
    pairs(values=[-1.5, 0.0, 3.0, np.nan, np.inf]),
    st.booleans(),
    st.sampled_from(["alike", "as they are", "one row", "dtypes"]),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arithmetic(ufunc: np.ufunc, drawn: tuple[Array, Array], writeable: bool, relation: str) -> None:
    a, b = drawn
    if relation == "alike":
        b = np.full_like(a, 3)
    elif relation == "one row":
        b = b[:1]
    elif relation == "dtypes":
        b = b.astype(np.float64)
    a, b = (np.copy(array, order="K") if writeable else array for array in (a, b))
    if relation == "one row" and len(a) == 0:
        return
    result = jit.combine(ufunc, a, b)
    assert_array_equal(result, ufunc(a, b))
    assert (result.dtype, result.shape) == (ufunc(a, b).dtype, a.shape)
    assert not np.shares_memory(result, a)


@given(pairs(values=[-1.5, 0.0, 3.0, np.nan, np.inf]), st.booleans(), st.sampled_from(LAYOUTS))
def test_adding_in_place(drawn: tuple[Array, Array], alike: bool, layout: Callable[[Array], Array]) -> None:
    total, addend = layout(drawn[0]), drawn[1]
    if alike:
        addend = np.full_like(total, 3)
    expected = total + addend
    jit.add_to(total, addend)
    assert_array_equal(total, expected)


def test_arithmetic_keeps_the_layout_and_takes_memory_of_the_pool() -> None:
    images = LAYOUTS[1](np.ones((8, 16, 32, 32), np.float32))
    for a in (images, np.ones((400, 300), np.float32)):
        result = jit.combine(np.add, a, a)
        assert result.strides == a.strides
        at = result.ctypes.data
        del result
        assert jit.combine(np.multiply, a, a).ctypes.data == at


# ---- sums over channels, and over pixels


@given(pairs(values=[float(n) for n in range(-8, 9)]))
def test_pixel_sums(drawn: tuple[Array, Array]) -> None:
    x, _ = drawn
    if x.ndim != 4:
        return
    sums = jit.pixel_sums(x)
    assert_array_equal(sums, reference.pixel_sums(x))
    assert sums.dtype == x.dtype


def test_long_pixel_sums_keep_their_digits() -> None:
    x = np.random.default_rng(0).random((2, 400, 300, 3), np.float32).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(jit.pixel_sums(x), x.sum((2, 3), np.float64), rtol=1e-6)


@given(pairs(values=[float(n) for n in range(-8, 9)]))
def test_channel_sums(drawn: tuple[Array, Array]) -> None:
    g, _ = drawn
    sums = jit.channel_sums(g)
    assert_array_equal(sums, reference.channel_sums(g))
    assert sums.dtype == g.dtype


def test_long_channel_sums_keep_their_digits_and_their_bits() -> None:
    g = np.random.default_rng(0).random((64, 3, 60, 60), np.float32)
    exact = g.sum((0, 2, 3), np.float64)
    sums = jit.channel_sums(g)
    np.testing.assert_allclose(sums, exact, rtol=1e-6)
    assert_array_equal(jit.channel_sums(g), sums)


def test_nan_and_infinity_stay_in_their_channels() -> None:
    g = np.ones((2, 4, 3, 3))
    g[0, 1, 1, 1], g[1, 2, 0, 0] = np.nan, np.inf
    assert_array_equal(jit.channel_sums(g), [18, np.nan, np.inf, 18])
