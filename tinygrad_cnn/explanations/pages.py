"""A page of an explanation as it is written: words from the prose of a language, formulas, numbers, code."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.explanations.blocks import Block, Code, Formula, Heading, Matrix, Paragraph, Table
from tinygrad_cnn.explanations.english import ENGLISH
from tinygrad_cnn.explanations.japanese import JAPANESE
from tinygrad_cnn.explanations.measurements import Check
from tinygrad_cnn.explanations.numbers_in_formulas import number
from tinygrad_cnn.explanations.sources import source_of

PROSE = {"en": ENGLISH, "ja": JAPANESE}
PLACEHOLDER = re.compile(r"<(\w+)>")
_LARGEST = 12  # rows or columns of an array that is shown as a whole
_CHECK_DIGITS = 10


class Page:
    """Blocks in their order, and the derivatives that were compared on the way."""

    def __init__(self, operation: str, language: str) -> None:
        self.operation = operation
        self.words = PROSE[language]
        self.blocks: list[Block] = [Heading(self._say("title", operation=operation), 1)]
        self.checks: list[Check] = []

    def heading(self, key: str) -> None:
        """The heading of a section, the same for all operations."""
        self.blocks.append(Heading(self._say(key)))

    def say(self, key: str, **values: Any) -> None:
        """A paragraph of the prose: of this operation, or (`common.`) of all."""
        full = key if key.startswith("common.") else f"{self.operation}.{key}"
        self.blocks.append(Paragraph(self._say(full, **values)))

    def formula(self, key: str, *lines: str) -> None:
        """A formula, on one line or several."""
        self.blocks.append(Formula(key, lines))

    def array(self, name: str, values: Any) -> None:
        """An array of up to two dimensions, if it is small enough to be looked at."""
        rows = np.atleast_2d(values)
        if max(rows.shape) <= _LARGEST:
            self.blocks.append(Matrix(name, tuple(tuple(number(value) for value in row) for row in rows)))

    def code(self, *functions: Callable[..., Any]) -> None:
        """The source of the functions, one by one; rules that stand in neighbouring lines together."""
        self.heading("code")
        self.say("common.code")
        blocks = [source_of(function) for function in functions]
        for block in blocks:
            last = self.blocks[-1]
            if isinstance(last, Code) and _follows(block, last):
                self.blocks[-1] = Code(last.place, f"{last.source}\n{block.source}")
            else:
                self.blocks.append(block)

    def compare(self, *checks: Check) -> None:
        """The section in which terms, code and finite differences stand side by side."""
        self.heading("differences")
        self.say("common.differences")
        header = [self._say(f"column.{column}") for column in ("quantity", "terms", "code", "difference")]
        self.blocks.append(Table(tuple(header), tuple(_row(check) for check in checks)))
        self.say("common.agree" if all(check.agrees for check in checks) else "common.disagree")
        if any(check.kinked for check in checks):
            self.say("common.kink")
        self.checks += checks

    def _say(self, key: str, **values: Any) -> str:
        return PLACEHOLDER.sub(lambda found: _shown(values[found[1]]), self.words[key])


def _shown(value: Any) -> str:
    """A value in a sentence: integers and words as they are, other numbers as a formula."""
    return f"${number(value)}$" if isinstance(value, float) else str(value)


def _row(check: Check) -> tuple[str, ...]:
    if check.difference is None:
        difference = "-"
    elif check.kinked:
        difference = rf"{number(check.low)} \cdots {number(check.high)}"
    else:
        difference = number(check.difference, _CHECK_DIGITS)
    return check.name, number(check.terms, _CHECK_DIGITS), number(check.code, _CHECK_DIGITS), difference


def _follows(block: Code, last: Code) -> bool:
    """Whether a block starts on the line after the last one ends."""
    (path, line), (last_path, last_line) = (code.place.rsplit(":", 1) for code in (block, last))
    return path == last_path and int(line) == int(last_line) + len(last.source.splitlines())
