"""The one-cycle schedule, of the learning rate and the momentum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_bool, check_choice, check_count, check_number
from tinygrad_cnn.optim.schedules import FormulaScheduler, check_optimizer, for_each_group
from tinygrad_cnn.optim.states import INITIAL_RATE


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def _linear(start: float, end: float, part: float) -> float:
    return start + (end - start) * part


_ANNEAL: dict[str, Callable[[float, float, float], float]] = {"cos": _cosine, "linear": _linear}


class OneCycleLR(FormulaScheduler):
    """One cycle of the learning rate: up to `max_lr`, then far down, while the momentum goes the other way.

    In step t (0 before the first call of `step`), with T = total_steps and t1 = pct_start T - 1,

        lr:        max_lr / div_factor  --t1-->  max_lr  --T - 1-->  max_lr / (div_factor final_div_factor)
        momentum:  max_momentum         --t1-->  base_momentum  --T - 1-->  max_momentum

    along half a cosine ('cos') or a line ('linear'). Call `step()` after each `optimizer.step()`, T times at most.

    max_lr, base_momentum, max_momentum: a number, or one for each parameter group.
    total_steps: the number of steps; or give `epochs` and `steps_per_epoch`.
    cycle_momentum: move SGD's momentum, or Adam's first beta, as well.
    three_phase: come back to where the cycle began at step 2 t1, and go far down only from there.

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
        three_phase: bool = False,
    ) -> None:
        check_optimizer("OneCycleLR", optimizer)
        check_number("OneCycleLR: pct_start", pct_start, 0, 1)
        check_number("OneCycleLR: div_factor", div_factor, 0, above=True)
        check_number("OneCycleLR: final_div_factor", final_div_factor, 0, above=True)
        check_bool("OneCycleLR: cycle_momentum", cycle_momentum)
        check_bool("OneCycleLR: three_phase", three_phase)
        check_choice("OneCycleLR: anneal_strategy", anneal_strategy, ("cos", "linear"))
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        self.anneal_strategy = anneal_strategy
        peak = pct_start * self.total_steps - 1
        # The steps at which a phase ends, and the level there (0 the beginning, 1 the peak, 2 far down).
        self._ends = [(0.0, 0), (peak, 1), (self.total_steps - 1, 2)]
        if three_phase:
            self._ends.insert(2, (2 * pct_start * self.total_steps - 2, 0))
        self._factors = [1.0, float(div_factor), 1 / final_div_factor]
        self._momenta = self._cycled_momenta(optimizer, base_momentum, max_momentum) if cycle_momentum else []
        rates = for_each_group("OneCycleLR: max_lr", optimizer, max_lr)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group[INITIAL_RATE] = rate / div_factor
        super().__init__(optimizer)

    def step(self) -> None:
        if self.last_epoch == self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {self.last_epoch + 1} comes after the last of total_steps={self.total_steps}; "
                "make the schedule as long as the training"
            )
        super().step()

    def _first(self, rate: float, base: float) -> float:
        return self._between([base * factor for factor in self._factors])

    def _next(self, rate: float, base: float) -> float:
        return self._first(rate, base)

    def _put(self, rates: list[float]) -> None:
        super()._put(rates)
        for group, (bottom, top) in zip(self.optimizer.param_groups, self._momenta, strict=False):
            momentum = self._between([top, bottom, top])
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum

    def _between(self, levels: list[float]) -> float:
        """The value now, on the way from level to level."""
        (start, level), *ahead = self._ends
        for end, next_level in ahead:
            if self.last_epoch <= end or end == ahead[-1][0]:
                break
            start, level = end, next_level
        part = (self.last_epoch - start) / (end - start) if end != start else 1.0
        return _ANNEAL[self.anneal_strategy](levels[level], levels[next_level], min(part, 1.0))

    @staticmethod
    def _cycled_momenta(
        optimizer: Optimizer, base_momentum: float | Sequence[float], max_momentum: float | Sequence[float]
    ) -> list[tuple[float, float]]:
        if not {"momentum", "betas"} & set(optimizer.defaults):
            raise ArgumentError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; pass cycle_momentum=False"
            )
        low = for_each_group("OneCycleLR: base_momentum", optimizer, base_momentum, below=1)
        high = for_each_group("OneCycleLR: max_momentum", optimizer, max_momentum, below=1)
        return list(zip(low, high, strict=True))


def _total_steps(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is not None:
        return check_count("OneCycleLR: total_steps", total_steps, 1)
    if epochs is None or steps_per_epoch is None:
        raise ArgumentError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch")
    return check_count("OneCycleLR: epochs", epochs, 1) * check_count("OneCycleLR: steps_per_epoch", steps_per_epoch, 1)
