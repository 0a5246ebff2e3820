"""Gradient descent: a step against the gradient, or against its decaying sum."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.optim.optimizers import Array, Optimizer, Parameters, Update
from tinygrad_cnn.optim.options import check_bool, check_number
from tinygrad_cnn.optim.states import Group, buffer


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

    def _update(self, group: Group) -> Update:
        # As Python floats, which do not promote: a NumPy float64 would turn float32 arithmetic into float64.
        lr, decay, momentum = float(group["lr"]), float(group["weight_decay"]), float(group["momentum"])
        if not momentum:
            return lambda parameter, gradient, state: kernels.sgd_step(parameter, gradient, lr, decay)
        gain, nesterov = 1 - float(group["dampening"]), group["nesterov"]

        def update(parameter: Array, gradient: Array, state: dict[str, Any]) -> None:
            first = "momentum_buffer" not in state
            velocity = buffer(state, "momentum_buffer", parameter)
            kernels.momentum_step(parameter, gradient, velocity, lr, decay, momentum, 1.0 if first else gain, nesterov)

        return update
