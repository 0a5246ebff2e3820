"""Sums, means and extremes: over which dimensions, with which ties, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError

REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sum": (tg.sum, np.sum),
    "mean": (tg.mean, np.mean),
    "amax": (tg.amax, np.max),
    "amin": (tg.amin, np.min),
    "any": (tg.any, np.any),
    "all": (tg.all, np.all),
}
ARRAY = np.random.default_rng(0).permutation(24).reshape(2, 3, 4).astype(np.float64) - 12


def leaf(values: Any, dtype: Any = np.float32) -> Any:
    return tg.tensor(np.asarray(values, dtype), requires_grad=True)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 2), (-1, -3), [1], np.int64(1), ()], ids=repr)
@pytest.mark.parametrize("name", REDUCTIONS)
def test_values_and_shapes_are_numpys(name: str, dim: Any, keepdim: bool) -> None:
    ours, numpys = REDUCTIONS[name]
    axis = tuple(dim) or None if isinstance(dim, list | tuple) else dim  # () is everything, as in PyTorch
    expected = numpys(ARRAY, axis=axis, keepdims=keepdim)
    y = ours(leaf(ARRAY, np.float64), dim, keepdim)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(
    ("dim", "message"),
    [
        (3, r"dim 3 is out of range for 3 dimensions \(-3 to 2\)"),
        ((0, -4), "dim -4 is out of range"),
        ((0, -3), r"dim \(0, -3\) names a dimension twice"),
    ],
    ids=["beyond", "below", "twice"],
)
def test_dimensions_that_do_not_exist_are_refused(name: str, dim: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"{name}: {message}"):
        REDUCTIONS[name][0](leaf(ARRAY), dim)


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [None, 0, (0, -1), 1], ids=repr)
def test_sum_and_mean_spread_their_cotangent(dim: Any, keepdim: bool) -> None:
    for operation in (tg.sum, tg.mean):
        x = leaf(ARRAY, np.float64)
        y = operation(x, dim, keepdim)
        cotangent = np.arange(1.0, y.numel() + 1).reshape(y.shape)
        y.backward(cotangent)
        spread = cotangent if keepdim or dim is None else np.expand_dims(cotangent, dim)
        share = 1.0 if operation is tg.sum else y.numel() / x.numel()
        np.testing.assert_allclose(x.grad.data, np.broadcast_to(spread * share, x.shape))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tg.sum(x, 0.5),  # type: ignore[arg-type]
        lambda x: tg.amax(x, (0, "1")),  # type: ignore[arg-type]
        lambda x: tg.max(x, (0, 1)),  # type: ignore[arg-type]
        lambda x: tg.argmin(x, 1.0),  # type: ignore[arg-type]
    ],
    ids=["sum", "amax", "max", "argmin"],
)
def test_dimensions_are_integers(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ArgumentTypeError, match="dim expects an int, got"):
        call(leaf(ARRAY))


def test_integers_sum_and_have_no_mean() -> None:
    assert tg.sum(tg.tensor([1, 2])).item() == 3
    assert tg.sum(tg.tensor([True, True])).item() == 2
    with pytest.raises(DTypeError, match=r"mean: expects floating-point input, got int64; convert it with .float\(\)"):
        tg.mean(tg.tensor([1, 2]))


def test_a_sum_of_many_float32_is_accurate() -> None:
    x = np.full(1_000_000, 0.1, np.float32)
    assert tg.sum(tg.tensor(x)).item() == pytest.approx(100_000, rel=1e-5)


def test_zero_size() -> None:
    x = leaf(np.zeros((0, 3)))
    y = tg.sum(x, 0)
    assert y.tolist() == [0.0, 0.0, 0.0]
    y.sum().backward()
    assert x.grad.shape == (0, 3)
    assert tg.mean(x, 1).shape == (0,)
    assert tg.amax(x, 1).shape == (0,)
    assert tg.max(x, 1).values.shape == (0,)
    assert (tg.any(x).item(), tg.all(x).item()) == (False, True)
    for operation in (tg.amax, tg.amin, tg.max, tg.min, tg.argmax, tg.argmin):
        with pytest.raises(ArgumentError, match="nothing to choose from"):
            operation(x)
        with pytest.raises(ArgumentError, match="nothing to choose from"):
            operation(x, 0)


def test_a_0d_tensor_reduces_to_itself() -> None:
    x = leaf(3.0)
    for operation in (tg.sum, tg.mean, tg.amax, tg.max):
        x.grad = None
        operation(x).backward()
        assert x.grad.item() == 1.0


# ---- extremes


@pytest.mark.parametrize("operation", [tg.amax, tg.amin, tg.max, tg.min], ids=["amax", "amin", "max", "min"])
def test_ties_over_everything_share_evenly(operation: Callable[..., Any]) -> None:
    x = leaf([[2.0, 2.0], [2.0, 2.0]])
    operation(x).backward()
    assert x.grad.tolist() == [[0.25, 0.25], [0.25, 0.25]]
    sign = 1.0 if operation in (tg.amax, tg.max) else -1.0
    x = leaf([sign * 3.0, sign, sign * 3.0])
    operation(x).backward()
    assert x.grad.tolist() == [0.5, 0.0, 0.5]


def test_ties_of_amax_along_a_dimension_share_evenly() -> None:
    x = leaf([[1.0, 3.0, 3.0], [5.0, 0.0, 0.0]])
    tg.amax(x, 1).backward([1.0, 10.0])
    assert x.grad.tolist() == [[0.0, 0.5, 0.5], [10.0, 0.0, 0.0]]


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_max_and_min_along_a_dimension_give_values_and_indices(dim: int, keepdim: bool) -> None:
    for operation, extreme, where in ((tg.max, np.max, np.argmax), (tg.min, np.min, np.argmin)):
        x = leaf(ARRAY, np.float64)
        values, indices = operation(x, dim, keepdim)
        np.testing.assert_array_equal(values.data, extreme(ARRAY, axis=dim, keepdims=keepdim))
        np.testing.assert_array_equal(indices.data, where(ARRAY, axis=dim, keepdims=keepdim))
        assert (values.requires_grad, indices.requires_grad, indices.dtype.kind) == (True, False, "i")
        values.sum().backward()
        expected = np.zeros_like(ARRAY)
        np.put_along_axis(expected, np.expand_dims(where(ARRAY, axis=dim), dim), 1.0, dim)
        np.testing.assert_array_equal(x.grad.data, expected)


def test_ties_along_a_dimension_go_to_the_first() -> None:
    for operation in (tg.max, tg.min):
        x = leaf([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
        result = operation(x, dim=1)
        assert result.indices.tolist() == [0, 0]
        result.values.sum().backward()
        assert x.grad.tolist() == [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]


def test_nan_is_the_extreme() -> None:
    for operation in (tg.amax, tg.amin, tg.max, tg.min):
        x = leaf([1.0, np.nan, 3.0])
        y = operation(x)
        assert np.isnan(y.item())
        y.backward()
        assert x.grad.tolist() == [0.0, 1.0, 0.0]
    for operation in (tg.max, tg.min):
        values, indices = operation(leaf([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]]), 1)
        assert np.isnan(values.data).tolist() == [True, False]
        assert indices.data[0] == 1


def test_infinities_are_extremes() -> None:
    for operation, value in ((tg.amax, -np.inf), (tg.amin, np.inf)):
        x = leaf([value, value])
        operation(x).backward()
        assert x.grad.tolist() == [0.5, 0.5]


def test_argmax_and_argmin_are_integer_constants() -> None:
    x = leaf(ARRAY)
    for ours, numpys in ((tg.argmax, np.argmax), (tg.argmin, np.argmin)):
        assert ours(x).item() == numpys(ARRAY)
        for dim in (0, 1, -1):
            for keepdim in (False, True):
                y = ours(x, dim, keepdim)
                np.testing.assert_array_equal(y.data, numpys(ARRAY, axis=dim, keepdims=keepdim))
                assert (y.requires_grad, y.dtype.kind) == (False, "i")
        with pytest.raises(ArgumentError, match="dim 3 is out of range"):
            ours(x, 3)
        with pytest.raises(ArgumentError, match="dim -4 is out of range"):
            ours(x, -4)


def test_any_and_all_are_boolean_constants() -> None:
    x = leaf([[0.0, 1.0], [0.0, 0.0]])
    assert (tg.any(x, 1).tolist(), tg.all(x, 0).tolist()) == ([True, False], [False, False])
    assert not tg.any(x).requires_grad


def test_the_extreme_of_two_tensors_is_another_operation() -> None:
    x: Any = tg.tensor([1.0, 2.0])
    with pytest.raises(ArgumentTypeError, match="max: dim must be an integer; the larger of two Tensors is maximum"):
        tg.max(x, x)
    with pytest.raises(ArgumentError, match=r"^min: dim 3 is out of range"):
        tg.min(x, 3)
