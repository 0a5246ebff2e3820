"""Arithmetic, comparisons and choice between two arrays, with NumPy's broadcasting.

Each primitive is marked elementwise: where an input was copied along broadcast axes, the engine sums its cotangent over
the copies (the gradient of a copied value is the sum over its copies).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.ops.functions import _log

# ---- the four operations


@primitive(elementwise=True)
def _add(a, b):
    return np.add(a, b)


@primitive(elementwise=True)
def _sub(a, b):
    return np.subtract(a, b)


@primitive(elementwise=True)
def _mul(a, b):
    return np.multiply(a, b)


@primitive(elementwise=True)
def _div(a, b):
    return np.divide(a, b)


@primitive
def _neg(x):
    return np.negative(x)


_add.defvjp(a=lambda g: g, b=lambda g: g)
_sub.defvjp(a=lambda g: g, b=lambda g: -g)
_mul.defvjp(a=lambda g, b: g * b, b=lambda g, a: g * a)
_div.defvjp(a=lambda g, b: g / b, b=lambda g, b, y: -(g * y) / b)  # d(a/b)/db = -a/b^2 = -y/b
_neg.defvjp(x=lambda g: -g)


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
    return np.power(a, b)


def _pow_base_rule(g, a, b):
    # b a^(b-1), and 0 where b = 0, also at a = 0 (where 0^-1 would be infinite)
    if isinstance(b, int | float):
        return g * (b * a ** (b - 1)) if b else g * 0.0
    zero = b == 0
    return g * (b * _where(1.0, a, zero) ** _where(0.0, b - 1, zero))


def _pow_exponent_rule(g, a, b, y):
    # a^b log a, whose limit at a = 0 is 0 for b >= 0 (and -inf for b < 0, as the value itself is infinite there)
    return g * _where(0.0, y * _log(_where(1.0, a, a == 0)), a == 0)


_pow.defvjp(a=_pow_base_rule, b=_pow_exponent_rule)


def pow(input: Any, exponent: Any) -> Tensor:
    """a^b. Gradient: g b a^(b-1) to a (0 where b = 0); g a^b log a to b (0 where a = 0)."""
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
    return np.where(condition, a, b)


def _winner(g, loses, ties):
    """g to the winner, half of it at a tie, nothing to the loser."""
    return _where(0.0, _where(g * 0.5, g, ties), loses)


_maximum.defvjp(a=lambda g, a, b: _winner(g, a < b, a == b), b=lambda g, a, b: _winner(g, b < a, a == b))
_minimum.defvjp(a=lambda g, a, b: _winner(g, a > b, a == b), b=lambda g, a, b: _winner(g, b > a, a == b))
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
    """
    return _where(input, other, condition)


# ---- comparisons: piecewise constant, so boolean constants without rules


@primitive
def _lt(a, b):
    return np.less(a, b)


@primitive
def _le(a, b):
    return np.less_equal(a, b)


@primitive
def _gt(a, b):
    return np.greater(a, b)


@primitive
def _ge(a, b):
    return np.greater_equal(a, b)


@primitive
def _eq(a, b):
    return np.equal(a, b)


@primitive
def _ne(a, b):
    return np.not_equal(a, b)


register(add=_add, sub=_sub, mul=_mul, div=_div, neg=_neg, pow=_pow, maximum=_maximum, minimum=_minimum)
register(lt=_lt, le=_le, gt=_gt, ge=_ge, eq=_eq, ne=_ne)
