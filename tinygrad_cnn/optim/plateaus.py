"""A schedule that goes by how well the training does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsFloat

from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_choice, check_count, check_number
from tinygrad_cnn.optim.schedules import LRScheduler, check_optimizer, for_each_group


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by `factor` when a metric has not improved for more than `patience` steps.

    mode: 'min' where the metric should fall (a loss), 'max' where it should rise (an accuracy).
    threshold, threshold_mode: what counts as better than the best so far: better than best (1 - threshold), in mode
    'max' than best (1 + threshold), where 'rel'; by more than threshold, where 'abs'. NaN is never better.
    cooldown: so many steps after a reduction are not counted as bad.
    min_lr: never less than this; a number, or one for each parameter group.
    eps: a reduction by no more than this is not made.

    Raises: ArgumentError or ArgumentTypeError for arguments outside their range.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> optimizer = optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
        >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for loss in (3.0, 2.0, 2.0, 2.0):
        ...     schedule.step(loss)
        >>> schedule.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer("ReduceLROnPlateau", optimizer)
        check_choice("ReduceLROnPlateau: mode", mode, ("min", "max"))
        check_choice("ReduceLROnPlateau: threshold_mode", threshold_mode, ("rel", "abs"))
        check_number("ReduceLROnPlateau: factor", factor, 0, 1, below=True)
        check_number("ReduceLROnPlateau: threshold", threshold, 0)
        check_number("ReduceLROnPlateau: eps", eps, 0)
        self.mode, self.factor, self.threshold, self.threshold_mode = mode, factor, threshold, threshold_mode
        self.patience = check_count("ReduceLROnPlateau: patience", patience, 0)
        self.cooldown = check_count("ReduceLROnPlateau: cooldown", cooldown, 0)
        self.min_lrs = for_each_group("ReduceLROnPlateau: min_lr", optimizer, min_lr)
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0
        super().__init__(optimizer)

    def step(self, metrics: SupportsFloat) -> None:
        """Take note of the metric (a number, or a Tensor of one), and reduce the learning rate where it is time to."""
        current = float(metrics)
        self.last_epoch += 1
        if self._is_better(current):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self._rates()
        if self.num_bad_epochs > self.patience:
            rates = [self._reduced(rate, least) for rate, least in zip(rates, self.min_lrs, strict=False)]
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._set(rates)

    def _is_better(self, current: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            bar = self.best * (1 - sign * self.threshold)
        else:
            bar = self.best - sign * self.threshold
        return sign * current < sign * bar

    def _reduced(self, rate: float, least: float) -> float:
        reduced = max(rate * self.factor, least)
        return reduced if rate - reduced > self.eps else rate
