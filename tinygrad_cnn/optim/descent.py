"""Gradient descent: a step against the gradient, or against its decaying sum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.optim.blocks import Array, with_decay
from tinygrad_cnn.optim.optimizers import Optimizer, Parameters
from tinygrad_cnn.optim.options import check_bool, check_number
from tinygrad_cnn.optim.states import Group


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay as PyTorch defines them.

    With the parameter p, its gradient g (maximize: its negative), lr = a, momentum = m, dampening = d and
    weight_decay = w:

        g <- g + w p
        v <- m v + (1 - d) g        (v = g in the first step)
        p <- p - a v                (nesterov: p - a (g + m v); without momentum: p - a g)

    Raises: ArgumentError where a hyper-parameter is out of range, and as `Optimizer` does.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", section 2, with
    the learning rate outside the velocity.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([4.0], requires_grad=True)
        >>> optimizer = SGD([x], lr=0.25)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [2.0]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, {"lr": lr, **options, "maximize": maximize})

    def _check_options(self, options: Group) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            check_number(f"SGD: {name}", options[name], 0)
        check_number("SGD: dampening", options["dampening"], -math.inf)
        check_bool("SGD: nesterov", options["nesterov"])
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ArgumentError("SGD: nesterov needs a momentum and no dampening; pass e.g. momentum=0.9, dampening=0")

    def _update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        # As Python floats, which do not promote: a NumPy float64 would turn float32 arithmetic into float64.
        lr, decay, momentum = float(group["lr"]), float(group["weight_decay"]), float(group["momentum"])
        if not momentum:
            self._blocks.run(_descend, parameter, (gradient,), lr, decay)
            return
        gain = 1 - float(group["dampening"])
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = np.zeros_like(parameter)
            gain = 1.0
        arrays = (gradient, state["momentum_buffer"])
        self._blocks.run(_descend_with_momentum, parameter, arrays, lr, decay, momentum, gain, group["nesterov"])


def _descend(s: Array, t: Array, p: Array, g: Array, lr: float, decay: float) -> None:
    p -= np.multiply(with_decay(g, p, decay, out=s), lr, out=t)


def _descend_with_momentum(
    s: Array,
    t: Array,
    p: Array,
    g: Array,
    v: Array,
    lr: float,
    decay: float,
    momentum: float,
    gain: float,
    nesterov: bool,
) -> None:
    g = with_decay(g, p, decay, out=s)
    v *= momentum
    v += g if gain == 1 else np.multiply(g, gain, out=t)
    if nesterov:
        np.multiply(v, momentum, out=t)
        t += g
        t *= lr
    else:
        np.multiply(v, lr, out=t)
    p -= t
