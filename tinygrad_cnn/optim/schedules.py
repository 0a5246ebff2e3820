"""What all schedules share: the optimiser whose learning rate they set, and their state."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, StateDictError
from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.options import check_number
from tinygrad_cnn.optim.states import INITIAL_RATE


class LRScheduler(ABC):
    """The base of all schedules.

    The learning rate that a parameter group has when it meets its first schedule stays with it as "initial_lr": every
    schedule of the group counts from there. A group that is added later is left alone.

    Raises: ArgumentTypeError for what is no Optimizer.
    """

    _outside: tuple[str, ...] = ("optimizer",)  # attributes that are no part of the state
    last_epoch: int  # how often `step` was called
    base_lrs: list[float]  # "initial_lr" of each group

    def __init__(self, optimizer: Optimizer) -> None:
        check_optimizer(type(self).__name__, optimizer)
        self.optimizer = optimizer
        self.last_epoch = 0
        for group in optimizer.param_groups:
            group.setdefault(INITIAL_RATE, group["lr"])
        self.base_lrs = [group[INITIAL_RATE] for group in optimizer.param_groups]
        self._last_lr = self._rates()

    def get_last_lr(self) -> list[float]:
        """The learning rate that this schedule has set last, for each parameter group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Copies of where it stands and of its options: numbers, lists and strings."""
        held = {name: deepcopy(value) for name, value in vars(self).items() if name not in self._outside}
        return {**held, "lr": self._rates()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where the schedule that gave `state_dict` stood, also with the learning rate of its optimiser.

        Its options are replaced too. Where anything is wrong, nothing changes.

        Raises: StateDictError for the state of another kind of schedule, or of another number of parameter groups.
        """
        self._check_state(state_dict)
        self._restore(deepcopy(dict(state_dict)))

    def _check_state(self, state: Mapping[str, Any]) -> None:
        own, given = self.state_dict(), dict(state)
        if differing := sorted(set(own) ^ set(given)):
            fact = "missing" if differing[0] in own else "unexpected"
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: {fact} {differing[0]!r}; is it the state of another schedule?"
            )
        if len(given["base_lrs"]) != len(self.base_lrs):
            raise StateDictError(
                f"{type(self).__name__}.load_state_dict: expects {len(self.base_lrs)} parameter groups, "
                f"got {len(given['base_lrs'])}"
            )

    def _restore(self, state: dict[str, Any]) -> None:
        rates = state.pop("lr")
        vars(self).update(state)
        self._put(rates)

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def _set(self, rates: list[float]) -> None:
        self._put(rates)
        self._last_lr = self._rates()

    def _put(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate


class SteppedScheduler(LRScheduler):
    """A schedule that goes by the number of steps alone."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        self._begin(self._rates())

    @abstractmethod
    def step(self) -> None:
        """Set the learning rate for the next step of the optimiser."""

    @abstractmethod
    def _begin(self, rates: list[float]) -> None:
        """Set the learning rate for the first step, where the groups stand at `rates`."""


class FormulaScheduler(SteppedScheduler):
    """A schedule that has a formula for the next learning rate.

    It makes each learning rate from the one before, as PyTorch does, so that what somebody else changes (another
    schedule, or you) stays changed.
    """

    def step(self) -> None:
        self.last_epoch += 1
        self._set([self._next(rate, base) for rate, base in zip(self._rates(), self.base_lrs, strict=False)])

    def _begin(self, rates: list[float]) -> None:
        self.last_epoch = 0
        self._set([self._first(rate, base) for rate, base in zip(rates, self.base_lrs, strict=False)])

    def _first(self, rate: float, base: float) -> float:
        """The learning rate before any step, of a group that stands at `rate` and whose "initial_lr" is `base`."""
        return rate

    @abstractmethod
    def _next(self, rate: float, base: float) -> float:
        """The learning rate after `rate`, in step number `last_epoch`."""


def check_optimizer(name: str, optimizer: Any) -> None:
    """Refuse what is no Optimizer. Raises: ArgumentTypeError that begins with `name`."""
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(f"{name}: expects an Optimizer, got {type(optimizer).__name__}")


def for_each_group(what: str, optimizer: Optimizer, value: Any, below: float = math.inf) -> list[float]:
    """One number for each parameter group, from one for all or from a list; at least 0 and less than `below`."""
    groups = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * groups
    if len(values) != groups:
        raise ArgumentError(f"{what} has {len(values)} values for {groups} parameter groups")
    for each in values:
        check_number(what, each, 0, below, below=below < math.inf)
    return [float(each) for each in values]
