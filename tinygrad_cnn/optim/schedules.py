"""Schedules: hyper-parameters that change from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_bool, check_number


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def _linear(start: float, end: float, part: float) -> float:
    return start + (end - start) * part


_ANNEAL: dict[str, Callable[[float, float, float], float]] = {"cos": _cosine, "linear": _linear}


class OneCycleLR:
    """One cycle of the learning rate: up to `max_lr`, then far down, while the momentum goes the other way.

    In step t (0 before the first call of `step`), with T = total_steps and t1 = pct_start T - 1,

        lr:        max_lr / div_factor  --t1-->  max_lr  --T - 1-->  max_lr / (div_factor final_div_factor)
        momentum:  max_momentum         --t1-->  base_momentum  --T - 1-->  max_momentum

    along half a cosine ('cos') or a line ('linear'). Call `step()` after each `optimizer.step()`, T times at most.

    max_lr, base_momentum, max_momentum: a number, or one for each parameter group.
    total_steps: the number of steps; or give `epochs` and `steps_per_epoch`.
    cycle_momentum: move SGD's momentum, or Adam's first beta, as well.

    Raises: ArgumentError or ArgumentTypeError for arguments that do not fit, and from `step` after the last step.

    Source: Smith & Topin 2018, "Super-convergence: very fast training of neural networks using large learning rates".
    The formula is PyTorch's, but where it extrapolates beyond the end, after T calls, this one stays there.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> optimizer = optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=0.1, momentum=0.9)
        >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> for _ in range(2):
        ...     optimizer.step()
        ...     schedule.step()
        >>> schedule.get_last_lr()
        [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(f"OneCycleLR: expects an Optimizer, got {type(optimizer).__name__}")
        check_number("OneCycleLR: pct_start", pct_start, 0, 1)
        check_number("OneCycleLR: div_factor", div_factor, 0, above=True)
        check_number("OneCycleLR: final_div_factor", final_div_factor, 0, above=True)
        check_bool("OneCycleLR: cycle_momentum", cycle_momentum)
        if anneal_strategy not in _ANNEAL:
            raise ArgumentError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        self.optimizer = optimizer
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        self.last_epoch = 0  # PyTorch's name for the number of steps taken
        self._peak_step = pct_start * self.total_steps - 1
        self._anneal = _ANNEAL[anneal_strategy]
        self._rates = [
            (rate / div_factor, rate, rate / (div_factor * final_div_factor))
            for rate in self._for_each_group("max_lr", max_lr)
        ]
        self._momenta: list[tuple[float, float, float]] = []
        if cycle_momentum:
            if not {"momentum", "betas"} & set(optimizer.defaults):
                raise ArgumentError(
                    f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; pass cycle_momentum=False"
                )
            low = self._for_each_group("base_momentum", base_momentum, 1)
            high = self._for_each_group("max_momentum", max_momentum, 1)
            self._momenta = [(top, bottom, top) for bottom, top in zip(low, high, strict=True)]
        self._apply()

    def step(self) -> None:
        """Set the hyper-parameters for the next step of the optimiser."""
        if self.last_epoch == self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {self.last_epoch + 1} comes after the last of total_steps={self.total_steps}; "
                "make the schedule as long as the training"
            )
        self.last_epoch += 1
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The learning rate that is set now, for each parameter group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def _apply(self) -> None:
        groups = self.optimizer.param_groups
        for group, rates in zip(groups, self._rates, strict=False):  # a group added later is left alone
            group["lr"] = self._between(*rates)
        for group, momenta in zip(groups, self._momenta, strict=False):
            momentum = self._between(*momenta)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def _between(self, first: float, peak: float, last: float) -> float:
        """The value now, on the way from `first` to `peak` to `last`."""
        if self.last_epoch <= self._peak_step:
            return self._anneal(first, peak, self.last_epoch / self._peak_step if self._peak_step else 1.0)
        way = self.total_steps - 1 - self._peak_step
        return self._anneal(peak, last, min((self.last_epoch - self._peak_step) / way, 1.0) if way else 1.0)

    def _for_each_group(self, name: str, value: Any, below: float = math.inf) -> list[float]:
        groups = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ArgumentError(f"OneCycleLR: {name} has {len(values)} values for {groups} parameter groups")
        for each in values:
            check_number(f"OneCycleLR: {name}", each, 0, below, below=below < math.inf)
        return [float(each) for each in values]


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return _positive("total_steps", total_steps)
    if epochs is None or steps_per_epoch is None:
        raise ArgumentError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch")
    return _positive("epochs", epochs) * _positive("steps_per_epoch", steps_per_epoch)


def _positive(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"OneCycleLR: {name} expects an int, got {value!r}")
    check_number(f"OneCycleLR: {name}", value, 1)
    return value
