"""What an explanation is made of, before it is text, LaTeX or Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A title (level 1), or the heading of a section (level 2)."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; what stands between dollar signs is LaTeX."""

    text: str


@dataclass(frozen=True, slots=True)
class Formula:
    """Lines of LaTeX, aligned at their `&`. key: what the formula is, such as `forward`."""

    key: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """An array by its name, in rows of numbers."""

    name: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, each LaTeX, under a header of words."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of the package's source, and where they stand (file:line)."""

    place: str
    source: str


Block = Heading | Paragraph | Formula | Matrix | Table | Code
