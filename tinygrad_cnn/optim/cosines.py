"""Schedules along a cosine."""

from __future__ import annotations

import math

from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_count, check_number
from tinygrad_cnn.optim.schedules import FormulaScheduler


class CosineAnnealingLR(FormulaScheduler):
    """Half a cosine from the initial learning rate down to `eta_min` in `T_max` steps, and as slowly up again.

        lr = eta_min + (initial - eta_min) (1 + cos(pi t / T_max)) / 2

    Raises: ArgumentError or ArgumentTypeError where `T_max` is no positive integer or `eta_min` no finite number.

    Source: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> schedule = CosineAnnealingLR(optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0), T_max=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> [round(rate, 6) for rate in rates]
        [1.0, 0.5, 0.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = check_count("CosineAnnealingLR: T_max", T_max, 1)
        check_number("CosineAnnealingLR: eta_min", eta_min, -math.inf)
        self.eta_min = float(eta_min)
        super().__init__(optimizer)

    def _next(self, rate: float, base: float) -> float:
        before = self._level(self.last_epoch - 1)
        if before == 0:  # eta_min is reached, from where no factor leads up again
            return rate + (base - self.eta_min) * self._level(self.last_epoch)
        return self.eta_min + (rate - self.eta_min) * self._level(self.last_epoch) / before

    def _level(self, step: int) -> float:
        """From 1, the initial learning rate, to 0, `eta_min`."""
        return (1 + math.cos(math.pi * (step % (2 * self.T_max)) / self.T_max)) / 2


class CosineAnnealingWarmRestarts(FormulaScheduler):
    """Half a cosine from the initial learning rate down to `eta_min`, again and again: T_0 steps, T_0 T_mult, ...

    With the step T_cur of the present cycle, of T_i steps:

        lr = eta_min + (initial - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    Raises: ArgumentError or ArgumentTypeError where `T_0` or `T_mult` is no positive integer or `eta_min` no finite
    number.

    Source: Loshchilov & Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", section 3.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> optimizer = optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = CosineAnnealingWarmRestarts(optimizer, T_0=2)
        >>> rates = []
        >>> for _ in range(4):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> [round(rate, 6) for rate in rates]
        [1.0, 0.5, 1.0, 0.5]
    """

    T_cur: float

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        self.T_0 = self.T_i = check_count("CosineAnnealingWarmRestarts: T_0", T_0, 1)
        self.T_mult = check_count("CosineAnnealingWarmRestarts: T_mult", T_mult, 1)
        check_number("CosineAnnealingWarmRestarts: eta_min", eta_min, -math.inf)
        self.eta_min = float(eta_min)
        self.T_cur = 0
        super().__init__(optimizer)

    def step(self, epoch: float | None = None) -> None:
        """Set the learning rate for the next step of the optimiser.

        epoch: go to this place instead of one step on; it may lie between two steps (epoch + batch / batches).

        Raises: ArgumentError where `epoch` is negative.
        """
        if epoch is None:
            self.last_epoch += 1
            self.T_cur += 1
        else:
            check_number("CosineAnnealingWarmRestarts: epoch", epoch, 0)
            self.last_epoch = math.floor(epoch)
            self.T_cur, self.T_i = epoch, self.T_0
            if self.T_mult == 1:
                self.T_cur %= self.T_i
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self._set([self._first(base, base) for base in self.base_lrs])

    def _begin(self, rates: list[float]) -> None:
        self.T_cur, self.T_i = 0, self.T_0
        super()._begin(rates)

    def _first(self, rate: float, base: float) -> float:
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2

    def _next(self, rate: float, base: float) -> float:
        return self._first(rate, base)
