"""Adam: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.optim.blocks import Array, with_decay
from tinygrad_cnn.optim.optimizers import Group, Optimizer, Parameters
from tinygrad_cnn.optim.options import check_number


class Adam(Optimizer):
    """Adaptive moment estimation, with weight decay inside the gradient, as PyTorch defines it.

    With the parameter p, its gradient g, lr = a, betas = (b1, b2), weight_decay = w, in the t-th step:

        g <- g + w p
        m <- b1 m + (1 - b1) g                  (m = v = 0 before the first step)
        v <- b2 v + (1 - b2) g^2
        p <- p - a (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Raises: ArgumentError where a hyper-parameter is out of range, and as `Optimizer` does.

    Source: Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([4.0], requires_grad=True)
        >>> optimizer = Adam([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [3.5]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _check_options(self, options: Group) -> None:
        for name in ("lr", "eps", "weight_decay"):
            check_number(f"Adam: {name}", options[name], 0)
        betas = options["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ArgumentTypeError(f"Adam: betas expects a pair of numbers, got {betas!r}")
        for i, beta in enumerate(betas):
            check_number(f"Adam: betas[{i}]", beta, 0, 1, below=True)

    def _update(self, parameter: Array, gradient: Array, state: dict[str, Any], group: Group) -> None:
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(parameter), exp_avg_sq=np.zeros_like(parameter))
        state["step"] += 1
        # As Python floats, which do not promote: a NumPy float64 would turn float32 arithmetic into float64.
        beta1, beta2 = map(float, group["betas"])
        mend1, mend2 = 1 - beta1 ** state["step"], math.sqrt(1 - beta2 ** state["step"])
        # a (m / mend1) / (sqrt(v) / mend2 + eps) = (a mend2 / mend1) m / (sqrt(v) + eps mend2)
        rate, eps = float(group["lr"]) * mend2 / mend1, float(group["eps"]) * mend2
        arrays = (parameter, gradient, state["exp_avg"], state["exp_avg_sq"])
        self._blocks.run(_adapt, arrays, float(group["weight_decay"]), beta1, beta2, rate, eps)


def _adapt(
    s: Array,
    t: Array,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    decay: float,
    beta1: float,
    beta2: float,
    rate: float,
    eps: float,
) -> None:
    g = with_decay(g, p, decay, out=s)
    m *= beta1
    m += np.multiply(g, 1 - beta1, out=t)
    v *= beta2
    np.multiply(g, g, out=t)
    t *= 1 - beta2
    v += t
    np.sqrt(v, out=t)
    t += eps
    np.divide(m, t, out=t)
    t *= rate
    p -= t
