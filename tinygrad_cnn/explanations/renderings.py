"""The blocks of an explanation as plain text, as LaTeX and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from unicodedata import combining, east_asian_width

from tinygrad_cnn.explanations.blocks import Block, Code, Formula, Heading, Matrix, Paragraph, Table
from tinygrad_cnn.explanations.plain_formulas import plain, plain_lines

_WIDTH = 100  # columns of text; a Japanese character takes two
_TIE = "\ue000"  # for a space at which no line ends
_INLINE = re.compile(r"\$([^$]*)\$")
_WIDE = "\u3000-\u30ff\u3400-\u9fff\uff00-\uffef"
_NEVER_FIRST = "、。）)」』ー・:;"  # on a line, in Japanese
_UNIT = re.compile(rf"[{_WIDE}][{_NEVER_FIRST}]*|\s+|[^\s{_WIDE}]+[{_NEVER_FIRST}]*")


# ---- plain text ------------------------------------------------------------------------------------------------------


def as_text(blocks: Sequence[Block]) -> str:
    """Plain text, at most 100 columns wide where a formula or a line of code is not wider."""
    return "\n\n".join(_text(block) for block in blocks) + "\n"


def _text(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{text}\n{('=' if level == 1 else '-') * columns(text)}"
        case Paragraph(text):
            return _wrapped(_INLINE.sub(lambda math: plain(math[1]).replace(" ", _TIE), text)).replace(_TIE, " ")
        case Formula(_, lines):
            return _indented(_aligned(lines))
        case Matrix(name, rows):
            return _indented([f"{plain(name)} =", *_in_columns([[plain(cell) for cell in row] for row in rows])])
        case Table(header, rows):
            return _indented(_in_columns([header, *([plain(cell) for cell in row] for row in rows)]))
        case Code(place, source):
            return f"{place}\n{_indented(source.splitlines())}"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(0 if combining(sign) else 1 + (east_asian_width(sign) in "WF") for sign in text)


def _aligned(lines: Sequence[str]) -> list[str]:
    """The lines of a formula with their `&` under each other."""
    halves = [_halves(line) for line in lines]
    margin = max(columns(left) for left, _ in halves)
    text = []
    for left, right in halves:
        first, *others = plain_lines(right)
        start = f"{' ' * (margin - columns(left))}{left} " if margin else ""
        cut = len(first) - len(first.lstrip())
        text.append(start + first.strip())
        text += [" " * columns(start) + other[cut:] for other in others]
    return text


def _halves(line: str) -> tuple[str, str]:
    """A line left and right of its `&`, the left as text; a case has an `&` too."""
    left, mark, right = line.partition("&")
    return (plain(left).strip(), right) if mark and r"\begin{cases}" not in left else ("", line)


def _in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(" " * (w - columns(cell)) + cell for w, cell in zip(widths, row, strict=True)) for row in rows]


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"    {line}" if line else "" for line in lines)


def _wrapped(text: str) -> str:
    lines, line = [], ""
    for unit in _UNIT.findall(text):
        if columns(line + unit.rstrip()) > _WIDTH:
            lines.append(line.rstrip())
            line = ""
        line += unit if line else unit.lstrip()
    return "\n".join([*lines, line.rstrip()])


# ---- LaTeX -----------------------------------------------------------------------------------------------------------

_ESCAPES = {sign: f"\\{sign}" for sign in "_&%#{}"} | {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
}


def as_latex(blocks: Sequence[Block]) -> str:
    """The body of a LaTeX document; it needs the package amsmath."""
    return "\n\n".join(_latex(block) for block in blocks) + "\n"


def _latex(block: Block) -> str:
    match block:
        case Heading(text, level):
            return rf"\{'section' if level == 1 else 'subsection'}*{{{_escaped(text)}}}"
        case Paragraph(text):
            return _outside_math(text, _escaped)
        case Formula(_, lines):
            return "\\begin{align*}\n" + " \\\\\n".join(lines) + "\n\\end{align*}"
        case Matrix(name, rows):
            return f"\\[\n{_pmatrix(name, rows)}\n\\]"
        case Table(header, rows):
            head = " & ".join(_escaped(cell) for cell in header) + r" \\ \hline"
            body = [" & ".join(f"${cell}$" for cell in row) + r" \\" for row in rows]
            start = rf"\begin{{center}}\begin{{tabular}}{{{'r' * len(header)}}}"
            return "\n".join([start, head, *body, r"\end{tabular}\end{center}"])
        case Code(place, source):
            listing = f"\\begin{{verbatim}}\n{source}\n\\end{{verbatim}}"
            return f"\\noindent\\texttt{{{_escaped(place)}}}\n{{\\scriptsize\n{listing}\n}}"  # up to 120 columns


def _pmatrix(name: str, rows: Sequence[Sequence[str]]) -> str:
    body = " \\\\ ".join(" & ".join(row) for row in rows)
    return f"{name} = \\begin{{pmatrix}} {body} \\end{{pmatrix}}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def _outside_math(text: str, change: Callable[[str], str]) -> str:
    parts = text.split("$")
    return "$".join(part if i % 2 else change(part) for i, part in enumerate(parts))


# ---- Markdown --------------------------------------------------------------------------------------------------------


def as_markdown(blocks: Sequence[Block]) -> str:
    """Markdown whose formulas MathJax and KaTeX set."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * (level + 1)} {_outside_math(text, _with_plain_underscores)}"
        case Paragraph(text):
            return _outside_math(text, _with_plain_underscores)
        case Formula(_, lines):
            return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"
        case Matrix(name, rows):
            return f"$${_pmatrix(name, rows)}$$"
        case Table(header, rows):
            cells = [list(header), ["--:"] * len(header), *([f"${cell}$" for cell in row] for row in rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in cells)
        case Code(place, source):
            return f"`{place}`\n\n```python\n{source}\n```"


def _with_plain_underscores(text: str) -> str:
    return text.replace("_", r"\_")
