"""From scores to classes: softmax, and the cross entropy that trains it.

Both subtract the largest score m first: e^(x-m) / sum e^(x-m) is the same as e^x / sum e^x, and cannot overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError
from tinygrad_cnn.ops.functions import _exp
from tinygrad_cnn.ops.indexing import _take_along_dim
from tinygrad_cnn.ops.reductions import _sum
from tinygrad_cnn.ops.shapes import _reshape, cast, dim_of


@primitive
def _softmax(x, dim):
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


@primitive
def _log_softmax(x, dim):
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


# dy_i/dx_j = y_i (1[i=j] - y_j), and for the logarithm 1[i=j] - e^(y_j)
_softmax.defvjp(x=lambda g, y, dim: y * (g - _sum(g * y, (dim,), True)))
_log_softmax.defvjp(x=lambda g, y, dim: g - _exp(y) * _sum(g, (dim,), True))


def softmax(input: Any, dim: int) -> Tensor:
    """e^x normalised to sum 1 along `dim`. Gradient: y (g - sum(g y)).

    Example:
        >>> softmax(Tensor([0.0, 0.0]), dim=0).tolist()
        [0.5, 0.5]
    """
    return _softmax(input, dim_of("softmax", dim, len(input.shape)))


def log_softmax(input: Any, dim: int) -> Tensor:
    """The logarithm of softmax, without overflow. Gradient: g - softmax(x) sum(g)."""
    return _log_softmax(input, dim_of("log_softmax", dim, len(input.shape)))


# ---- cross entropy per example, fused: forward keeps the probabilities p, and the rule is p - target


def _probabilities(x):
    """softmax of each row, and log sum e^x."""
    top = x.max(axis=1, keepdims=True)
    p = np.exp(x - top)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    return p, np.log(total) + top


@primitive(saves=("p",))
def _cross_entropy(x, labels):
    p, log_total = _probabilities(x)
    return log_total[:, 0] - x[np.arange(len(x)), labels], p


@primitive(saves=("p",))
def _cross_entropy_soft(x, target):
    p, log_total = _probabilities(x)
    return (target * (log_total - x)).sum(axis=1), p


def _cross_entropy_rule(g, p, labels):
    d = p * g[:, None]
    d[np.arange(len(p)), labels] -= g
    return d


def _cross_entropy_soft_rule(g, p, target):
    return (p * target.sum(axis=1, keepdims=True) - target) * g[:, None]


def _cross_entropy_target_rule(g, p, x):
    # the loss is linear in the target, with coefficient -log p, taken from x because p may underflow to 0
    return -g[:, None] * _log_softmax(x, 1)


_cross_entropy.defvjp(x=_cross_entropy_rule)
_cross_entropy_soft.defvjp(x=_cross_entropy_soft_rule, target=_cross_entropy_target_rule)


@_cross_entropy.define
def _cross_entropy_definition(x, labels):
    picked = _take_along_dim(_log_softmax(x, 1), labels[:, None], 1)
    return -_reshape(picked, (x.shape[0],))


@_cross_entropy_soft.define
def _cross_entropy_soft_definition(x, target):
    return -_sum(target * _log_softmax(x, 1), (1,), False)


def cross_entropy(input: Any, target: Any, reduction: str = "mean") -> Tensor:
    """-log softmax(input)[target], averaged over the batch: the loss of a classifier, on logits.

    Shapes: input (N, C); target (N) with class numbers, or (N, C) with one-hot rows or probabilities.

    reduction: 'mean', 'sum' or 'none' (the N losses).

    Gradient: (softmax(x) - target) g / N to x; -log softmax(x) g / N to a floating-point target.

    Raises: ShapeError where batch or classes differ, ArgumentError for a class number out of range.

    Example:
        >>> round(cross_entropy(Tensor([[1e4, 0.0]]), Tensor([1])).item(), 1)
        10000.0
    """
    if len(input.shape) != 2 or input.shape[1] == 0:
        raise ShapeError(f"cross_entropy: expects logits (N, C) with at least one class, got shape {input.shape}")
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    target = target if isinstance(target, Tensor) else np.asarray(target)
    if len(target.shape) == 2:
        if target.shape != input.shape:
            raise ShapeError(f"cross_entropy: expects a target of shape {input.shape}, got {target.shape}")
        losses = _cross_entropy_soft(input, target if target.dtype == input.dtype else cast(target, input.dtype))
    else:
        losses = _cross_entropy(input, _labels(target, *input.shape))
    if reduction == "none":
        return losses
    total = _sum(losses, (0,), False)
    return total / input.shape[0] if reduction == "mean" else total


def _labels(target: Any, batch: int, classes: int) -> np.ndarray[Any, Any]:
    labels = target.data if isinstance(target, Tensor) else target
    if labels.shape != (batch,):
        raise ShapeError(
            f"cross_entropy: expects {batch} class numbers or a ({batch}, {classes}) target, got {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"cross_entropy: class numbers must be integers, got {labels.dtype}")
    if batch and not (labels.min() >= 0 and labels.max() < classes):
        wrong = int(np.flatnonzero((labels < 0) | (labels >= classes))[0])
        raise ArgumentError(
            f"cross_entropy: target[{wrong}] is class {labels[wrong]}, input has {classes} classes (0 to {classes - 1})"
        )
    return labels


register(softmax, log_softmax)
