"""Matrix products in all of NumPy's shapes, and the affine map of a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import DTypeError, ShapeError


def whole(shape: tuple[int, ...], seed: int = 0) -> Any:
    """Whole numbers, on which sums of products are exact."""
    values = np.random.default_rng([seed, *shape]).integers(-9, 9, shape)
    return tg.tensor(values.astype(np.float64), requires_grad=True)


SHAPES = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((5, 6, 2, 3), (1, 1, 3, 4)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((0, 2, 3), (3, 4)),
    ((0,), (0,)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES, ids=str)
def test_matmul_is_numpys_and_its_gradients_are_adjoint(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = whole(left, 1), whole(right, 2)
    y = a @ b
    np.testing.assert_array_equal(y.data, a.data @ b.data)
    g = np.random.default_rng(0).integers(-9, 9, y.shape).astype(np.float64)
    y.backward(g)
    assert (a.grad.shape, b.grad.shape) == (left, right)
    # bilinear: <a b, g> = <a, a's gradient> = <b, b's gradient>, without rounding
    assert (y.data * g).sum() == (a.grad.data * a.data).sum() == (b.grad.data * b.data).sum()


def test_matmul_records_on_either_side() -> None:
    a, array = whole((2, 3)), np.ones((3, 2))
    for y in (a @ array, array @ a, tg.matmul(array, a), np.matmul(a, array)):
        assert isinstance(y, tg.Tensor)
        assert y.requires_grad
    assert isinstance(tg.matmul(array, np.ones((2, 3))), np.ndarray)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((2, 3), (4, 5), r"matmul: inner sizes differ: \(2, 3\) @ \(4, 5\) has 3 against 4"),
        ((3,), (4,), r"inner sizes differ: \(3,\) @ \(4,\) has 3 against 4"),
        ((2, 3), (2,), "has 3 against 2"),
        ((5, 2, 3), (6, 3, 4), r"matmul: batch dimensions do not broadcast: \(5, 2, 3\) @ \(6, 3, 4\)"),
        ((), (3,), r"matmul: expects at least one dimension, got \(\) @ \(3,\); use \* for scalars"),
        ((3,), (), "expects at least one dimension"),
    ],
    ids=str,
)
def test_matmul_refuses_what_does_not_fit(left: tuple[int, ...], right: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        whole(left) @ whole(right)


def test_integers_multiply_and_mixed_dtypes_do_not() -> None:
    assert (tg.tensor([[1, 2]]) @ tg.tensor([[3], [4]])).tolist() == [[11]]
    for other in (tg.tensor(np.ones((3, 2), np.float32)), np.ones((3, 2), int)):
        with pytest.raises(DTypeError, match=r"matmul: expects one dtype, got float64 and .*; convert with .float\(\)"):
            whole((2, 3)) @ other


# ---- linear


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("leading", [(), (1,), (5,), (2, 5), (0,), (2, 3, 5)], ids=str)
def test_linear_is_x_w_transposed_plus_b(leading: tuple[int, ...], bias: bool) -> None:
    x, w = whole((*leading, 3)), whole((4, 3))
    b: Any = whole((4,)) if bias else None
    y = tg.linear(x, w, b)
    np.testing.assert_array_equal(y.data, x.data @ w.data.T + (b.data if bias else 0))
    g = np.random.default_rng(0).integers(-9, 9, y.shape).astype(np.float64)
    y.backward(g)
    rows, columns = g.reshape(-1, 4), x.data.reshape(-1, 3)
    np.testing.assert_array_equal(x.grad.data, g @ w.data)
    np.testing.assert_array_equal(w.grad.data, rows.T @ columns)
    if bias:
        np.testing.assert_array_equal(b.grad.data, rows.sum(0))


def test_linear_does_not_write_into_its_bias() -> None:
    x, w, b = whole((2, 3)), whole((4, 3)), whole((4,))
    before = b.data.copy()
    tg.linear(x, w, b)
    np.testing.assert_array_equal(b.data, before)


@pytest.mark.parametrize(
    ("x", "w", "b", "message"),
    [
        (
            (2, 5),
            (4, 3),
            None,
            r"linear: weight expects 3 features, input has 5 \(input \(2, 5\), weight \(4, 3\)\); pass in_features=5",
        ),
        ((), (4, 3), None, "linear: weight expects 3 features, input has no"),
        ((2, 3), (3,), None, r"linear: expects a weight \(out_features, in_features\), got shape \(3,\)"),
        ((2, 3), (4, 3), (3,), r"linear: expects a bias of shape \(4,\), got \(3,\)"),
        ((2, 3), (4, 3), (1, 4), r"linear: expects a bias of shape \(4,\), got \(1, 4\)"),
    ],
    ids=["features", "0-d", "weight", "bias", "bias row"],
)
def test_linear_refuses_what_does_not_fit(x: Any, w: Any, b: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        tg.linear(whole(x), whole(w), None if b is None else whole(b))


def test_linear_refuses_mixed_dtypes() -> None:
    x, w, b = whole((2, 3)), whole((4, 3)), whole((4,))
    with pytest.raises(DTypeError, match="linear: expects one dtype, got float32 and float64"):
        tg.linear(x.float(), w)
    with pytest.raises(DTypeError, match="linear: expects one dtype, got float64 and float64 and float32"):
        tg.linear(x, w, b.float())
