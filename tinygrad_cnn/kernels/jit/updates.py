"""How optimisers update a parameter: all arrays in one pass over memory, with the same bits as in `kernels.numpy`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.layouts import FLOATS
from tinygrad_cnn.kernels.jit.sharing import shared_exactly
from tinygrad_cnn.kernels.jit.threads import run

Array = NDArray[Any]

FEW = 1 << 16  # elements that are never worth a second thread
GRAIN = {2: 200_000, 3: 90_000, 4: 50_000}  # elements of so many arrays that are worth a thread of its own


def sgd_step(p: Array, g: Array, lr: float, decay: float) -> None:
    """As in `kernels.numpy`."""
    if not (p.dtype in FLOATS and p.flags.carray and g.flags.carray):
        reference.sgd_step(p, g, lr, decay)
    elif p.size < FEW and 1 <= p.ndim <= 2:
        _descend(p, g, lr, decay, p.size, 1, 0)
    else:
        _run(_descend, (p, g), lr, decay)


def momentum_step(
    p: Array, g: Array, v: Array, lr: float, decay: float, momentum: float, gain: float, nesterov: bool
) -> None:
    """As in `kernels.numpy`."""
    if not (p.dtype in FLOATS and p.flags.carray and g.flags.carray and v.flags.carray):
        reference.momentum_step(p, g, v, lr, decay, momentum, gain, nesterov)
    elif p.size < FEW and 1 <= p.ndim <= 2:
        _descend_with_momentum(p, g, v, lr, decay, momentum, gain, nesterov, p.size, 1, 0)
    else:
        _run(_descend_with_momentum, (p, g, v), lr, decay, momentum, gain, nesterov)


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
    """As in `kernels.numpy`, which does it where `largest` is given."""
    if largest is not None or p.dtype not in FLOATS or not all(array.flags.carray for array in (p, g, m, v)):
        reference.adam_step(p, g, m, v, largest, shrink, decay, beta1, beta2, rate, eps)
    else:
        _run(_adapt, (p, g, m, v), shrink, decay, beta1, beta2, 1 - beta1, 1 - beta2, rate, eps)


def _run(update: Callable[..., None], arrays: tuple[Array, ...], *coefficients: float) -> None:
    flat = arrays if arrays[0].ndim == 1 else [array.reshape(-1) for array in arrays]
    run(update, (*flat, *coefficients), arrays[0].size, GRAIN[len(arrays)])


@inlined
def _part(array, start, stop):
    """Counted from 0: an index that is sure not to be negative lets the compiler take many elements at once."""
    return array.reshape(array.size)[start:stop]


@shared_exactly
def _descend(p, g, lr, decay, part, start, stop):
    number = p.dtype.type
    lr, decay = number(lr), number(decay)
    p, g = _part(p, start, stop), _part(g, start, stop)
    if decay == 0:  # also where p is infinite
        for i in range(p.size):
            p[i] -= lr * g[i]
    else:
        for i in range(p.size):
            p[i] -= lr * (g[i] + decay * p[i])


@shared_exactly
def _descend_with_momentum(p, g, v, lr, decay, momentum, gain, nesterov, part, start, stop):
    number = p.dtype.type
    lr, decay, momentum, gain = number(lr), number(decay), number(momentum), number(gain)
    p, g, v = _part(p, start, stop), _part(g, start, stop), _part(v, start, stop)
    for i in range(p.size):
        slope = g[i] + decay * p[i] if decay != 0 else g[i]
        v[i] = momentum * v[i] + gain * slope
        p[i] -= lr * (slope + momentum * v[i] if nesterov else v[i])


@shared_exactly
def _adapt(p, g, m, v, shrink, decay, beta1, beta2, gain1, gain2, rate, eps, part, start, stop):
    number = p.dtype.type
    shrink, decay, beta1, beta2 = number(shrink), number(decay), number(beta1), number(beta2)
    gain1, gain2, rate, eps = number(gain1), number(gain2), number(rate), number(eps)
    p, g, m, v = _part(p, start, stop), _part(g, start, stop), _part(m, start, stop), _part(v, start, stop)
    for i in range(p.size):
        value = shrink * p[i]
        slope = g[i] + decay * value if decay != 0 else g[i]
        m[i] = beta1 * m[i] + gain1 * slope
        v[i] = beta2 * v[i] + gain2 * (slope * slope)
        p[i] = value - rate * (m[i] / (np.sqrt(v[i]) + eps))
