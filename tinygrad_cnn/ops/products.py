"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.dtypes import as_array
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import DTypeError, ShapeError
from tinygrad_cnn.ops.reductions import _sum
from tinygrad_cnn.ops.shapes import _reshape, sum_to


@primitive
def _matmul(a, b):
    return np.matmul(a, b)


@primitive(views=True)
def _mT(x):  # noqa: N802
    return np.swapaxes(x, -1, -2)


@primitive
def _linear(x, w, b):
    _refuse_unfit(x, w, b)
    return kernels.linear(x, w, b, False)


@primitive
def _linear_relu(x, w, b):
    _refuse_unfit(x, w, b)
    return kernels.linear(x, w, b, True)


def _rows(x):
    """(..., I) -> (R, I), all leading dimensions as one."""
    return _reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_rule(g, x, w, needs):
    if not isinstance(g, Tensor):
        return kernels.linear_grads(g, x, w, None, needs)
    return (
        _linear(g, _mT(w), None) if needs[0] else None,
        _matmul(_mT(_rows(g)), _rows(x)) if needs[1] else None,  # (O, R) (R, I) -> (O, I)
        _sum(_rows(g), (0,), False) if needs[2] else None,
    )


def _linear_relu_rule(g, x, w, y, needs):
    if not isinstance(g, Tensor):
        return kernels.linear_grads(g, x, w, y, needs)
    return _linear_rule(g * (y != 0), x, w, needs)


# y_ij = sum_k a_ik b_kj, so dJ/da_ik = sum_j g_ij b_kj and dJ/db_kj = sum_i a_ik g_ij; copies of a batch add up.
_matmul.defvjp(
    a=lambda g, b, a_shape: sum_to(_matmul(g, _mT(b)), a_shape),
    b=lambda g, a, b_shape: sum_to(_matmul(_mT(a), g), b_shape),
)
_mT.defvjp(x=lambda g: _mT(g))
# Rules of whole layers: on arrays a kernel, and where the pass itself is recorded, operations that differentiate again.
_linear.defvjp(_linear_rule, inputs=["x", "w", "b"])
_linear_relu.defvjp(_linear_relu_rule, inputs=["x", "w", "b"])


def matmul(input: Any, other: Any) -> Tensor:
    """The matrix product, as NumPy's `@`: vectors, matrices and (broadcast) batches of matrices.

    Shapes: (..., M, K) @ (..., K, N) -> (..., M, N); a vector counts as a row on the left, as a column on the right.

    Gradient: g b^T to a and a^T g to b, summed over the batch dimensions that were broadcast.

    Raises: ShapeError where the inner sizes differ, DTypeError where one is float32 and the other float64.
    """
    a = input if isinstance(input, Tensor) else as_array(input)
    b = other if isinstance(other, Tensor) else as_array(other)
    if not a.shape or not b.shape:
        raise ShapeError(f"matmul: expects at least one dimension, got {a.shape} @ {b.shape}; use * for scalars")
    inner = b.shape[-2] if len(b.shape) > 1 else b.shape[0]
    if a.shape[-1] != inner:
        raise ShapeError(f"matmul: inner sizes differ: {a.shape} @ {b.shape} has {a.shape[-1]} against {inner}")
    refuse_mixed_dtypes("matmul", a, b)
    row, column = len(a.shape) == 1, len(b.shape) == 1
    if row:
        a = _reshape(a, (1, *a.shape))
    if column:
        b = _reshape(b, (*b.shape, 1))
    try:
        y = _matmul(a, b)
    except ValueError as error:
        raise ShapeError(f"matmul: batch dimensions do not broadcast: {a.shape} @ {b.shape}") from error
    if row or column:
        y = _reshape(y, (*y.shape[:-2], *(() if row else y.shape[-2:-1]), *(() if column else y.shape[-1:])))
    return y


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """y = x W^T + b.

    Shapes: input (..., I), weight (O, I), bias (O) -> (..., O).

    Gradient: g W to x; g^T x, summed over all leading dimensions, to W; g summed over them to b.

    Raises: ShapeError where the sizes do not fit, DTypeError where the dtypes differ.
    """
    return _linear(input, weight, bias)


def linear_relu(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """max(x W^T + b, 0): `relu(linear(...))` as one operation, which keeps one array less and runs over it once less.

    Shapes, Gradient and Raises: as those two have them.
    """
    return _linear_relu(input, weight, bias)


def _refuse_unfit(x, w, b):
    if w.ndim != 2:
        raise ShapeError(f"linear: expects a weight (out_features, in_features), got shape {w.shape}")
    if not x.ndim or x.shape[-1] != w.shape[1]:
        features = x.shape[-1] if x.ndim else "no"
        raise ShapeError(
            f"linear: weight expects {w.shape[1]} features, input has {features} "
            f"(input {x.shape}, weight {w.shape}); pass in_features={features}"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ShapeError(f"linear: expects a bias of shape {w.shape[:1]}, got {b.shape}")
    if x.dtype is not w.dtype or (b is not None and b.dtype is not w.dtype):
        refuse_mixed_dtypes("linear", *([x, w] if b is None else [x, w, b]))


def refuse_mixed_dtypes(operation: str, *operands: Any) -> None:
    """Raises: DTypeError where the operands are not of one dtype."""
    first = operands[0].dtype
    for operand in operands:
        if operand.dtype is not first and operand.dtype != first:
            dtypes = " and ".join(str(operand.dtype) for operand in operands)
            raise DTypeError(f"{operation}: expects one dtype, got {dtypes}; convert with .float() or .double()")


register(matmul)
