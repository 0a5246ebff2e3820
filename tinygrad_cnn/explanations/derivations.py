"""`explain`: the derivation of an operation's backward rule, with numbers."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.explanations import (
    activations,
    classification,
    convolution,
    normalisation,
    pooling,
    products,
)
from tinygrad_cnn.explanations.blocks import Block
from tinygrad_cnn.explanations.measurements import Check
from tinygrad_cnn.explanations.pages import PROSE, Page
from tinygrad_cnn.explanations.renderings import as_latex, as_markdown, as_text

OPERATIONS: dict[str, Callable[..., None]] = {
    "conv2d": convolution.conv2d,
    "max_pool2d": pooling.max_pool2d,
    "avg_pool2d": pooling.avg_pool2d,
    "linear": products.linear,
    "matmul": products.matmul,
    "relu": activations.relu,
    "sigmoid": activations.sigmoid,
    "tanh": activations.tanh,
    "softmax": classification.softmax,
    "cross_entropy": classification.cross_entropy,
    "batch_norm": normalisation.batch_norm,
    "dropout": activations.dropout,
}
LANGUAGES = tuple(PROSE)


@dataclass(frozen=True, repr=False)
class Explanation:
    """The derivation of one operation's backward rule; a notebook shows it with its formulas set.

    checks: the derivatives that were compared, each from the terms written out, from the rule and by finite
    differences. blocks: the headings, paragraphs, formulas and lines of code.
    """

    operation: str
    lang: str
    blocks: tuple[Block, ...]
    checks: tuple[Check, ...]

    @property
    def text(self) -> str:
        """Plain text, for a terminal."""
        return as_text(self.blocks)

    def latex(self) -> str:
        """The body of a LaTeX document that loads amsmath (in Japanese, LuaLaTeX with luatexja)."""
        return as_latex(self.blocks)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Explanation of {self.operation}, lang={self.lang!r}; print it>"

    def _repr_markdown_(self) -> str:
        return as_markdown(self.blocks)

    def _repr_latex_(self) -> str:
        return self.latex()


def explain(operation: str, *inputs: Any, lang: str = "en", **options: Any) -> Explanation:
    """The derivation of an operation's backward rule: formulas, the code that runs, and an example in numbers.

    operation: conv2d, max_pool2d, avg_pool2d, linear, matmul, relu, sigmoid, tanh, softmax, cross_entropy, batch_norm
    (in training) or dropout.
    inputs, options: the arguments that the operation takes; without inputs there is a small example. They are computed
    with in float64 and by the NumPy kernels, which therefore run, in all threads, until `explain` returns.
    lang: 'en' or 'ja'.

    Raises: ArgumentError for an operation or a language that is not there, ArgumentTypeError for arguments that the
    explanation does not take, and whatever the operation itself refuses.

    Example:
        >>> print(explain("relu").text.splitlines()[0])
        relu: its backward rule, derived
        >>> explain("conv2d", stride=2, padding=1).checks[0].agrees
        True
    """
    if operation not in OPERATIONS:
        raise ArgumentError(f"explain: no explanation of {operation!r}{_close(operation, list(OPERATIONS))}")
    if lang not in LANGUAGES:
        raise ArgumentError(f"explain: lang must be one of {', '.join(LANGUAGES)}, got {lang!r}")
    write = OPERATIONS[operation]
    page = Page(operation, lang)
    try:
        inspect.signature(write).bind(page, *inputs, **options)
    except TypeError as error:
        names = list(inspect.signature(write).parameters)[1:]
        raise ArgumentTypeError(f"explain: {operation} takes {', '.join(names)}: {error}") from None
    with kernels.use("numpy"):
        write(page, *inputs, **options)
    return Explanation(operation, lang, tuple(page.blocks), tuple(page.checks))


def _close(name: str, known: list[str]) -> str:
    """What may have been meant, or all there is."""
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(known)}"
