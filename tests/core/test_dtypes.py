"""float32 stays float32: no scalar, label, index or 0-d array turns it into float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.dtypes import promoted
from tinygrad_cnn.errors import DTypeError

F32, F64, I32, I64 = (np.dtype(name) for name in ("float32", "float64", "int32", "int64"))

OTHERS: dict[str, Any] = {
    "python float": 2.0,
    "python int": 2,
    "bool": True,
    "np.float64": np.float64(2),
    "np.int64": np.int64(2),
    "np.float16": np.float16(2),
    "0-d float64 array": np.array(2.0),
    "list": [1.0, 2.0, 3.0],
    "int64 array": np.array([1, 2, 3]),
    "bool array": np.array([True, True, True]),
    "int Tensor": tg.tensor([1, 2, 3]),
    "0-d float64 Tensor": tg.tensor(np.float64(2)),
    "0-d int Tensor": tg.tensor(2),
}
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "maximum": tg.maximum,
    "minimum": tg.minimum,
    "where": lambda a, b: tg.where(np.array([True, False, True]), a, b),
}


@pytest.mark.parametrize("other", [pytest.param(value, id=name) for name, value in OTHERS.items()])
@pytest.mark.parametrize("operation", [pytest.param(f, id=name) for name, f in OPERATIONS.items()])
def test_float32_survives_its_company(operation: Callable[[Any, Any], Any], other: Any) -> None:
    for flip in (False, True):
        x: Any = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
        with np.errstate(over="ignore"):
            y = operation(other, x) if flip else operation(x, other)
        assert isinstance(y, tg.Tensor)
        assert y.dtype == F32
        y.sum().backward()
        assert x.grad.dtype == F32
        a, b = (np.asarray(v.data if isinstance(v, tg.Tensor) else v, F64) for v in (x, other))
        expected = operation(b, a) if flip else operation(a, b)
        np.testing.assert_allclose(y.data, np.asarray(expected), rtol=1e-6)


@pytest.mark.parametrize(
    "other", [pytest.param(value, id=name) for name, value in OTHERS.items() if not np.ndim(value) and name != "bool"]
)
def test_float32_survives_derivatives_of_higher_order(other: Any) -> None:
    x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (other * x**other / (other + x) - other).sum()
    slope: Any = tg.grad(y, x, create_graph=True)[0]
    curvature: Any = tg.grad(slope.sum(), x)[0]
    assert (y.dtype, slope.dtype, curvature.dtype) == (F32, F32, F32)


def test_0d_results_are_not_promoted_by_scalars() -> None:
    loss = tg.tensor([1.0, 2.0], requires_grad=True).sum()
    for y in (np.float64(2) * loss, loss / np.float64(2), loss + 1, loss * 0.5):
        assert (y.dtype, y.shape) == (F32, ())


def test_arrays_with_dimensions_do_promote() -> None:
    x: Any = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * np.array([1.0, 2.0])
    assert y.dtype == F64
    y.sum().backward()
    assert x.grad.dtype == F32  # yet each gradient has its input's dtype


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([np.ones(2, F32), np.ones(2, F64)], F64),
        ([np.ones(2, F32), np.ones(2, I64)], F32),
        ([np.array(1, F64), np.ones(2, F32)], F32),
        ([np.array(1, F64), np.array(1, F32)], F64),
        ([np.array(1, I64), np.ones(2, I32)], I32),
        ([np.ones(2, I32), np.ones(2, I64)], I64),
        ([np.ones(2, I64), 0.5], F32),
        ([np.ones(2, I64), np.float64(0.5)], F32),
        ([np.ones(2, bool), 2], I64),
        ([np.ones(2, np.float16), 2.0], np.float16),
        ([np.ones(2, np.uint8), 2.0], F32),
    ],
    ids=str,
)
def test_promotion_table(values: list[Any], expected: Any) -> None:
    assert promoted(values) == expected
    assert promoted(values[::-1]) == expected


@pytest.mark.parametrize(
    "fraction",
    [
        tg.exp,
        tg.log,
        tg.sqrt,
        tg.tanh,
        tg.sigmoid,
        lambda x: x / 2,
        lambda x: x / x,
        lambda x: x * 0.5,
        lambda x: tg.cat([x, tg.tensor([0.5])]),
    ],
    ids=["exp", "log", "sqrt", "tanh", "sigmoid", "div", "div self", "times half", "cat"],
)
@pytest.mark.parametrize("dtype", [np.uint8, I32, I64])
def test_integers_become_float32_where_fractions_arise(fraction: Callable[[Any], Any], dtype: Any) -> None:
    assert fraction(tg.tensor(np.array([1, 2], dtype))).dtype == F32


def test_integers_stay_integers_where_none_do() -> None:
    x = tg.tensor(np.array([1, 2], I32))
    for y in (x + 1, x * np.int64(2), tg.tensor(1) + x, -x, tg.maximum(x, 1), tg.relu(x), x[0]):
        assert y.dtype == I32
    assert tg.exp(tg.tensor([True])).dtype == F32


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: tg.softmax(x, 0),
        lambda x: tg.log_softmax(x, 0),
        lambda x: tg.cross_entropy(x[None], [0]),
        tg.mean,
    ],
    ids=["softmax", "log_softmax", "cross_entropy", "mean"],
)
def test_operations_on_scores_refuse_integers(operation: Callable[[Any], Any]) -> None:
    with pytest.raises(DTypeError, match=r"expects floating-point input, got int64; convert it with \.float\(\)"):
        operation(tg.tensor([1, 2, 3]))


def test_joining_keeps_float32() -> None:
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert tg.cat([x, [3.0, 4.0]]).dtype == F32
    assert tg.cat([x, tg.tensor([1, 2])]).dtype == F32
    assert tg.stack([x.sum(), 1.0, np.float64(2), 3]).dtype == F32
    assert tg.stack([x, np.zeros(2)]).dtype == F64
    assert (x @ [1.0, 2.0]).dtype == F32


def test_labels_and_targets_do_not_promote_the_loss() -> None:
    x: Any = tg.tensor([[1.0, 2.0]], requires_grad=True)
    targets: list[Any] = [[1], np.array([1]), tg.tensor([1]), np.array([[0.0, 1.0]]), np.array([[0, 1]])]
    targets.append(np.array([[False, True]]))
    for target in targets:
        loss = tg.cross_entropy(x, target)
        loss.backward()
        assert loss.dtype == F32
        assert x.grad.dtype == F32
        assert loss.item() == pytest.approx(np.log(1 + np.exp(-1)), rel=1e-6)


def test_products_of_different_dtypes_are_refused_not_promoted() -> None:
    x, w = tg.tensor(np.ones((2, 3), F32)), tg.tensor(np.ones((3, 2), F64))
    with pytest.raises(DTypeError, match=r"matmul: expects one dtype, got float32 and float64; convert"):
        x @ w
    with pytest.raises(DTypeError, match="linear: expects one dtype"):
        tg.linear(x, w.T)


def test_tensor_reads_numbers_as_float32_and_arrays_as_they_are() -> None:
    assert tg.tensor(1.0).dtype == tg.tensor([[1.0], [2.0]]).dtype == tg.tensor([]).dtype == F32
    assert tg.tensor([1, 2]).dtype == I64
    assert tg.tensor([True]).dtype == bool
    assert tg.tensor(np.ones(2)).dtype == tg.tensor([np.float64(1)]).dtype == F64
    assert tg.tensor(np.ones(2), dtype=F32).dtype == tg.tensor([1, 2], dtype=F32).dtype == F32
    assert tg.tensor([np.ones(2), np.ones(2)]).dtype == F64


def test_an_elementwise_primitive_with_residuals_settles_too() -> None:
    @tg.primitive(elementwise=True, saves=("chosen",))
    def at_least(x: Any, floor: Any) -> Any:
        chosen = x > floor
        return np.where(chosen, x, floor), chosen

    at_least.defvjp(x=lambda g, chosen: g * chosen)
    x: Any = tg.tensor([1.0, 3.0], requires_grad=True)
    y = at_least(x, np.float64(2))
    y.sum().backward()
    assert (y.tolist(), y.dtype) == ([2.0, 3.0], F32)
    assert x.grad.tolist() == [0.0, 1.0]
