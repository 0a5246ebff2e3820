r"""LaTeX formulas as plain text: \frac{\partial J}{\partial X_{mn}} as ∂J/∂X_mn.

Only the commands that the explanations use are known; another one is an error, which the tests would find.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SIGNS = {
    r"\partial": "∂",
    r"\sum": "Σ",
    r"\delta": "δ",
    r"\mu": "μ",
    r"\sigma": "σ",
    r"\varepsilon": "ε",
    r"\gamma": "γ",
    r"\beta": "β",
    r"\cdot": "·",
    r"\cdots": "…",
    r"\times": "×",
    r"\odot": "⊙",
    r"\leq": "≤",
    r"\geq": "≥",
    r"\in": "∈",
    r"\approx": "≈",
    r"\top": "⊤",
    r"\max": "max",
    r"\log": "log",
    r"\tanh": "tanh",
    r"\lfloor": "⌊",
    r"\rfloor": "⌋",
    r"\infty": "∞",
    r"\quad": " ",
    r"\,": " ",
    "\\ ": " ",
    r"\{": "{",
    r"\}": "}",
    r"\left": "",
    r"\right": "",
}
COMMANDS = {*SIGNS, r"\frac", r"\sqrt", r"\hat", r"\mathrm", r"\begin", r"\end", "\\\\"}

_CASES = re.compile(r"(.*?)\\begin\{cases\}(.*)\\end\{cases\}(.*)", re.DOTALL)
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.")
_GROUP = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"  # brackets, up to three deep
_ONE_SYMBOL = re.compile(rf"(?:√?{_GROUP}|[^\s+\-·_^()](?:\w|\.|\u0302)*(?:_\{{[^{{}}]*\}})?)(?:\^{_GROUP}|\^\w+|²)?")
_SUPERSCRIPTS = {"2": "²", "⊤": "ᵀ", "-1": "⁻¹"}
_HAT = "\u0302"


def plain_lines(latex: str) -> list[str]:
    """One line of a formula as text; several where it has cases, the later ones set under the first case."""
    split = _CASES.fullmatch(latex)
    if split is None:
        return [plain(latex)]
    before, cases, after = split.groups()
    rows = [[plain(cell).strip() for cell in case.split("&")] for case in cases.split(r"\\")]
    start = plain(before)
    width = max(len(value) for value, _ in rows)
    margins = [start, *[" " * len(start)] * (len(rows) - 1)]
    lines = [f"{margin}{value:<{width}}  {when}" for margin, (value, when) in zip(margins, rows, strict=True)]
    lines[-1] += plain(after)
    return lines


def plain(latex: str) -> str:
    r"""A formula without cases, on one line.

    Example:
        >>> plain(r"\frac{\partial J}{\partial X_{mn}} = \sum_{k=0}^{H_F-1} X_{k+iS} e^{-x}")
        '∂J/∂X_mn = Σ_{k=0}^{H_F-1} X_{k+iS} e^(-x)'
    """
    return re.sub(" {2,}", " ", _sequence(iter(_TOKEN.findall(latex.replace("&", "")))))


def _sequence(tokens: Iterator[str]) -> str:
    """Up to the closing brace, or the end."""
    text, after_sum = "", False
    for token in tokens:
        if token == "}":
            break
        if token == "_":
            index = _argument(tokens)
            text += f"_{index}" if index.isalnum() else f"_{{{index}}}"
            continue
        if token == "^":
            text += _raised(_argument(tokens), after_sum)
            continue
        after_sum = token == r"\sum" or (after_sum and token.isspace())
        text += _atom(token, tokens)
        if token.isspace() and text.endswith("∂ "):  # a command swallows the space that ends it
            text = text[:-1]
    return text


def _atom(token: str, tokens: Iterator[str]) -> str:
    if token == "{":
        return _sequence(tokens)
    if token == r"\frac":
        over, under = _argument(tokens), _argument(tokens)
        return f"{_bracketed(over)}/{_bracketed(under)}"
    if token == r"\sqrt":
        return f"√({_argument(tokens)})"
    if token == r"\hat":
        return _argument(tokens) + _HAT
    if token == r"\mathrm":
        return _argument(tokens)
    if token.startswith("\\"):
        return SIGNS[token]
    return " " if token.isspace() else token


def _argument(tokens: Iterator[str]) -> str:
    token = next(tokens)
    while token.isspace():
        token = next(tokens)
    return _atom(token, tokens)


def _raised(text: str, after_sum: bool) -> str:
    if after_sum:
        return f"^{{{text}}}"
    return _SUPERSCRIPTS.get(text) or (f"^{text}" if text.isalnum() else f"^({text})")


def _bracketed(text: str) -> str:
    """In brackets where it is more than one symbol."""
    return text if _ONE_SYMBOL.fullmatch(text) else f"({text})"
