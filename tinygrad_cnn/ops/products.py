"""Matrix products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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
    y = np.matmul(x, w.T)
    if b is not None:
        y += b
    return y


def _rows(x):
    """(..., I) -> (R, I), all leading dimensions as one."""
    return _reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_weight_rule(g, x):
    return _matmul(_mT(_rows(g)), _rows(x))  # (O, R) (R, I) -> (O, I)


def _linear_bias_rule(g):
    return _sum(_rows(g), (0,), False)


# y_ij = sum_k a_ik b_kj, so dJ/da_ik = sum_j g_ij b_kj and dJ/db_kj = sum_i a_ik g_ij; copies of a batch add up.
_matmul.defvjp(
    a=lambda g, b, a_shape: sum_to(_matmul(g, _mT(b)), a_shape),
    b=lambda g, a, b_shape: sum_to(_matmul(_mT(a), g), b_shape),
)
_mT.defvjp(x=lambda g: _mT(g))
_linear.defvjp(x=lambda g, w: _linear(g, _mT(w), None), w=_linear_weight_rule, b=_linear_bias_rule)


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
    if len(weight.shape) != 2:
        raise ShapeError(f"linear: expects a weight (out_features, in_features), got shape {weight.shape}")
    if not input.shape or input.shape[-1] != weight.shape[1]:
        features = input.shape[-1] if input.shape else "no"
        raise ShapeError(
            f"linear: weight expects {weight.shape[1]} features, input has {features} "
            f"(input {input.shape}, weight {weight.shape}); pass in_features={features}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(f"linear: expects a bias of shape {weight.shape[:1]}, got {bias.shape}")
    refuse_mixed_dtypes("linear", input, weight, *(() if bias is None else (bias,)))
    return _linear(input, weight, bias)


def refuse_mixed_dtypes(operation: str, *operands: Any) -> None:
    """Raises: DTypeError where the operands are not of one dtype."""
    first = operands[0].dtype
    for operand in operands:
        if operand.dtype is not first and operand.dtype != first:
            dtypes = " and ".join(str(operand.dtype) for operand in operands)
            raise DTypeError(f"{operation}: expects one dtype, got {dtypes}; convert with .float() or .double()")


register(matmul)
