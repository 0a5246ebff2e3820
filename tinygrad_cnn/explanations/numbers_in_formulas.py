"""Numbers and sums of numbers, written in LaTeX."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

DIGITS = 6
MOST_TERMS = 32  # that are written out; of more, the first ones
_TERMS_A_LINE = 4


def number(value: Any, digits: int = DIGITS) -> str:
    r"""A number with so many significant digits, a power of ten where the decimal point would be far off.

    Example:
        >>> number(2.0), number(-0.25), number(1.5e-7)
        ('2', '-0.25', '1.5 \\cdot 10^{-7}')
    """
    value = float(value)
    if not math.isfinite(value):
        return {math.inf: r"\infty", -math.inf: r"-\infty"}.get(value, r"\mathrm{NaN}")
    mantissa, mark, exponent = f"{value + 0.0:.{digits}g}".partition("e")
    if not mark:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return {"1": power, "-1": f"-{power}"}.get(mantissa) or rf"{mantissa} \cdot {power}"


def factor(value: Any) -> str:
    """A number as it stands in a product: in brackets where it has a sign."""
    text = number(value)
    return rf"({text})" if text.startswith("-") or "^" in text else text


def product(*values: Any) -> str:
    r"""Numbers with dots between them, `2 \cdot (-1)`."""
    return r" \cdot ".join(factor(value) for value in values)


def index(*places: Any) -> str:
    """Numbers as an index, `{2,3}`."""
    return "{" + ",".join(str(int(place)) for place in places) + "}"


def equal(value: float) -> str:
    r"""`= 2`, or `\approx 0.333333` where digits are left out."""
    text = f"{float(value):.{DIGITS}g}"
    sign = "=" if float(text) == float(value) else r"\approx"
    return f"{sign} {number(value)}"


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a sum: in symbols, in numbers, and its value."""

    symbols: str
    numbers: str
    value: float


def expansion(left: str, terms: Sequence[Term], before: str = "", total: float | None = None) -> list[str]:
    """The lines of `left = terms in symbols = terms in numbers = total`; `before` stands before each sum, in brackets.

    total: the value of it all, where that is not the plain sum.
    """
    value = math.fsum(term.value for term in terms) if total is None else total
    if not terms:
        return [rf"{left} &= 0"]
    symbols = _sum([term.symbols for term in terms], before)
    numbers = _sum([term.numbers for term in terms], before)
    lines = [rf"{left} &= {symbols[0]}", *symbols[1:], rf"&= {numbers[0]}", *numbers[1:], rf"&{equal(value)}"]
    if len(terms) == 1 and numbers[0] in (number(value), factor(value)):
        del lines[1]
    return lines


def _sum(terms: Sequence[str], before: str) -> list[str]:
    """A sum, broken into lines; what goes on starts with its sign."""
    shown = list(terms[:MOST_TERMS]) + ([r"\cdots"] if len(terms) > MOST_TERMS else [])
    lines = [" + ".join(shown[i : i + _TERMS_A_LINE]) for i in range(0, len(shown), _TERMS_A_LINE)]
    if before:
        lines[0] = rf"{before} ({lines[0]}"
        lines[-1] += ")"
    return [lines[0], *(rf"&\quad + {line}" for line in lines[1:])]
