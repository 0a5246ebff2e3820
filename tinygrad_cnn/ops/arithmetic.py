"""Arithmetic, comparisons and choice between two arrays, with NumPy's broadcasting.

Each primitive is marked elementwise: where an input was copied along broadcast axes, the engine sums its cotangent over
the copies (the gradient of a copied value is the sum over its copies).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.dtypes import promoted
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DTypeError
from tinygrad_cnn.ops.functions import _log

MANY = 1 << 15  # numbers, from which on a kernel is asked, which has memory at hand for the result

# ---- the four operations


@primitive(elementwise=True)
def _add(a, b):
    return _combined(np.add, a, b)


@primitive(elementwise=True)
def _sub(a, b):
    return _combined(np.subtract, a, b)


@primitive(elementwise=True)
def _mul(a, b):
    return _combined(np.multiply, a, b)


@primitive(elementwise=True)
def _div(a, b):
    return _combined(np.divide, a, b)


@primitive
def _neg(x):
    return np.negative(x)


_add.defvjp(a=lambda g: g, b=lambda g: g)
_sub.defvjp(a=lambda g: g, b=lambda g: -g)
_mul.defvjp(a=lambda g, b: g * b, b=lambda g, a: g * a)
_div.defvjp(a=lambda g, b: g / b, b=lambda g, b, y: -(g * y) / b)  # d(a/b)/db = -a/b^2 = -y/b
_neg.defvjp(x=lambda g: -g)


def _combined(ufunc, a, b):
    if type(a) is ndarray and a.size >= MANY and type(b) is ndarray:
        return kernels.combine(ufunc, a, b)
    return ufunc(a, b)


def _add_to(total, addend):
    """total += addend, for the sum of the cotangents that meet at one array."""
    if total.size >= MANY:
        kernels.add_to(total, addend)
    else:
        total += addend


def add(input: Any, other: Any) -> Tensor:
    """a + b. Gradient: g to both."""
    return _add(input, other)


def sub(input: Any, other: Any) -> Tensor:
    """a - b. Gradient: g to a, -g to b."""
    return _sub(input, other)


def mul(input: Any, other: Any) -> Tensor:
    """a b. Gradient: g b to a, g a to b."""
    return _mul(input, other)


def div(input: Any, other: Any) -> Tensor:
    """a / b; integers give float32. Gradient: g / b to a; -g a / b^2 to b."""
    return _div(input, other)


def neg(input: Any) -> Tensor:
    """-x. Gradient: -g."""
    return _neg(input)


# ---- power


@primitive(elementwise=True)
def _pow(a, b):
    try:
        return a**b  # NumPy knows squares and roots by this operator, and not by np.power
    except ValueError as error:
        if "negative" not in str(error):
            raise
        raise ArgumentError("pow: integers have no negative integer powers here; convert with .float()") from error


def _pow_base_rule(g, a, b):
    # b a^(b-1), which is 0 where b = 0, also at a = 0 (where 0^-1 would be infinite)
    if isinstance(b, int | float):
        return g * (b * a ** (b - 1)) if b else g * 0.0
    zero = (b == 0) * (a == 0)
    if not zero.any():
        return g * (b * a ** (b - 1))
    return g * (b * _where(1.0, a, zero) ** _where(0.0, b - 1, zero))


def _pow_exponent_rule(g, a, b, y):
    if isinstance(a, int | float) and a == 0:
        return _where(0.0, g * -math.inf, b >= 0)
    if isinstance(a, int | float):
        return g * (y * (math.log(a) if a > 0 else math.nan))
    zero = a == 0
    if not zero.any():
        return g * (y * _log(a))
    flat = zero * (b >= 0)
    return g * _where(0.0, y * _log(_where(1.0, a, flat)), flat)


_pow.defvjp(a=_pow_base_rule, b=_pow_exponent_rule)


def pow(input: Any, exponent: Any) -> Tensor:
    """a^b. Gradient: g b a^(b-1) to a (0 where b = 0); g a^b log a to b (0 where a = 0 and b >= 0).

    Raises: ArgumentError for integers to negative integer powers.
    """
    return _pow(input, exponent)


# ---- the larger, the smaller, the chosen


@primitive(elementwise=True)
def _maximum(a, b):
    return np.maximum(a, b)


@primitive(elementwise=True)
def _minimum(a, b):
    return np.minimum(a, b)


@primitive(elementwise=True)
def _where(a, b, condition):
    return kernels.select(condition, a, b)


@primitive(elementwise=True)
def _clamp(x, low, high):
    return np.clip(x, low, high)


def _winner(g, loses, ties):
    """g to the winner, half of it at a tie, nothing to the loser."""
    return _where(0.0, _where(g * 0.5, g, ties), loses)


_maximum.defvjp(a=lambda g, a, b: _winner(g, a < b, a == b), b=lambda g, a, b: _winner(g, b < a, a == b))
_minimum.defvjp(a=lambda g, a, b: _winner(g, a > b, a == b), b=lambda g, a, b: _winner(g, b > a, a == b))
_clamp.defvjp(  # products and sums of booleans are "and" and "or"
    x=lambda g, x, low, high: _where(g, 0.0, (x >= low) * (x <= high)),
    low=lambda g, x, low, high: _where(g, 0.0, (x < low) * (low < high)),
    high=lambda g, x, low, high: _where(g, 0.0, (x > high) + (high < low)),
)
_where.defvjp(a=lambda g, condition: _where(g, 0.0, condition), b=lambda g, condition: _where(0.0, g, condition))


def maximum(input: Any, other: Any) -> Tensor:
    """The larger of each pair. Gradient: g to the larger; at a tie half to each (a subgradient); NaN propagates."""
    return _maximum(input, other)


def minimum(input: Any, other: Any) -> Tensor:
    """The smaller of each pair. Gradient: g to the smaller; at a tie half to each (a subgradient); NaN propagates."""
    return _minimum(input, other)


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """`input` where `condition` holds, `other` elsewhere.

    Gradient: g to the branch taken, exactly 0 to the other (not 0 times g, so that NaN and infinities stay out of it).

    Raises: DTypeError where `condition` is not boolean.
    """
    kind = np.asarray(condition.data if isinstance(condition, Tensor) else condition).dtype
    if kind != np.bool_:
        raise DTypeError(f"where: expects a boolean condition, got {kind}; compare first, as in x != 0")
    return _where(input, other, condition)


def clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:
    """Each element, but not below `min` nor above `max` (numbers or Tensors that broadcast); `max` where they cross.

    Gradient: g to `input` where min <= x <= max, both bounds included (a subgradient); elsewhere to the bound taken.

    Raises: ArgumentError where neither bound is given.

    Example:
        >>> clamp(Tensor([-3.0, 0.5, 3.0]), -1, 1).tolist()
        [-1.0, 0.5, 1.0]
    """
    if min is None and max is None:
        raise ArgumentError("clamp: expects min, max or both, got neither")
    if min is None or max is None:
        given = [value.data if isinstance(value, Tensor) else value for value in (input, min, max) if value is not None]
        lowest, highest = _ends(promoted(given))
        min, max = lowest if min is None else min, highest if max is None else max
    return _clamp(input, min, max)


def _ends(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The ends of the number line in `dtype`."""
    if dtype.kind == "f":
        return -math.inf, math.inf
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


# ---- comparisons: piecewise constant, so boolean constants without rules


def _alike(a, b):
    """Both in the dtype in which arithmetic would combine them: float32 where a 0-d float64 stands beside float32."""
    numbers = isinstance(a, np.ndarray | np.generic) and isinstance(b, np.ndarray | np.generic)
    if not numbers or a.dtype == b.dtype:
        return a, b
    dtype = promoted([a, b])
    return np.asarray(a, dtype), np.asarray(b, dtype)


@primitive
def _lt(a, b):
    return np.less(*_alike(a, b))


@primitive
def _le(a, b):
    return np.less_equal(*_alike(a, b))


@primitive
def _gt(a, b):
    return np.greater(*_alike(a, b))


@primitive
def _ge(a, b):
    return np.greater_equal(*_alike(a, b))


@primitive
def _eq(a, b):
    return np.equal(*_alike(a, b))


@primitive
def _ne(a, b):
    return np.not_equal(*_alike(a, b))


# ---- logic on booleans, as masks are combined: `(x > 0) & ~mask`


@primitive
def _and(a, b):
    return np.logical_and(*map(_boolean, (a, b)))


@primitive
def _or(a, b):
    return np.logical_or(*map(_boolean, (a, b)))


@primitive
def _xor(a, b):
    return np.logical_xor(*map(_boolean, (a, b)))


@primitive
def _not(x):
    return np.logical_not(_boolean(x))


def _boolean(x):
    if np.asarray(x).dtype.kind != "b":
        raise DTypeError(f"& | ^ ~: expect booleans, got {np.asarray(x).dtype}; compare first, as in (x > 0) & (x < 1)")
    return x


def lt(input: Any, other: Any) -> Tensor:
    """a < b, element by element. Booleans, constants."""
    return _lt(input, other)


def le(input: Any, other: Any) -> Tensor:
    """a <= b, element by element. Booleans, constants."""
    return _le(input, other)


def gt(input: Any, other: Any) -> Tensor:
    """a > b, element by element. Booleans, constants."""
    return _gt(input, other)


def ge(input: Any, other: Any) -> Tensor:
    """a >= b, element by element. Booleans, constants."""
    return _ge(input, other)


def eq(input: Any, other: Any) -> Tensor:
    """a == b, element by element. Booleans, constants."""
    return _eq(input, other)


def ne(input: Any, other: Any) -> Tensor:
    """a != b, element by element. Booleans, constants."""
    return _ne(input, other)


register(add=_add, add_to=_add_to, sub=_sub, mul=_mul, div=_div, neg=_neg, pow=_pow, maximum=_maximum, minimum=_minimum)
register(clamp, where)
register(logical_and=_and, logical_or=_or, logical_xor=_xor, logical_not=_not)
register(lt=_lt, le=_le, gt=_gt, ge=_ge, eq=_eq, ne=_ne)
