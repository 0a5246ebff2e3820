"""Tables in Markdown, aligned so that a terminal shows them well too."""

from __future__ import annotations

import math
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, all others to the right."""
    lines = [head, *rows]
    widths = [max(3, *(len(line[column]) for line in lines)) for column in range(len(head))]

    def written(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    rule = "| :" + "-" * (widths[0] - 1) + "".join(" | " + "-" * (width - 1) + ":" for width in widths[1:]) + " |"
    return "\n".join([written(head), rule, *map(written, rows)])


def short(number: float) -> str:
    """Three significant digits, never an exponent: 0.0412, 1.23, 81.4, 2370."""
    if number == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{round(number, 2 - math.floor(math.log10(abs(number)))):.{digits}f}"
