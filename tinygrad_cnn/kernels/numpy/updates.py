"""How optimisers update a parameter: one step each, in place, of all the arrays that it remembers too.

Letters: p the parameter, g its gradient, which stays as it is, and decay the factor w of w / 2 |p|^2 in the loss, which
adds w p to g. All arrays have one shape and dtype; coefficients are Python floats, which do not promote.

Sources stand with the optimisers, in `tinygrad_cnn.optim`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
_Step = TypeVar("_Step", bound=Callable[..., None])

BLOCK = 16384  # elements: six float32 arrays of this size fit into the second-level cache of one core


def _in_blocks(step: _Step) -> _Step:
    """The step, block by block: it makes several passes over its arrays, of which only the first is slow then."""

    @wraps(step)
    def in_blocks(*arguments: Any) -> None:
        size = arguments[0].size
        if size <= BLOCK or not all(a.flags.c_contiguous for a in arguments if isinstance(a, np.ndarray)):
            step(*arguments)
            return
        flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arguments]
        for start in range(0, size, BLOCK):
            step(*[a[start : start + BLOCK] if isinstance(a, np.ndarray) else a for a in flat])

    return in_blocks  # type: ignore[return-value]


@_in_blocks
def sgd_step(p: Array, g: Array, lr: float, decay: float) -> None:
    """g <- g + w p;  p <- p - lr g.

    Example:
        >>> p = np.array([1.0, 2.0])
        >>> sgd_step(p, np.array([1.0, -1.0]), 0.5, 0.0)
        >>> p.tolist()
        [0.5, 2.5]
    """
    p -= lr * _with_decay(g, p, decay)


@_in_blocks
def momentum_step(
    p: Array, g: Array, v: Array, lr: float, decay: float, momentum: float, gain: float, nesterov: bool
) -> None:
    """g <- g + w p;  v <- momentum v + gain g;  p <- p - lr v, or with `nesterov` p - lr (g + momentum v)."""
    g = _with_decay(g, p, decay)
    v *= momentum
    v += gain * g
    p -= lr * (g + momentum * v if nesterov else v)


@_in_blocks
def adam_step(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    largest: Array | None,
    shrink: float,
    decay: float,
    beta1: float,
    beta2: float,
    rate: float,
    eps: float,
) -> None:
    """One step of Adam, of AdamW where `shrink` is not 1.

    p <- shrink p;  g <- g + w p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p <- p - rate m / (sqrt v + e)

    largest: remembers the largest v so far, which then stands for v in the last formula.
    """
    if shrink != 1:
        p *= shrink
    g = _with_decay(g, p, decay)
    m *= beta1
    m += (1 - beta1) * g
    v *= beta2
    v += (1 - beta2) * (g * g)
    if largest is not None:
        v = np.maximum(largest, v, out=largest)
    p -= rate * (m / (np.sqrt(v) + eps))


@_in_blocks
def adagrad_step(p: Array, g: Array, squares: Array, rate: float, decay: float, eps: float) -> None:
    """g <- g + w p;  s <- s + g^2;  p <- p - rate g / (sqrt s + eps)."""
    g = _with_decay(g, p, decay)
    squares += g * g
    p -= rate * (g / (np.sqrt(squares) + eps))


@_in_blocks
def rmsprop_step(
    p: Array,
    g: Array,
    squares: Array,
    mean: Array | None,
    velocity: Array | None,
    lr: float,
    decay: float,
    alpha: float,
    eps: float,
    momentum: float,
) -> None:
    """g <- g + w p;  s <- alpha s + (1 - alpha) g^2;  u <- g / (sqrt s + eps);  p <- p - lr u.

    mean: of the gradient, c <- alpha c + (1 - alpha) g; in the root stands max(s - c^2, 0) then.
    velocity: b <- momentum b + u, and then p <- p - lr b.
    """
    g = _with_decay(g, p, decay)
    squares *= alpha
    squares += (1 - alpha) * (g * g)
    if mean is not None:
        mean *= alpha
        mean += (1 - alpha) * g
        squares = np.maximum(squares - mean * mean, 0)  # never below 0 but for rounding
    step = g / (np.sqrt(squares) + eps)
    if velocity is not None:
        velocity *= momentum
        velocity += step
        step = velocity
    p -= lr * step


def _with_decay(g: Array, p: Array, decay: float) -> Array:
    return g + decay * p if decay else g
