"""Adam and AdamW: steps scaled by running moments of the gradient."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.optim.optimizers import Array, Optimizer, Parameters, Update
from tinygrad_cnn.optim.options import check_bool, check_number
from tinygrad_cnn.optim.states import Group, buffer


class Adam(Optimizer):
    """Adaptive moment estimation, with weight decay inside the gradient, as PyTorch defines it.

    With the parameter p, its gradient g (maximize: its negative), lr = a, betas = (b1, b2), weight_decay = w, in the
    t-th step:

        g <- g + w p
        m <- b1 m + (1 - b1) g                  (m = v = 0 before the first step)
        v <- b2 v + (1 - b2) g^2
        p <- p - a (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    amsgrad: in the last line the largest v so far stands for v, so that no step grows because v shrinks.

    Raises: ArgumentError where a hyper-parameter is out of range, and as `Optimizer` does.

    Source: Kingma & Ba 2015, "Adam: a method for stochastic optimization", algorithm 1; Reddi et al. 2018, "On the
    convergence of Adam and beyond", algorithm 2 (amsgrad).

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([4.0], requires_grad=True)
        >>> optimizer = Adam([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [3.5]
    """

    _decoupled = False  # whether weight decay acts on the parameter itself, not through the gradient

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        super().__init__(params, {"lr": lr, **options, "maximize": maximize})

    def _check_options(self, options: Group) -> None:
        kind = type(self).__name__
        for name in ("lr", "eps", "weight_decay"):
            check_number(f"{kind}: {name}", options[name], 0)
        betas = options["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ArgumentTypeError(f"{kind}: betas expects a pair of numbers, got {betas!r}")
        for i, beta in enumerate(betas):
            check_number(f"{kind}: betas[{i}]", beta, 0, 1, below=True)
        check_bool(f"{kind}: amsgrad", options["amsgrad"])

    def _update(self, group: Group) -> Update:
        # As Python floats, which do not promote: a NumPy float64 would turn float32 arithmetic into float64.
        lr, decay, eps = float(group["lr"]), float(group["weight_decay"]), float(group["eps"])
        beta1, beta2 = map(float, group["betas"])
        amsgrad = group["amsgrad"]
        shrink, decay = (1 - lr * decay, 0.0) if self._decoupled else (1.0, decay)

        def update(parameter: Array, gradient: Array, state: dict[str, Any]) -> None:
            state["step"] = state.get("step", 0) + 1
            first, second = buffer(state, "exp_avg", parameter), buffer(state, "exp_avg_sq", parameter)
            largest = buffer(state, "max_exp_avg_sq", parameter) if amsgrad else None
            mend1, mend2 = 1 - beta1 ** state["step"], math.sqrt(1 - beta2 ** state["step"])
            # a (m / mend1) / (sqrt(v) / mend2 + eps) = (a mend2 / mend1) m / (sqrt(v) + eps mend2)
            coefficients = (shrink, decay, beta1, beta2, lr * mend2 / mend1, eps * mend2)
            kernels.adam_step(parameter, gradient, first, second, largest, *coefficients)

        return update


class AdamW(Adam):
    """Adam with decoupled weight decay: p <- (1 - lr w) p, and then Adam's step without any decay in the gradient.

    Its arguments are Adam's, with weight_decay = 0.01 by default.

    Raises: as `Adam` does.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([4.0], requires_grad=True)
        >>> optimizer = AdamW([x], lr=0.5, weight_decay=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [2.5]
    """

    _decoupled = True

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
