"""Checks of hyper-parameters."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError


def check_number(
    what: str, value: Any, low: float, high: float = math.inf, *, above: bool = False, below: bool = False
) -> None:
    """Refuse what is no finite number from `low` to `high`; `above` and `below` refuse the bound itself too.

    Raises: ArgumentTypeError for what is no number, ArgumentError for one out of range; both begin with `what`.

    Example:
        >>> check_number("SGD: lr", -1.0, 0)
        Traceback (most recent call last):
        ...
        tinygrad_cnn.errors.ArgumentError: SGD: lr must be a finite number, at least 0, got -1.0
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ArgumentTypeError(f"{what} expects a number, got {value!r}")
    number = float(value)
    fits_low = number > low if above else number >= low
    fits_high = number < high if below else number <= high
    if math.isfinite(number) and fits_low and fits_high:
        return
    bounds = [] if low == -math.inf else [f"above {low:g}" if above else f"at least {low:g}"]
    bounds += [] if high == math.inf else [f"below {high:g}" if below else f"at most {high:g}"]
    raise ArgumentError(f"{what} must be {', '.join(['a finite number', *bounds])}, got {value}")


def check_bool(what: str, value: Any) -> None:
    """Refuse what is no bool. Raises: ArgumentTypeError that begins with `what`."""
    if not isinstance(value, bool):
        raise ArgumentTypeError(f"{what} expects a bool, got {value!r}")


def check_count(what: str, value: Any, low: int) -> int:
    """Refuse what is no integer of at least `low`. Raises: as `check_number`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"{what} expects an int, got {value!r}")
    check_number(what, value, low)
    return value


def check_choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    """Refuse what is none of `choices`. Raises: ArgumentError that begins with `what`."""
    if value not in choices:
        raise ArgumentError(f"{what} must be {' or '.join(map(repr, choices))}, got {value!r}")
