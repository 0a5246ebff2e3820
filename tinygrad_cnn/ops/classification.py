"""From scores to classes: softmax, and the losses that train it.

All subtract the largest score m first: e^(x-m) / sum e^(x-m) is the same as e^x / sum e^x, and cannot overflow.
The classes are dimension 1: scores (N, C), or (N, C, d1, ...) with a class for each pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.registry import register
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError
from tinygrad_cnn.ops.arithmetic import _mul, _neg, _where
from tinygrad_cnn.ops.functions import _exp
from tinygrad_cnn.ops.indexing import _take_along_dim
from tinygrad_cnn.ops.losses import constant_factor, reduced, refuse_other_reductions
from tinygrad_cnn.ops.reductions import _mean, _sum
from tinygrad_cnn.ops.shapes import _reshape, cast, dim_of, refuse_integers


@primitive
def _softmax(x, dim):
    if x.size == 0:  # the largest of nothing is an error in NumPy
        return np.zeros_like(x)
    e = np.exp(x - x.max(axis=dim, keepdims=True))
    return e / e.sum(axis=dim, keepdims=True)


@primitive
def _log_softmax(x, dim):
    if x.size == 0:
        return np.zeros_like(x)
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
    refuse_integers("softmax", input)
    return _softmax(input, dim_of("softmax", dim, len(input.shape)))


def log_softmax(input: Any, dim: int) -> Tensor:
    """The logarithm of softmax, without overflow. Gradient: g - softmax(x) sum(g)."""
    refuse_integers("log_softmax", input)
    return _log_softmax(input, dim_of("log_softmax", dim, len(input.shape)))


# ---- cross entropy, its mean and one by one, fused: forward keeps the probabilities p, and the rule is p - target


def _probabilities(x):
    """softmax over the classes, and log sum e^x."""
    top = x.max(axis=1, keepdims=True)
    p = np.exp(x - top)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    return p, np.log(total) + top


def _places(labels):
    """The index of every label's score: labels (N, d1, ...) in scores (N, C, d1, ...)."""
    first, *rest = np.ogrid[tuple(slice(size) for size in labels.shape)]
    return (first, labels, *rest)


@primitive(saves=("p",))
def _cross_entropy(x, labels):
    return kernels.cross_entropy(x, labels)


@primitive(saves=("p",))
def _cross_entropies(x, labels):
    p, log_total = _probabilities(x)
    return log_total[:, 0] - x[_places(labels)], p


@primitive(saves=("p",))
def _cross_entropy_soft(x, target):
    p, log_total = _probabilities(x)
    return (target * (log_total - x)).sum(axis=1), p


def _cross_entropies_rule(g, p, labels):
    d = p * g[:, None]
    d[_places(labels)] -= g
    return d


def _cross_entropy_soft_rule(g, p, target):
    return (p * target.sum(axis=1, keepdims=True) - target) * g[:, None]


def _cross_entropy_target_rule(g, p, x):
    # the loss is linear in the target, with coefficient -log p, taken from x because p may underflow to 0
    return -g[:, None] * _log_softmax(x, 1)


_cross_entropy.defvjp(x=lambda g, p, labels: kernels.cross_entropy_grad(g, p, labels))
_cross_entropies.defvjp(x=_cross_entropies_rule)
_cross_entropy_soft.defvjp(x=_cross_entropy_soft_rule, target=_cross_entropy_target_rule)


def _picked(x, labels):
    """x (N, C, d1, ...) at the labels (N, d1, ...)."""
    return _reshape(_take_along_dim(x, labels[:, None], 1), labels.shape)


@_cross_entropies.define
def _cross_entropies_definition(x, labels):
    return _neg(_picked(_log_softmax(x, 1), labels))


@_cross_entropy.define
def _cross_entropy_definition(x, labels):
    return _mean(_cross_entropies_definition(x, labels), (0,), False)


@_cross_entropy_soft.define
def _cross_entropy_soft_definition(x, target):
    return -_sum(target * _log_softmax(x, 1), (1,), False)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-weight log softmax(input)[target], averaged over the batch: the loss of a classifier, on logits.

    Shapes: input (N, C), (N, C, d1, ...) or (C); target with class numbers, the input's shape without C, or of the
    input's shape with one-hot rows or probabilities; weight (C).

    ignore_index: examples of this class number count for nothing.
    reduction: 'mean' (over the batch; with class numbers weighted, the sum divided by the weights of the targets),
    'sum' or 'none' (the losses one by one).
    label_smoothing: this share of every target is spread evenly over the C classes.

    Gradient: weight (softmax(x) - target) g / N to x; -weight log softmax(x) g / N to a floating-point target.

    Raises: ShapeError where batch or classes differ, ArgumentError for a class number out of range.

    Source: Szegedy et al. 2016, "Rethinking the Inception architecture", section 7 (label smoothing).

    Example:
        >>> round(cross_entropy(Tensor([[1e4, 0.0]]), Tensor([1])).item(), 1)
        10000.0
    """
    x, target, class_weights = _checked("cross_entropy", input, target, weight, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy: label_smoothing must be between 0 and 1, got {label_smoothing}")
    classes = x.shape[1]
    if target.shape == x.shape:
        if ignore_index >= 0:
            raise ArgumentError(f"cross_entropy: ignore_index {ignore_index} needs class numbers as targets")
        target = target if target.dtype == x.dtype else cast(target, x.dtype)
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing / classes
        losses = _cross_entropy_soft(x, target if class_weights is None else _mul(target, class_weights))
        return reduced(losses if len(input.shape) > 1 else _reshape(losses, ()), reduction)

    labels, ignored = _checked_labels("cross_entropy", x, target, ignore_index)
    if label_smoothing:
        soft = np.full(x.shape, label_smoothing / classes, x.dtype)
        soft[_places(np.asarray(labels))] += 1 - label_smoothing
        losses = _cross_entropy_soft(x, soft if class_weights is None else soft * class_weights)
        return _over_labels(losses, None, class_weights, labels, ignored, reduction, input)
    if reduction == "mean" and len(x.shape) == 2 and x.shape[0] and class_weights is None and ignored is None:
        return _cross_entropy(x, labels)  # the everyday call
    return _over_labels(_cross_entropies(x, labels), class_weights, class_weights, labels, ignored, reduction, input)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-weight input[target], averaged over the batch: the loss of a classifier, on log-probabilities.

    Shapes and options as of `cross_entropy`, with class numbers as targets.

    Gradient: -weight g / N at the targets, 0 elsewhere.

    Raises: ShapeError where batch or classes differ, ArgumentError for a class number out of range.

    Example:
        >>> nll_loss(Tensor([[-1.0, -2.0], [-3.0, -4.0]]), Tensor([0, 1])).item()
        2.5
    """
    x, target, class_weights = _checked("nll_loss", input, target, weight, reduction)
    labels, ignored = _checked_labels("nll_loss", x, target, ignore_index)
    losses = _neg(_picked(x, labels))
    return _over_labels(losses, class_weights, class_weights, labels, ignored, reduction, input)


def _over_labels(
    losses: Any, factors: Any, class_weights: Any, labels: Any, ignored: Any, reduction: str, input: Any
) -> Tensor:
    """The losses times the `factors` of their classes, 0 where ignored, averaged over what the classes weigh."""
    if factors is not None:
        losses = _mul(losses, factors.reshape(-1)[np.asarray(labels)])
    if ignored is not None:
        losses = _where(0.0, losses, ignored)
    if len(input.shape) == 1:
        losses = _reshape(losses, ())
    if reduction != "mean" or (class_weights is None and ignored is None):
        return reduced(losses, reduction)
    weights = np.ones(labels.shape) if class_weights is None else class_weights.reshape(-1)[np.asarray(labels)]
    total = float(weights.sum() if ignored is None else weights[~ignored].sum())
    return _mul(reduced(losses, "sum"), 1 / total if total else np.nan)


# ---- what may be asked of them


def _checked(operation: str, input: Any, target: Any, weight: Any, reduction: str) -> tuple[Any, Any, Any]:
    """The scores as (N, C, d1, ...), the target with the same batch, the weights as (C, 1, ...)."""
    refuse_integers(operation, input)
    refuse_other_reductions(operation, reduction)
    target = target if isinstance(target, Tensor) else np.asarray(target)
    shape = tuple(input.shape)
    if not shape or shape[:2][-1] == 0:
        raise ShapeError(f"{operation}: expects scores (N, C), (N, C, d1, ...) or (C) with C > 0, got shape {shape}")
    if len(shape) == 1:
        input, target = _reshape(input, (1, *shape)), _reshape(target, (1, *target.shape))
    if weight is None:
        return input, target, None
    if tuple(weight.shape) != shape[:2][-1:]:
        raise ShapeError(
            f"{operation}: expects a weight for each of {input.shape[1]} classes, got {tuple(weight.shape)}"
        )
    class_weights = constant_factor(f"{operation}: weight", weight, input.dtype)
    return input, target, class_weights.reshape(-1, *(1 for _ in input.shape[2:]))


def _checked_labels(operation: str, x: Any, target: Any, ignore_index: int) -> tuple[Any, Any]:
    """The class numbers, with 0 where they are to be ignored, and where that is (None for nowhere)."""
    labels = target.data if isinstance(target, Tensor) else target
    batch, classes, *pixels = x.shape
    if labels.shape != (batch, *pixels):
        raise ShapeError(
            f"{operation}: expects class numbers of shape {(batch, *pixels)}, or a target of the input's shape "
            f"{tuple(x.shape)}, got {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"{operation}: class numbers must be integers, got {labels.dtype}")
    if not labels.size or (labels.min() >= 0 and labels.max() < classes and not 0 <= ignore_index < classes):
        return target, None
    ignored = labels == ignore_index
    wrong = np.argwhere(~ignored & ((labels < 0) | (labels >= classes)))
    if len(wrong):
        place = tuple(wrong[0].tolist())
        where = ", ".join(map(str, place))
        raise ArgumentError(
            f"{operation}: target[{where}] is class {labels[place]}, input has {classes} classes (0 to {classes - 1})"
        )
    return np.where(ignored, 0, labels), ignored if ignored.any() else None


register(softmax, log_softmax)
