"""Products, variances, norms, log-sums and running sums over dimensions.

Each rule spreads the cotangent over the elements that were reduced, times the derivative by each of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.dtypes import DEFAULT_FLOAT
from tinygrad_cnn.core.methods import Dims
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.ops.arithmetic import _where
from tinygrad_cnn.ops.functions import _abs, _exp, _sign
from tinygrad_cnn.ops.reductions import _mean, _spread, _sum, amax, amin, count, dims_of
from tinygrad_cnn.ops.shapes import _cat, _reshape, cast, dim_of, refuse_integers

# ---- product


@primitive
def _prod(x, dim, keepdim):
    return np.prod(x, axis=dim, keepdims=keepdim, dtype=np.int64 if x.dtype.kind == "u" else None)


def _others(x, dim):
    """The product of all other elements along `dim`, without a division: zeros are exact."""
    x = np.moveaxis(x, dim, -1)
    before, after = np.ones_like(x), np.ones_like(x)
    np.cumprod(x[..., :-1], axis=-1, out=before[..., 1:])
    np.cumprod(x[..., :0:-1], axis=-1, out=after[..., -2::-1])
    return np.moveaxis(before * after, -1, dim)


@_prod.define
def _prod_by_halves(x, dim, keepdim):
    lead = (slice(None),) * dim
    if x.shape[dim] == 0:
        return _sum(x, (dim,), keepdim) + 1.0
    while (size := x.shape[dim]) > 1:
        half = size // 2
        products = x[(*lead, slice(half))] * x[(*lead, slice(half, 2 * half))]
        x = _cat(products, x[(*lead, slice(2 * half, None))], dim=dim) if size % 2 else products
    return x if keepdim else x[(*lead, 0)]


_prod.defvjp(x=lambda g, x, dim, keepdim: _spread(g, x.shape, (dim,), keepdim) * _others(x, dim))

# ---- variance and norm


def _variance(x, dims, correction, keepdim):
    squares = np.square(x - np.sum(x, axis=dims, keepdims=True) / count(x.shape, dims))
    return np.sum(squares, axis=dims, keepdims=keepdim) / max(count(x.shape, dims) - correction, 0)


@primitive
def _var(x, dims, correction, keepdim):
    return _variance(x, dims, correction, keepdim)


@primitive
def _std(x, dims, correction, keepdim):
    return np.sqrt(_variance(x, dims, correction, keepdim))


@primitive
def _norm(x, p, dims, keepdim):
    if p == 2:
        return np.sqrt(np.sum(np.square(x), axis=dims, keepdims=keepdim))
    return np.sum(np.abs(x) ** p, axis=dims, keepdims=keepdim) ** (1 / p)


def _var_rule(g, x, dims, correction, keepdim):
    freedom = count(x.shape, dims) - correction
    centred = x - _mean(x, dims, True)  # the mean's own share cancels, for the deviations sum to 0
    return _spread(g * (2 / freedom if freedom > 0 else math.inf), x.shape, dims, keepdim) * centred


def _std_rule(g, x, y, dims, correction, keepdim):
    flat = y == 0
    return _var_rule(_where(0.0, g / (2 * _where(1.0, y, flat)), flat), x, dims, correction, keepdim)


def _norm_rule(g, x, y, p, dims, keepdim):
    # dy/dx = sign(x) |x|^(p-1) / y^(p-1), and 0 at x = 0
    flat = y == 0
    scale = _where(0.0, g / _where(1.0, y, flat) ** (p - 1), flat)
    if p == 2:
        return _spread(scale, x.shape, dims, keepdim) * x
    size = _abs(x) if p >= 1 else _where(1.0, _abs(x), x == 0)
    return _spread(scale, x.shape, dims, keepdim) * (_sign(x) * size ** (p - 1))


_var.defvjp(x=_var_rule)
_std.defvjp(x=_std_rule)
_norm.defvjp(x=_norm_rule)

# ---- log-sum and running sum


@primitive
def _logsumexp(x, dims, keepdim):
    top = np.max(x, axis=dims, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)  # infinity minus infinity would be NaN
    total = np.sum(np.exp(x - top), axis=dims, keepdims=True)
    with np.errstate(divide="ignore"):  # the logarithm of nothing is -inf
        y = np.log(total) + top
    return y if keepdim else np.squeeze(y, axis=dims)


@primitive
def _cumsum(x, dim, backwards):
    dtype = np.int64 if x.dtype.kind == "u" else None
    return np.flip(np.cumsum(np.flip(x, dim), dim, dtype), dim) if backwards else np.cumsum(x, dim, dtype)


def _logsumexp_rule(g, x, y, dims, keepdim):
    return _spread(g, x.shape, dims, keepdim) * _exp(x - _spread(y, x.shape, dims, keepdim))


_logsumexp.defvjp(x=_logsumexp_rule)
_cumsum.defvjp(x=lambda g, dim, backwards: _cumsum(g, dim, not backwards))  # x_i is in every sum from the i-th on


def prod(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """The product along `dim`, by default of everything.

    Gradient: g times the product of all other elements, exact where there are zeros.

    Raises: ArgumentError where the dimension does not exist.

    Example:
        >>> x = Tensor([0.0, 2.0, 3.0], requires_grad=True)
        >>> prod(x).backward()
        >>> x.grad.tolist()
        [6.0, 0.0, 0.0]
    """
    if dim is None or not len(input.shape):
        dims_of("prod", dim, input)
        return _prod(_reshape(input, (math.prod(input.shape),)), 0, False)
    return _prod(input, dim_of("prod", dim, len(input.shape)), keepdim)


def var(
    input: Any,
    dim: Dims | Sequence[int] = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The variance over `dim`: the squared deviations from the mean, summed, by (n - correction).

    unbiased: another way to say `correction`: True is 1, the default, and False is 0.

    Gradient: 2 (x - mean) / (n - correction) g.

    Raises: ArgumentError where a dimension does not exist or both are given, DTypeError for integers.
    """
    refuse_integers("var", input)
    return _var(input, dims_of("var", dim, input), _correction("var", unbiased, correction), keepdim)


def std(
    input: Any,
    dim: Dims | Sequence[int] = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """The standard deviation over `dim`, the square root of `var`.

    Gradient: (x - mean) / ((n - correction) y) g, and 0 where y = 0 (a subgradient).

    Raises: ArgumentError where a dimension does not exist or both are given, DTypeError for integers.
    """
    refuse_integers("std", input)
    return _std(input, dims_of("std", dim, input), _correction("std", unbiased, correction), keepdim)


def norm(input: Any, p: float | str | None = "fro", dim: Dims | Sequence[int] = None, keepdim: bool = False) -> Tensor:
    """The vector norm (sum |x|^p)^(1/p) over `dim`, by default over everything.

    p: 2 (also named 'fro'), 1, any other number, inf (the largest |x|), -inf (the smallest) or 0 (how many are not 0).

    Gradient: sign(x) |x|^(p-1) / y^(p-1) g, and 0 where y = 0 or x = 0; of the extremes, g shared evenly among ties.

    Raises: ArgumentError for another p, or where there is no smallest or largest; DTypeError for integers.
    """
    refuse_integers("norm", input)
    p = 2 if p in ("fro", None) else p
    if not isinstance(p, int | float):
        raise ArgumentError(f"norm: p expects a number or 'fro', got {p!r}")
    dims = dims_of("norm", dim, input, empty=p >= 0 and p != math.inf)
    if p in (math.inf, -math.inf):
        return (amax if p > 0 else amin)(_abs(input), dims, keepdim)
    if p == 0:
        return cast(_sum(input != 0, dims, keepdim), input.dtype)
    return _norm(input, p, dims, keepdim)


def logsumexp(input: Any, dim: int | Sequence[int], keepdim: bool = False) -> Tensor:
    """log sum e^x over `dim`, without overflow; -inf where all are -inf.

    Gradient: softmax(x) g.

    Raises: ArgumentError where a dimension does not exist.

    Example:
        >>> logsumexp(Tensor([1000.0, 1000.0]), 0).tolist()
        1000.693...
    """
    if input.dtype.kind != "f":
        input = cast(input, DEFAULT_FLOAT)
    return _logsumexp(input, dims_of("logsumexp", dim, input), keepdim)


def cumsum(input: Any, dim: int) -> Tensor:
    """The sums of each element and all before it along `dim`. Gradient: the sums of g from each element on.

    Raises: ArgumentError where the dimension does not exist.
    """
    return _cumsum(input, dim_of("cumsum", dim, len(input.shape)), False)


def _correction(operation: str, unbiased: bool | None, correction: float | None) -> float:
    if unbiased is not None and correction is not None:
        raise ArgumentError(f"{operation}: give unbiased={unbiased} or correction={correction}, not both")
    return correction if correction is not None else 1 if unbiased is None else int(unbiased)


register(prod, var, std, norm, logsumexp, cumsum)
