"""Losses: how far predictions are from their targets, element by element, then averaged or summed.

The loss of a classifier, cross entropy, is in classification.py; `nll_loss` stands there beside it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, GradientError, ShapeError
from tinygrad_cnn.ops.activations import _softplus
from tinygrad_cnn.ops.arithmetic import _maximum, _mul, _sub, _where
from tinygrad_cnn.ops.functions import _abs, _exp, _log, _sigmoid, _sign
from tinygrad_cnn.ops.reductions import _mean, _sum
from tinygrad_cnn.ops.shapes import cast, refuse_integers

REDUCTIONS = ("mean", "sum", "none")

# ---- distances


@primitive(elementwise=True)
def _squared_difference(a, b):
    return np.square(np.subtract(a, b))


@primitive(elementwise=True)
def _smooth_l1(a, b, beta):
    d = np.abs(np.subtract(a, b))
    return kernels.select(d < beta, d * d / (2 * beta), d - beta / 2)


def _smooth_l1_rule(g, a, b, beta):
    d = a - b
    return _where(g * d / beta, g * _sign(d), _abs(d) < beta)


_squared_difference.defvjp(a=lambda g, a, b: g * (a - b) * 2.0, b=lambda g, a, b: g * (b - a) * 2.0)
_smooth_l1.defvjp(a=_smooth_l1_rule, b=lambda g, a, b, beta: -_smooth_l1_rule(g, a, b, beta))


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """(x - t)^2. Gradient: 2 (x - t) g to the input, its negative to the target; divided by the count for 'mean'.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.

    Raises: ShapeError where the shapes differ.

    Example:
        >>> mse_loss(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
        2.0
    """
    target = _target("mse_loss", input, target, reduction)
    return reduced(_squared_difference(input, target), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """|x - t|. Gradient: sign(x - t) g to the input, with sign(0) = 0 (a subgradient); its negative to the target.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.

    Raises: ShapeError where the shapes differ.
    """
    target = _target("l1_loss", input, target, reduction)
    return reduced(_abs(_sub(input, target)), reduction)


def smooth_l1_loss(input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d^2 / (2 beta) where d = |x - t| < beta, else d - beta / 2. Gradient: (x - t) / beta, between -1 and 1, times g.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.

    Raises: ShapeError where the shapes differ, ArgumentError where `beta` is negative.

    Source: Girshick 2015, "Fast R-CNN", equation 3.
    """
    target = _target("smooth_l1_loss", input, target, reduction)
    if not beta >= 0:
        raise ArgumentError(f"smooth_l1_loss: beta must be at least 0, got {beta}")
    losses = _smooth_l1(input, target, float(beta)) if beta else _abs(_sub(input, target))
    return reduced(losses, reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """d^2 / 2 where d = |x - t| <= delta, else delta (d - delta / 2). Gradient: g (x - t), clipped at g delta.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.

    Raises: ShapeError where the shapes differ, ArgumentError where `delta` is not positive.

    Source: Huber 1964, "Robust estimation of a location parameter".
    """
    target = _target("huber_loss", input, target, reduction)
    if not delta > 0:
        raise ArgumentError(f"huber_loss: delta must be positive, got {delta}")
    return reduced(_smooth_l1(input, target, float(delta)) * float(delta), reduction)


# ---- between probabilities


@primitive(elementwise=True)
def _binary_cross_entropy(x, t):
    with np.errstate(divide="ignore"):
        return (t - 1) * np.maximum(np.log1p(-x), -100) - t * np.maximum(np.log(x), -100)


def _clamped_log(x):
    return _where(_log(_where(1.0, x, x == 0)), -100.0, x > math.exp(-100))


@primitive(elementwise=True)
def _binary_cross_entropy_with_logits(x, t, pos_weight):
    # log(1 + e^-x), without overflow, is the loss of a 1, and that plus x the loss of a 0
    return (1 - t) * x + (1 + (pos_weight - 1) * t) * (np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x))))


@primitive(elementwise=True)
def _xlogx(x):
    return np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, x)))


_binary_cross_entropy.defvjp(
    x=lambda g, x, t: g * (x - t) / _maximum(x * (1 - x), 1e-12),
    t=lambda g, x: g * (_clamped_log(1 - x) - _clamped_log(x)),
)
_binary_cross_entropy_with_logits.defvjp(
    x=lambda g, x, t, pos_weight: g * ((1 - t) - (1 + (pos_weight - 1) * t) * _sigmoid(-x)),
    t=lambda g, x, pos_weight: g * ((pos_weight - 1) * _softplus(-x, 1.0, math.inf) - x),
)
_xlogx.defvjp(x=lambda g, x: g * (_log(x) + 1.0))


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """-(t log x + (1 - t) log(1 - x)) for probabilities x, each logarithm at least -100 so that the loss stays finite.

    Shapes: input and target alike; weight, a factor of each loss, broadcasts to them. reduction: 'mean', 'sum' or
    'none'.

    Gradient: (x - t) / max(x (1 - x), 1e-12) g to the input; log((1 - x) / x) g, of clamped logarithms, to the target.

    Raises: ShapeError where the shapes differ, ArgumentError where an element is no probability.

    Example:
        >>> binary_cross_entropy(Tensor([0.0, 1.0]), Tensor([1.0, 1.0])).item()
        50.0
    """
    target = _target("binary_cross_entropy", input, target, reduction)
    for name, values in (("input", input), ("target", target)):
        array = values.data if isinstance(values, Tensor) else values
        if array.size and not (array.min() >= 0 and array.max() <= 1):
            raise ArgumentError(
                f"binary_cross_entropy: {name} must be between 0 and 1, got {array.min()} to {array.max()}"
            )
    losses = _binary_cross_entropy(input, target)
    return reduced(_weighted("binary_cross_entropy", losses, weight), reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Tensor:
    """-(pos_weight t log s + (1 - t) log(1 - s)) with s = sigmoid(x), for logits x of any size.

    Shapes: input and target alike; weight, a factor of each loss, and pos_weight, of the positive part, broadcast to
    them. reduction: 'mean', 'sum' or 'none'.

    Gradient: (s - t) g to the input where pos_weight is 1. Weights are constants.

    Raises: ShapeError where the shapes do not fit.

    Example:
        >>> binary_cross_entropy_with_logits(Tensor([1000.0, -1000.0]), Tensor([0.0, 0.0]), reduction="none").tolist()
        [1000.0, 0.0]
    """
    target = _target("binary_cross_entropy_with_logits", input, target, reduction)
    factor = 1.0 if pos_weight is None else _factor("binary_cross_entropy_with_logits: pos_weight", pos_weight, input)
    losses = _binary_cross_entropy_with_logits(input, target, factor)
    return reduced(_weighted("binary_cross_entropy_with_logits", losses, weight), reduction)


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """t (log t - x) for log-probabilities x: summed, the Kullback-Leibler divergence of t from e^x.

    Shapes: input and target broadcast against each other.

    reduction: 'mean' (over all elements), 'batchmean' (the sum divided by the batch's size, which is the divergence
    itself), 'sum' or 'none'. log_target: the target holds logarithms.

    Gradient: -t g to the input; (log t + 1 - x) g to the target.

    Example:
        >>> kl_div(Tensor([[0.0, -1.0]]), Tensor([[1.0, 0.0]]), reduction="batchmean").item()
        0.0
    """
    target = _target("kl_div", input, target, reduction, (*REDUCTIONS, "batchmean"), broadcasts=True)
    losses = _exp(target) * (target - input) if log_target else _xlogx(target) - target * input
    if reduction == "batchmean":
        batch = input.shape[0] if input.shape else 1
        return _mul(reduced(losses, "sum"), 1 / batch if batch else math.nan)
    return reduced(losses, reduction)


# ---- what all of them do


def reduced(losses: Any, reduction: str) -> Tensor:
    """The losses, their sum or their mean, which of nothing is NaN."""
    if reduction == "none":
        return losses
    dims = tuple(range(len(losses.shape)))
    if reduction == "sum":
        return _sum(losses, dims, False)
    if math.prod(losses.shape) == 0:
        return _sum(losses, dims, False) * math.nan
    return _mean(losses, dims, False)


def refuse_other_reductions(operation: str, reduction: str, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    """Raises: ArgumentError where `reduction` is none of those allowed."""
    if reduction not in allowed:
        names = ", ".join(map(repr, allowed[:-1])) + f" or {allowed[-1]!r}"
        raise ArgumentError(f"{operation}: reduction must be {names}, got {reduction!r}")


def _target(
    operation: str,
    input: Any,
    target: Any,
    reduction: str,
    reductions: tuple[str, ...] = REDUCTIONS,
    broadcasts: bool = False,
) -> Any:
    """The target in the input's dtype, once everything has been checked."""
    refuse_integers(operation, input)
    refuse_other_reductions(operation, reduction, reductions)
    target = target if isinstance(target, Tensor) else np.asarray(target)
    if not broadcasts and tuple(target.shape) != tuple(input.shape):
        raise ShapeError(
            f"{operation}: expects a target of the input's shape {tuple(input.shape)}, got {tuple(target.shape)}; "
            "reshape one of them"
        )
    return target if target.dtype == input.dtype else cast(target, input.dtype)


def _weighted(operation: str, losses: Any, weight: Any) -> Any:
    return losses if weight is None else _mul(losses, _factor(f"{operation}: weight", weight, losses))


def _factor(what: str, weight: Any, losses: Any) -> Any:
    """A constant that broadcasts to the losses' shape."""
    factor = constant_factor(what, weight, losses.dtype)
    try:
        fits = np.broadcast_shapes(factor.shape, losses.shape) == tuple(losses.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{what} of shape {factor.shape} does not broadcast to {tuple(losses.shape)}")
    return factor


def constant_factor(what: str, weight: Any, dtype: Any) -> Any:
    """The array of a weight. Raises: GradientError where it requires a gradient, which losses do not give it."""
    if isinstance(weight, Tensor) and weight.requires_grad:
        raise GradientError(f"{what} is a constant of the loss and gets no gradient; pass weight.detach()")
    return np.asarray(weight.data if isinstance(weight, Tensor) else weight, dtype)
