"""The formulas of the explanations, read from their LaTeX and computed with numbers.

Every single letter is a variable, letters side by side are factors, and the letters of an index are indices of their
own unless commas part them, as people read it: F_{kl} is F[k, l], X_{k+iS,\\,l+jS} is X[k + i S, l + j S].
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Values = dict[str, Any]
Expression = Callable[[Values], Any]

_TOKEN = re.compile(r"\\left|\\right|\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S")
_IGNORED = {r"\left", r"\right", r"\,", "\\ ", r"\quad", "&"}
_RELATIONS = {"=": np.equal, "<": np.less, ">": np.greater, r"\leq": np.less_equal}
_CASES = re.compile(r"\\begin\{cases\}(.*)\\end\{cases\}", re.DOTALL)


def evaluate(latex: str, values: Mapping[str, Any]) -> Any:
    """The value of a formula, possibly with cases. values: numbers and arrays by their letter, ranges of indices as
    `range i`, derivatives as `dJ/dZ`."""
    cases = _CASES.search(latex)
    if cases:
        return _case(cases[1], values)
    reader = _Reader(latex)
    expression = reader.sum()
    assert reader.done, f"not understood: {reader.rest} of {latex}"
    return expression(dict(values))


def _case(cases: str, values: Mapping[str, Any]) -> Any:
    for case in cases.split(r"\\"):
        value, when = case.split("&")
        conditions = when.replace(r"\mathrm{if}", "").split(r"\mathrm{and}")
        if r"\mathrm{otherwise}" in when or all(_holds(condition)(dict(values)) for condition in conditions):
            return evaluate(value, values)
    raise AssertionError(f"no case holds: {cases}")


def _holds(latex: str) -> Expression:
    """A chain of comparisons, 0 <= m - iS < H."""
    parts = re.split(r"(=|<|>|\\leq)", latex)
    sides = [_Reader(part).sum() for part in parts[::2]]
    signs = [_RELATIONS[sign] for sign in parts[1::2]]

    def holds(values: Values) -> bool:
        numbers = [side(values) for side in sides]
        return all(sign(a, b) for sign, (a, b) in zip(signs, itertools.pairwise(numbers), strict=True))

    return holds


class _Reader:
    """Reads a formula from left to right; every method returns what computes the part that it has read."""

    def __init__(self, latex: str) -> None:
        self.tokens = [token for token in _TOKEN.findall(latex) if token not in _IGNORED]
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at == len(self.tokens)

    @property
    def rest(self) -> str:
        return " ".join(self.tokens[self.at :])

    @property
    def next(self) -> str:
        return "" if self.done else self.tokens[self.at]

    def take(self, expected: str = "") -> str:
        token = self.next
        assert token, "more was expected"
        assert expected in ("", token), f"expected {expected}, got {token}"
        self.at += 1
        return token

    # ---- sums, products

    def sum(self) -> Expression:
        terms = [self.product()]
        while self.next in ("+", "-"):
            negative = self.take() == "-"
            term = self.product()
            terms.append(_negated(term) if negative else term)
        return lambda values: sum(term(values) for term in terms)

    def product(self) -> Expression:
        if self.next == "-":
            self.take()
            return _negated(self.product())
        factors = []
        while self.next and self.next not in ("+", "-", ")", "}", ",", r"\}", *_RELATIONS):
            if self.next in (r"\cdot", r"\odot"):
                self.take()
                continue
            if self.next == r"\sum":  # it reaches to the end of the product
                factors.append(self.series())
                break
            factors.append(self.power())
        assert factors, f"nothing to multiply at {self.rest}"
        return lambda values: math.prod(factor(values) for factor in factors)

    def power(self) -> Expression:
        base = self.factor()
        if self.next != "^":
            return base
        self.take()
        exponent = self.group() if self.next == "{" else self.factor()
        return lambda values: base(values) ** exponent(values)

    def group(self) -> Expression:
        self.take("{")
        inner = self.sum()
        self.take("}")
        return inner

    # ---- factors

    def factor(self) -> Expression:
        token = self.take()
        if token == "(":
            inner = self.sum()
            self.take(")")
            return inner
        if token == "{":
            self.at -= 1
            return self.group()
        if token[0].isdigit():
            return lambda _: float(token)
        if token == r"\frac":
            return self.fraction()
        if token == r"\sqrt":
            inner = self.group()
            return lambda values: math.sqrt(inner(values))
        if token == r"\max":
            return self.maximum()
        if token in (r"\log", r"\tanh"):
            inner, function = self.power(), {r"\log": math.log, r"\tanh": math.tanh}[token]
            return lambda values: function(inner(values))
        if token == r"\delta":
            indices = self.indices()[0]
            return lambda values: float(len({index(values) for index in indices}) == 1)
        if token == r"\mathrm":
            return self.mean()
        return self.symbol(token)

    def fraction(self) -> Expression:
        over = self.braced()
        under = self.braced()
        if over == [r"\partial", "J"]:
            reader = _Reader("")
            reader.tokens = under[1:]
            name = reader.name()
            return reader.symbol(f"dJ/d{name}")
        numerator, denominator = (_parsed(tokens) for tokens in (over, under))
        return lambda values: numerator(values) / denominator(values)

    def maximum(self) -> Expression:
        opening = self.take()
        inside = [self.sum()]
        while self.next == ",":
            self.take()
            inside.append(self.sum())
        self.take({"(": ")", r"\{": r"\}"}[opening])
        return lambda values: max(expression(values) for expression in inside)

    def mean(self) -> Expression:
        word = "".join(self.braced())
        assert word == "mean", word
        inner = self.factor()
        return lambda values: float(np.mean(inner(values)))

    def name(self) -> str:
        token = self.take()
        return "hat" + "".join(self.braced()) if token == r"\hat" else token.lstrip("\\")

    def symbol(self, token: str) -> Expression:
        if token == r"\hat":
            self.at -= 1
            token = self.name()
        name = token.lstrip("\\")
        if name == "e":
            return lambda _: math.e
        if self.next != "_":
            return lambda values: values[name]
        indices, label = self.indices()

        def value(values: Values) -> Any:
            if f"{name}_{label}" in values:
                return values[f"{name}_{label}"]
            place = tuple(int(index(values)) for index in indices)
            assert min(place) >= 0, f"{name} at {place}"
            array = np.asarray(values[name])
            return float(array.reshape(-1)[place[0]] if len(place) == 1 else array[place])

        return value

    def indices(self) -> tuple[list[Expression], str]:
        """The indices after an underscore, and the text of them."""
        self.take("_")
        tokens = self.braced() if self.next == "{" else [self.take()]
        parts: list[list[str]] = [[]]
        depth = 0
        for token in tokens:
            depth += (token == "{") - (token == "}")
            if token == "," and not depth:
                parts.append([])
            else:
                parts[-1].append(token)
        if len(parts) == 1 and all(token.isalpha() for token in tokens):
            parts = [[token] for token in tokens]
        return [_parsed(part) for part in parts], "".join(tokens)

    def braced(self) -> list[str]:
        """The tokens of a group, without its braces."""
        self.take("{")
        start, depth = self.at, 1
        while depth:
            depth += {"{": 1, "}": -1}.get(self.take(), 0)
        return self.tokens[start : self.at - 1]

    # ---- series

    def series(self) -> Expression:
        self.take(r"\sum")
        self.take("_")
        below = self.braced() if self.next == "{" else [self.take()]
        above: list[str] | None = None
        if self.next == "^":
            self.take()
            above = self.braced()
        body = self.product()
        names, condition = _range(below, above)

        def total(values: Values) -> Any:
            if above is not None:
                last = _parsed(above)(values)
                first = _parsed(below[2:])(values)
                spans = [range(int(first), int(last) + 1)]
            else:
                spans = [range(values[f"range {name}"]) for name in names]
            places = ({**values, **dict(zip(names, place, strict=True))} for place in itertools.product(*spans))
            return sum(body(place) for place in places if condition(place))

        return total


def _range(below: list[str], above: list[str] | None) -> tuple[list[str], Expression]:
    """The letters that a sum runs over, and the condition on them."""
    if above is not None or ":" not in below:
        return [below[0]], lambda _: True
    colon = below.index(":")
    return [token for token in below[:colon] if token.isalpha()], _holds(" ".join(below[colon + 1 :]))


def _parsed(tokens: list[str]) -> Expression:
    reader = _Reader("")
    reader.tokens = list(tokens)
    expression = reader.sum()
    assert reader.done, f"not understood: {reader.rest}"
    return expression


def _negated(expression: Expression) -> Expression:
    return lambda values: -expression(values)


def sides(lines: tuple[str, ...]) -> list[str]:
    """What stands between the equality signs of a formula that goes over several lines, its left side first."""
    text = " ".join(line.replace("&", "") if r"\begin{cases}" not in line else _outer(line) for line in lines)
    parts, depth, current, protected = [], 0, "", r"\begin{cases}" in text
    for i, sign in enumerate(text):
        depth += (sign == "{") - (sign == "}")
        inside = protected and r"\begin{cases}" in text[:i]
        if (sign == "=" and not depth and not inside) or (text.startswith(r"\approx", i) and not depth):
            parts.append(current.strip())
            current = ""
            continue
        current += sign
    return [part.removeprefix("approx").strip() for part in [*parts, current.strip()]]


def _outer(line: str) -> str:
    """A line without the `&` that aligns it, those of its cases kept."""
    before, cases = line.split(r"\begin{cases}")
    return before.replace("&", "") + r"\begin{cases}" + cases
