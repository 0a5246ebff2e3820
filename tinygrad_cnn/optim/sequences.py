"""Schedules one after another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, StateDictError
from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_count
from tinygrad_cnn.optim.schedules import SteppedScheduler, check_optimizer
from tinygrad_cnn.optim.states import INITIAL_RATE


class SequentialLR(SteppedScheduler):
    """The first schedule up to the first milestone, there the second from its own beginning, and so on.

    schedulers: schedules of the same optimiser, all but ReduceLROnPlateau, which needs a metric.
    milestones: the numbers of steps at which the next one takes over, one fewer than schedules.

    Raises: ArgumentError or ArgumentTypeError where they do not fit together.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import optim
        >>> optimizer = optim.SGD([tg.tensor([1.0], requires_grad=True)], lr=1.0)
        >>> warm_up = optim.LinearLR(optimizer, start_factor=0.25, total_iters=2)
        >>> decay = optim.ExponentialLR(optimizer, gamma=0.5)
        >>> schedule = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
        >>> rates = []
        >>> for _ in range(5):
        ...     rates += schedule.get_last_lr()
        ...     schedule.step()
        >>> rates
        [0.25, 0.625, 1.0, 0.5, 0.25]
    """

    _outside = ("optimizer", "_schedulers")

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[SteppedScheduler], milestones: Sequence[int]) -> None:
        check_optimizer("SequentialLR", optimizer)
        self._schedulers = list(schedulers)
        self._milestones = [check_count("SequentialLR: milestones", milestone, 1) for milestone in milestones]
        if not self._schedulers or len(self._schedulers) != len(self._milestones) + 1:
            raise ArgumentError(
                f"SequentialLR: expects one schedule more than milestones, got {len(self._schedulers)} and "
                f"{len(self._milestones)}"
            )
        if self._milestones != sorted(self._milestones):
            raise ArgumentError(f"SequentialLR: expects milestones in ascending order, got {self._milestones}")
        for i, scheduler in enumerate(self._schedulers):
            if not isinstance(scheduler, SteppedScheduler):
                raise ArgumentTypeError(
                    f"SequentialLR: schedulers[{i}] expects a schedule whose step() takes no argument, "
                    f"got {type(scheduler).__name__}"
                )
            if scheduler.optimizer is not optimizer:
                raise ArgumentError(f"SequentialLR: schedulers[{i}] belongs to another optimizer")
        for group in optimizer.param_groups:  # each schedule, when it was made, has set a learning rate of its own
            group["lr"] = group.get(INITIAL_RATE, group["lr"])
        super().__init__(optimizer)

    def step(self) -> None:
        self.last_epoch += 1
        scheduler = self._running()
        if self.last_epoch in self._milestones:
            scheduler._begin(scheduler.base_lrs)
        else:
            scheduler.step()
        self._last_lr = self._rates()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_schedulers": [scheduler.state_dict() for scheduler in self._schedulers]}

    def _running(self) -> SteppedScheduler:
        return self._schedulers[bisect_right(self._milestones, self.last_epoch)]

    def _begin(self, rates: list[float]) -> None:
        self.last_epoch = 0
        self._running()._begin(rates)
        self._last_lr = self._rates()

    def _put(self, rates: list[float]) -> None:
        self._running()._put(rates)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        parts = state["_schedulers"]
        if len(parts) != len(self._schedulers):
            raise StateDictError(
                f"SequentialLR.load_state_dict: expects {len(self._schedulers)} schedules, got {len(parts)}"
            )
        for scheduler, part in zip(self._schedulers, parts, strict=True):
            scheduler._check_state(part)

    def _restore(self, state: dict[str, Any]) -> None:
        for scheduler, part in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            scheduler._restore(part)
        super()._restore(state)
