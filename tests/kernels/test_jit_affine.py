"""The compiled affine map and its gradients against NumPy's: any sizes, layouts, NaN, threads, promises."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from tinygrad_cnn.kernels.jit import affine, small_products
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

EXACT = 1e-5  # the relative error that float32 may have
ALL = (True, True, True)

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    lambda a: a.T.copy().T,
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    lambda a: a[::-1].copy()[::-1],
]
# Those that multiply by tiles, by loops, and by the library.
WAYS = [{"affine": 1, "small": 0}, {"affine": 1 << 40, "small": 1 << 40}, {"affine": 1 << 40, "small": 0}]


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for arrays as small as these."""
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(affine, "GRAIN", 1)
    set_num_threads(2)


@pytest.fixture(params=WAYS, ids=["tiles", "loops", "library"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "FEW", request.param["affine"])
    monkeypatch.setattr(small_products, "FEW", request.param["small"])


class Case:
    """Arrays of one layer, read-only; of whole numbers unless `fractions` are asked for."""

    def __init__(
        self,
        rows: tuple[int, ...],
        features: int,
        outputs: int,
        dtype: Any = np.float32,
        layout: Callable[[Array], Array] = np.copy,
        *,
        fractions: bool = False,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)

        def numbers(*shape: int) -> Array:
            return (rng.standard_normal(shape) if fractions else rng.integers(-4, 5, shape)).astype(dtype)

        self.x, self.w, self.b = layout(numbers(*rows, features)), layout(numbers(outputs, features)), numbers(outputs)
        self.g = layout(numbers(*rows, outputs))
        for array in (self.x, self.w, self.b, self.g):
            array.flags.writeable = False

    def results(self, kernels: Any, dtype: Any = None, needs: tuple[bool, bool, bool] = ALL) -> dict[str, Array | None]:
        """What the kernels of a backend give, computed in dtype."""
        x, w, b, g = (a if dtype is None else a.astype(dtype) for a in (self.x, self.w, self.b, self.g))
        y = kernels.linear(x, w, b, True)
        return {
            "linear": kernels.linear(x, w, b, False),
            "linear without bias": kernels.linear(x, w, None, False),
            "linear, relu": y,
            **dict(zip(("gx", "gw", "gb"), kernels.linear_grads(g, x, w, None, needs), strict=True)),
            **dict(zip(("gx, relu", "gw, relu", "gb, relu"), kernels.linear_grads(g, x, w, y, needs), strict=True)),
        }


def assert_same(results: dict[str, Array | None], expected: dict[str, Array | None]) -> None:
    for name, array in expected.items():
        result = results[name]
        assert (result is None) == (array is None), name
        if array is not None and result is not None:
            assert result.dtype == array.dtype, name
            assert_array_equal(result, array, err_msg=name)


SIZES = st.sampled_from([1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 40, 64, 65, 100])
needs_of_any = st.tuples(st.booleans(), st.booleans(), st.booleans())


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return Case(
        draw(st.one_of(st.tuples(SIZES), st.tuples(st.integers(1, 3), SIZES))),
        draw(SIZES),
        draw(SIZES),
        draw(st.sampled_from([np.float32, np.float64])),
        draw(st.sampled_from(LAYOUTS)),
        seed=draw(st.integers(0, 2**32)),
    )


@pytest.mark.usefixtures("way")
@given(cases(), needs_of_any)
def test_every_size_gives_the_bits_of_numpy(case: Case, needs: tuple[bool, bool, bool]) -> None:
    assert_same(case.results(jit, needs=needs), case.results(reference, needs=needs))


class ByFormula:
    """The formulas, without a BLAS, which may leave out what it multiplies by 0, also where the other factor is NaN."""

    @staticmethod
    def linear(x: Array, w: Array, b: Array | None, relu: bool) -> Array:
        y: Array = np.einsum("...i,oi->...o", x, w) + (0 if b is None else b)
        return np.maximum(y, y.dtype.type(0)) if relu else y

    @staticmethod
    def linear_grads(
        g: Array, x: Array, w: Array, y: Array | None, needs: tuple[bool, bool, bool]
    ) -> tuple[Array, ...]:
        g = g if y is None else np.where(y <= 0, g.dtype.type(0), g)
        rows, columns = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
        gx = np.einsum("ro,oi->ri", rows, w).reshape(x.shape)
        return gx, np.einsum("ro,ri->oi", rows, columns), rows.sum(axis=0)


@given(cases(), st.sampled_from([np.nan, np.inf, -np.inf]))
@pytest.mark.parametrize("way", WAYS[:2], indirect=True, ids=["tiles", "loops"])
@pytest.mark.usefixtures("way")
def test_nan_and_infinities_go_where_the_formula_has_them(case: Case, value: float) -> None:
    for name in ("x", "w", "g"):
        array = getattr(case, name).copy()
        array[array == 0] = 1  # some layouts are left to a BLAS
        if name != "w":
            array.flat[array.size // 2] = value
        setattr(case, name, array)
    with np.errstate(invalid="ignore"):
        results, expected = case.results(jit), case.results(ByFormula)
    # What relu has cut off counts as 0, even times infinity, where a kernel leaves it out.
    assert_same(results, {name: array for name, array in expected.items() if not name.endswith(", relu")})


@pytest.mark.parametrize(
    ("rows", "features", "outputs"), [(128, 784, 512), (33, 400, 120), (64, 1000, 17), (4000, 100, 50), (8, 20, 5)]
)
def test_float32_is_close_to_float64(rows: int, features: int, outputs: int) -> None:
    case = Case((rows,), features, outputs, fractions=True)
    results, exact = case.results(jit), case.results(reference, np.float64)
    for name, array in exact.items():
        found = results[name]
        assert array is not None
        assert found is not None
        if name.endswith(", relu") and name != "linear, relu":
            continue  # a sum that is almost 0 may be cut off in one and not in the other
        assert np.linalg.norm(found - array) < EXACT * np.linalg.norm(array), name


@pytest.mark.usefixtures("way")
@given(cases())
def test_the_gradients_are_adjoint(case: Case) -> None:
    value = np.vdot(jit.linear(case.x, case.w, None, False), case.g)
    gx, gw, gb = jit.linear_grads(case.g, case.x, case.w, None, ALL)
    assert gx is not None
    assert gw is not None
    assert gb is not None
    assert np.vdot(case.x, gx) == value
    assert np.vdot(case.w, gw) == value
    assert gb.sum() == case.g.sum()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("rows", [(0,), (0, 3), (3, 0)])
def test_an_empty_batch(rows: tuple[int, ...]) -> None:
    case = Case(rows, 7, 5)
    assert_same(case.results(jit), case.results(reference))


def test_other_dtypes_are_left_to_numpy() -> None:
    case = Case((64,), 200, 100, np.longdouble)
    assert_same(case.results(jit), case.results(reference))


@pytest.mark.usefixtures("way")
def test_the_inputs_stay_as_they_were_and_are_not_returned() -> None:
    case, again = Case((40,), 33, 50), Case((40,), 33, 50)
    for array in (case.x, case.w, case.b, case.g):
        array.flags.writeable = True  # taken as they are, without a copy
    results = case.results(jit)
    for name in ("x", "w", "b", "g"):
        assert_array_equal(getattr(case, name), getattr(again, name))
        assert not any(
            np.shares_memory(getattr(case, name), result) for result in results.values() if result is not None
        )


@pytest.mark.usefixtures("way")
def test_the_same_bits_every_time_and_from_several_threads() -> None:
    layers = [Case((50,), 120, 90, fractions=True, seed=seed) for seed in range(4)]
    expected = [layer.results(jit) for layer in layers]
    with ThreadPoolExecutor(len(layers)) as threads:
        for _ in range(5):
            for results, first in zip(threads.map(lambda layer: layer.results(jit), layers), expected, strict=True):
                assert_same(results, first)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_threads(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affine, "FEW", 0)
    case = Case((37,), 100, 130)
    expected = case.results(reference)
    set_num_threads(count)
    assert_same(case.results(jit), expected)
