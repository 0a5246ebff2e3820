"""Sums of products over named dimensions: einsum.

With every index kept apart, y = sum over the indices not in the output of x_1 x_2 ... x_n, and dJ/dx_i is again such a
sum: of g times the other operands, with x_i's indices as its output. For that every index of x_i must stand in the
output or in another operand; `einsum` brings any equation into this form: it spells out `...`, takes diagonals of
repeated indices, drops dimensions of size 1 that were broadcast, and first sums what stands in one operand alone.
"""

from __future__ import annotations

from string import ascii_letters
from typing import Any

import numpy as np

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.dtypes import as_array
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.ops.indexing import _getitem
from tinygrad_cnn.ops.products import refuse_mixed_dtypes
from tinygrad_cnn.ops.reductions import _sum
from tinygrad_cnn.ops.shapes import _permute, _reshape


@primitive
def _einsum(*xs, equation):
    return np.einsum(equation, *xs, optimize=True)


def _einsum_rule(g, xs, equation):
    inputs, output = equation.split("->")
    names = inputs.split(",")
    gradients = []
    for i, name in enumerate(names):
        others = [output, *names[:i], *names[i + 1 :]]
        gradients.append(_einsum(g, *xs[:i], *xs[i + 1 :], equation=f"{','.join(others)}->{name}"))
    return gradients


_einsum.defvjp(xs=_einsum_rule)


def einsum(equation: str, *operands: Any) -> Tensor:
    """The sum of products that `equation` names, such as "ij,jk->ik": a letter for each dimension, `...` for the rest.

    Letters missing after the arrow are summed over; without an arrow the output has the letters that occur once, in
    alphabetical order, after the dimensions of `...`. A letter repeated in one operand takes its diagonal.

    Gradient: to each operand the einsum of g with the others.

    Raises: ArgumentError where the equation is malformed, ShapeError where it does not fit the operands, DTypeError
    where their dtypes differ.

    Example:
        >>> einsum("ij,j->i", Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([1.0, 10.0])).tolist()
        [21.0, 43.0]
    """
    if not isinstance(equation, str):
        raise ArgumentTypeError(f"einsum: expects an equation such as 'ij,jk->ik', got {equation!r}")
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    xs = [x if isinstance(x, Tensor) else as_array(x) for x in operands]
    names, output = _spelled_out(equation, xs)
    refuse_mixed_dtypes("einsum", *xs)
    xs, names = map(list, zip(*map(_diagonals, xs, names), strict=True))
    sizes: dict[str, int] = {}
    for name, x in zip(names, xs, strict=True):
        for letter, size in zip(name, x.shape, strict=True):
            if 1 not in (size, known := sizes.setdefault(letter, size)) and size != known:
                shapes = ", ".join(str(x.shape) for x in xs)
                raise ShapeError(f"einsum: {letter!r} has size {known} and size {size} in {equation!r}, with {shapes}")
            sizes[letter] = size if known == 1 else known
    pairs = [_without_copies(x, name, sizes) for x, name in zip(xs, names, strict=True)]
    for i, (x, name) in enumerate(pairs):
        others = output + "".join(other for j, (_, other) in enumerate(pairs) if j != i)
        alone = tuple(place for place, letter in enumerate(name) if letter not in others)
        if alone:
            pairs[i] = _sum(x, alone, False), "".join(letter for letter in name if letter in others)
    if len(pairs) == 1:
        x, name = pairs[0]
        return _permute(x, tuple(name.index(letter) for letter in output))
    return _einsum(*(x for x, _ in pairs), equation=f"{','.join(name for _, name in pairs)}->{output}")


def _spelled_out(equation: str, xs: list[Any]) -> tuple[list[str], str]:
    """The letters of each operand and of the output, with letters in place of `...`."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    terms = inputs.split(",")
    for term in [*terms, output]:
        letters = term.replace("...", "", 1)
        if letters and not (letters.isascii() and letters.isalpha()):
            raise ArgumentError(f"einsum: expects letters and one '...' in each term, got {term!r} in {equation!r}")
    if len(terms) != len(xs):
        raise ArgumentError(f"einsum: {equation!r} names {len(terms)} operands, got {len(xs)}")
    free = [letter for letter in ascii_letters if letter not in equation]
    names, most = [], 0
    for i, (term, x) in enumerate(zip(terms, xs, strict=True)):
        rest = len(x.shape) - len(term.replace("...", ""))
        if rest < 0 or (rest and "..." not in term):
            raise ShapeError(f"einsum: {term!r} does not name the {len(x.shape)} dimensions of operand {i}, {x.shape}")
        most = max(most, rest)
        names.append(term.replace("...", "".join(free[:rest])[::-1]))  # aligned from the right
    everything = "".join(names)
    ellipsis = "".join(free[:most])[::-1]
    if not arrow:
        once = sorted(letter for letter in set(everything) if everything.count(letter) == 1 and letter not in ellipsis)
        return names, ellipsis + "".join(once)
    output = output.replace("...", ellipsis)
    for letter in output:
        if output.count(letter) > 1 or letter not in everything:
            raise ArgumentError(
                f"einsum: {letter!r} in the output of {equation!r} must occur there once, and in an operand"
            )
    return names, output


def _diagonals(x: Any, name: str) -> tuple[Any, str]:
    """`x` with its diagonal in place of the dimensions that share a letter."""
    for letter in name:
        places = [i for i, other in enumerate(name) if other == letter]
        if len(places) > 1:
            sizes = [x.shape[i] for i in places]
            if len(set(sizes)) > 1:
                raise ShapeError(f"einsum: {letter!r} is repeated, so its sizes must agree, got {sizes}")
            rest = [i for i in range(len(name)) if i not in places]
            line = np.arange(sizes[0])
            x = _getitem(_permute(x, (*places, *rest)), (line,) * len(places))
            name = letter + "".join(name[i] for i in rest)
    return x, name


def _without_copies(x: Any, name: str, sizes: dict[str, int]) -> tuple[Any, str]:
    """`x` without the dimensions of size 1 that were to be copied along a larger one."""
    kept = [i for i, letter in enumerate(name) if x.shape[i] == sizes[letter]]
    if len(kept) == len(name):
        return x, name
    return _reshape(x, tuple(x.shape[i] for i in kept)), "".join(name[i] for i in kept)
