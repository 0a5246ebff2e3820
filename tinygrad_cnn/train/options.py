"""How the command line reads its values: each function takes the text and returns what it means.

argparse puts the option's name in front of what they complain about.
"""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Literal


def whole(minimum: int) -> Callable[[str], int]:
    """A whole number of at least `minimum`.

    Example:
        >>> whole(1)("32")
        32
        >>> whole(1)("0")
        Traceback (most recent call last):
        ...
        argparse.ArgumentTypeError: expects a whole number of at least 1, got '0'
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise ArgumentTypeError(f"expects a whole number of at least {minimum}, got {text!r}")
        return value

    return read


def number(bounds: str, allowed: Callable[[float], bool]) -> Callable[[str], float]:
    """A finite number within bounds, which are said in words too."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and allowed(value)):
            raise ArgumentTypeError(f"expects a number {bounds}, got {text!r}")
        return value

    return read


def sizes(text: str) -> tuple[int, ...]:
    """Whole numbers of at least 1, separated by commas; nothing at all is none.

    Example:
        >>> sizes("16,32"), sizes("")
        ((16, 32), ())
    """
    try:
        return tuple(whole(1)(part) for part in text.split(",")) if text.strip() else ()
    except ArgumentTypeError:
        raise ArgumentTypeError(
            f"expects whole numbers of at least 1, separated by commas, such as 16,32, got {text!r}"
        ) from None


def padding(text: str) -> int | Literal["same"]:
    """Pixels, or the word same.

    Example:
        >>> padding("1"), padding("same")
        (1, 'same')
    """
    if text == "same":
        return "same"
    try:
        return whole(0)(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"expects a whole number of at least 0, or same, got {text!r}") from None
