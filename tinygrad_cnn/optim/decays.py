"""Schedules that multiply the learning rate: at certain steps, at every step, or along a line."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_count, check_number
from tinygrad_cnn.optim.schedules import FormulaScheduler


class StepLR(FormulaScheduler):
    """Multiplies the learning rate by `gamma` after every `step_size` steps: lr = initial gamma^floor(t / step_size).

    Raises: ArgumentError or ArgumentTypeError where `step_size` is no positive integer or `gamma` no finite number.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> schedule = StepLR(optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0), step_size=2, gamma=0.5)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = check_count("StepLR: step_size", step_size, 1)
        self.gamma = _factor("StepLR", gamma)
        super().__init__(optimizer)

    def _next(self, rate: float, base: float) -> float:
        return rate * self.gamma if self.last_epoch % self.step_size == 0 else rate


class MultiStepLR(FormulaScheduler):
    """Multiplies the learning rate by `gamma` when the number of steps reaches a milestone.

    milestones: numbers of steps; one that comes twice counts twice.

    Raises: ArgumentError or ArgumentTypeError where a milestone is no integer from 0, or `gamma` no finite number.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> schedule = MultiStepLR(optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0), [1, 3], gamma=0.5)
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        self.milestones = [check_count("MultiStepLR: milestones", milestone, 0) for milestone in milestones]
        self.gamma = _factor("MultiStepLR", gamma)
        super().__init__(optimizer)

    def _first(self, rate: float, base: float) -> float:
        return self._next(rate, base)

    def _next(self, rate: float, base: float) -> float:
        return rate * self.gamma ** self.milestones.count(self.last_epoch)


class ExponentialLR(FormulaScheduler):
    """Multiplies the learning rate by `gamma` in every step: lr = initial gamma^t.

    Raises: ArgumentError or ArgumentTypeError where `gamma` is no finite number.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> schedule = ExponentialLR(optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0), gamma=0.5)
        >>> schedule.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = _factor("ExponentialLR", gamma)
        super().__init__(optimizer)

    def _next(self, rate: float, base: float) -> float:
        return rate * self.gamma


class LinearLR(FormulaScheduler):
    """Goes along a line from initial start_factor to initial end_factor in `total_iters` steps, and stays there.

    With the default end_factor = 1 it is the usual linear warm-up.

        lr = initial (start_factor + (end_factor - start_factor) min(t, total_iters) / total_iters)

    Raises: ArgumentError or ArgumentTypeError where `start_factor` does not lie in (0, 1], `end_factor` not in [0, 1],
    or `total_iters` is no positive integer.

    Source: Goyal et al. 2017, "Accurate, large minibatch SGD: training ImageNet in 1 hour", section 2.2.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> optimizer = optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1.0 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        check_number("LinearLR: start_factor", start_factor, 0, 1, above=True)
        check_number("LinearLR: end_factor", end_factor, 0, 1)
        self.start_factor, self.end_factor = float(start_factor), float(end_factor)
        self.total_iters = check_count("LinearLR: total_iters", total_iters, 1)
        super().__init__(optimizer)

    def _first(self, rate: float, base: float) -> float:
        return rate * self.start_factor

    def _next(self, rate: float, base: float) -> float:
        if self.last_epoch > self.total_iters:
            return rate
        return rate * self._factor(self.last_epoch) / self._factor(self.last_epoch - 1)

    def _factor(self, step: int) -> float:
        return self.start_factor + (self.end_factor - self.start_factor) * step / self.total_iters


def _factor(name: str, gamma: float) -> float:
    check_number(f"{name}: gamma", gamma, -math.inf)
    return float(gamma)
