"""Adagrad and RMSprop: steps scaled by the squares of past gradients, all of them or the recent ones."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.optim.optimizers import Array, Optimizer, Parameters, Update
from tinygrad_cnn.optim.options import check_bool, check_number
from tinygrad_cnn.optim.states import Group, buffer


class Adagrad(Optimizer):
    """Steps that shrink, element by element, with the sum of all squared gradients so far.

    With the parameter p, its gradient g (maximize: its negative), weight_decay = w, in the t-th step:

        g <- g + w p
        s <- s + g^2                            (s = initial_accumulator_value before the first step)
        p <- p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)

    Raises: ArgumentError where a hyper-parameter is out of range, and as `Optimizer` does.

    Source: Duchi et al. 2011, "Adaptive subgradient methods for online learning and stochastic optimization", figure 1.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([4.0], requires_grad=True)
        >>> optimizer = Adagrad([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [3.5]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps, "maximize": maximize}
        super().__init__(params, {"lr": lr, **options, "initial_accumulator_value": initial_accumulator_value})

    def _check_options(self, options: Group) -> None:
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            check_number(f"Adagrad: {name}", options[name], 0)

    def _update(self, group: Group) -> Update:
        # As Python floats, which do not promote: a NumPy float64 would turn float32 arithmetic into float64.
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        lr, lr_decay, decay, initial, eps = (float(group[name]) for name in names)

        def update(parameter: Array, gradient: Array, state: dict[str, Any]) -> None:
            state["step"] = state.get("step", 0) + 1
            squares = buffer(state, "sum", parameter, initial)
            kernels.adagrad_step(parameter, gradient, squares, lr / (1 + (state["step"] - 1) * lr_decay), decay, eps)

        return update


class RMSprop(Optimizer):
    """Steps scaled by the root of a running mean of the squared gradient.

    With the parameter p, its gradient g (maximize: its negative), weight_decay = w, alpha = r, momentum = m:

        g <- g + w p
        s <- r s + (1 - r) g^2                  (s = c = b = 0 before the first step)
        u <- g / (sqrt(s) + eps)                (centered: c <- r c + (1 - r) g, u <- g / (sqrt(max(s - c^2, 0)) + eps))
        b <- m b + u
        p <- p - lr b                           (without momentum: p - lr u)

    Raises: ArgumentError where a hyper-parameter is out of range, and as `Optimizer` does.

    Source: Tieleman & Hinton 2012, Lecture 6.5, "rmsprop: divide the gradient by a running average of its recent
    magnitude"; Graves 2013, "Generating sequences with recurrent neural networks", equations 38 to 45 (centered).

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([4.0], requires_grad=True)
        >>> optimizer = RMSprop([x], lr=0.5, alpha=0.75)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [3.0]
    """

    def __init__(
        self,
        params: Parameters,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {"lr": lr, **options, "centered": centered, "maximize": maximize})

    def _check_options(self, options: Group) -> None:
        for name in ("lr", "eps", "weight_decay", "momentum"):
            check_number(f"RMSprop: {name}", options[name], 0)
        check_number("RMSprop: alpha", options["alpha"], 0, 1)  # beyond 1 the mean of squares turns negative
        check_bool("RMSprop: centered", options["centered"])

    def _update(self, group: Group) -> Update:
        # As Python floats, which do not promote: a NumPy float64 would turn float32 arithmetic into float64.
        coefficients = [float(group[name]) for name in ("lr", "weight_decay", "alpha", "eps", "momentum")]
        centered, momentum = group["centered"], group["momentum"]

        def update(parameter: Array, gradient: Array, state: dict[str, Any]) -> None:
            state["step"] = state.get("step", 0) + 1
            squares = buffer(state, "square_avg", parameter)
            mean = buffer(state, "grad_avg", parameter) if centered else None
            velocity = buffer(state, "momentum_buffer", parameter) if momentum else None
            kernels.rmsprop_step(parameter, gradient, squares, mean, velocity, *coefficients)

        return update
