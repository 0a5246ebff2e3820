"""The explanations of linear and matmul."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.explanations import samples
from tinygrad_cnn.explanations.measurements import Array, Measurement
from tinygrad_cnn.explanations.numbers_in_formulas import Term, expansion, index, product
from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.kernels.numpy import products as kernels
from tinygrad_cnn.ops.products import _linear, _matmul

_LEFT, _RIGHT, _BIAS = (1, 2, 0, -1, 3, 1), (2, 0, 1, -1, 1, 3), (1, -1)

LINEAR = r"Z_{no} = \sum_{i=0}^{I-1} X_{ni} W_{oi} + b_o"
LINEAR_PARTIALS = (
    r"\frac{\partial Z_{no}}{\partial X_{ni}} = W_{oi}",
    r"\frac{\partial Z_{no}}{\partial W_{oi}} = X_{ni}",
    r"\frac{\partial Z_{no}}{\partial b_o} = 1",
)
LINEAR_CHAINS = (
    r"\frac{\partial J}{\partial X_{ni}} = \sum_{o=0}^{O-1} \frac{\partial J}{\partial Z_{no}} W_{oi}",
    r"\frac{\partial J}{\partial W_{oi}} = \sum_{n=0}^{N-1} \frac{\partial J}{\partial Z_{no}} X_{ni}",
    r"\frac{\partial J}{\partial b_o} = \sum_{n=0}^{N-1} \frac{\partial J}{\partial Z_{no}}",
)
LINEAR_ARRAYS = (
    r"Z = X W^{\top} + b",
    r"\frac{\partial J}{\partial X} = G W",
    r"\frac{\partial J}{\partial W} = G^{\top} X",
)
MATMUL = r"Z_{ij} = \sum_{k=0}^{K-1} A_{ik} B_{kj}"
MATMUL_PARTIALS = (
    r"\frac{\partial Z_{ij}}{\partial A_{ik}} = B_{kj}",
    r"\frac{\partial Z_{ij}}{\partial B_{kj}} = A_{ik}",
)
MATMUL_CHAINS = (
    r"\frac{\partial J}{\partial A_{ik}} = \sum_{j=0}^{N-1} \frac{\partial J}{\partial Z_{ij}} B_{kj}",
    r"\frac{\partial J}{\partial B_{kj}} = \sum_{i=0}^{M-1} \frac{\partial J}{\partial Z_{ij}} A_{ik}",
)
MATMUL_ARRAYS = (
    r"Z = A B",
    r"\frac{\partial J}{\partial A} = G B^{\top}",
    r"\frac{\partial J}{\partial B} = A^{\top} G",
)


def linear(page: Page, input: Any = None, weight: Any = None, bias: Any = None) -> None:
    """Fill a page: each output is an inner product of a row of X and a row of W."""
    _refuse_one("linear", "input and weight", input, weight)
    x = samples.whole((2, 3), _LEFT) if input is None else samples.array_of("linear", "input", input)
    w = samples.whole((2, 3), _RIGHT) if weight is None else samples.array_of("linear", "weight", weight, 2)
    if bias is not None:
        b = samples.array_of("linear", "bias", bias, 1)
    else:
        b = np.array(_BIAS, np.float64) if weight is None else np.zeros(len(w))
    x = x.reshape(-1, x.shape[-1]) if x.ndim else x  # the other dimensions are rows too
    y = ops.linear(x, w, b)  # it refuses what does not fit
    G = samples.loss_weights(tuple(y.shape))
    run = Measurement(lambda x, w, b: ops.linear(x, w, b), {"x": x, "w": w, "b": b}, G)
    _derive(page, LINEAR, LINEAR_PARTIALS, LINEAR_CHAINS, LINEAR_ARRAYS)
    page.code(_linear, _linear.joint_rule or _linear, kernels.linear, kernels.linear_grads)
    _show(page, {"X": x, "W": w, "b": b, "G": G})
    n, o, i = len(x) - 1, len(w) - 1, x.shape[1] - 1
    page.heading("output")
    page.say("output", n=n, o=o)
    terms = _terms("X", x[n], [(n, k) for k in range(i + 1)], "W", w[o], [(o, k) for k in range(i + 1)])
    page.formula("number.output", *expansion(f"Z_{index(n, o)}", [*terms, Term(f"b_{index(o)}", product(b[o]), b[o])]))
    page.heading("input")
    page.say("input", n=n, i=i, o=o)
    to_x = _terms("G", G[n], [(n, k) for k in range(o + 1)], "W", w[:, i], [(k, i) for k in range(o + 1)])
    to_w = _terms("G", G[:, o], [(k, o) for k in range(n + 1)], "X", x[:, i], [(k, i) for k in range(n + 1)])
    names = [rf"\frac{{\partial J}}{{\partial {letter}}}" for letter in (f"X_{index(n, i)}", f"W_{index(o, i)}")]
    page.formula("number.x", *expansion(names[0], to_x))
    page.formula("number.w", *expansion(names[1], to_w))
    page.compare(
        run.check_output(f"Z_{index(n, o)}", (n, o), sum(term.value for term in terms) + b[o]),
        run.check(names[0], "x", (n, i), sum(term.value for term in to_x)),
        run.check(names[1], "w", (o, i), sum(term.value for term in to_w)),
        run.check(rf"\frac{{\partial J}}{{\partial b_{index(o)}}}", "b", (o,), G[:, o].sum()),
    )
    page.heading("notes")
    page.say("notes")


def matmul(page: Page, input: Any = None, other: Any = None) -> None:
    """Fill a page: the product of two matrices."""
    _refuse_one("matmul", "input and other", input, other)
    a = samples.whole((2, 3), _LEFT) if input is None else samples.array_of("matmul", "input", input, 2)
    b = samples.whole((3, 2), _RIGHT) if other is None else samples.array_of("matmul", "other", other, 2)
    y = ops.matmul(a, b)
    G = samples.loss_weights(tuple(y.shape))
    run = Measurement(lambda a, b: ops.matmul(a, b), {"a": a, "b": b}, G)
    _derive(page, MATMUL, MATMUL_PARTIALS, MATMUL_CHAINS, MATMUL_ARRAYS)
    page.code(_matmul, *_matmul.rules.values())
    _show(page, {"A": a, "B": b, "G": G})
    (i, k), j = (side - 1 for side in a.shape), b.shape[1] - 1
    page.heading("output")
    page.say("output", i=i, j=j)
    terms = _terms("A", a[i], [(i, c) for c in range(k + 1)], "B", b[:, j], [(c, j) for c in range(k + 1)])
    page.formula("number.output", *expansion(f"Z_{index(i, j)}", terms))
    page.heading("input")
    page.say("input", i=i, j=j, k=k)
    to_a = _terms("G", G[i], [(i, c) for c in range(j + 1)], "B", b[k], [(k, c) for c in range(j + 1)])
    to_b = _terms("G", G[:, j], [(c, j) for c in range(i + 1)], "A", a[:, k], [(c, k) for c in range(i + 1)])
    names = [rf"\frac{{\partial J}}{{\partial {letter}}}" for letter in (f"A_{index(i, k)}", f"B_{index(k, j)}")]
    page.formula("number.x", *expansion(names[0], to_a))
    page.formula("number.w", *expansion(names[1], to_b))
    page.compare(
        run.check_output(f"Z_{index(i, j)}", (i, j), sum(term.value for term in terms)),
        run.check(names[0], "a", (i, k), sum(term.value for term in to_a)),
        run.check(names[1], "b", (k, j), sum(term.value for term in to_b)),
    )
    page.heading("notes")
    page.say("notes")


def _refuse_one(operation: str, names: str, first: Any, second: Any) -> None:
    if (first is None) != (second is None):
        raise ArgumentError(f"explain: {operation} expects {names}, or neither for an example of its own")


def _derive(
    page: Page, forward: str, partials: tuple[str, ...], chains: tuple[str, ...], arrays: tuple[str, ...]
) -> None:
    page.heading("forward")
    page.say("forward")
    page.formula("forward", forward)
    inputs = "xwb"
    for heading, lines in (("partial", partials), ("chain", chains)):
        page.heading(heading)
        page.say(heading)
        for letter, line in zip(inputs, lines, strict=False):
            page.formula(f"{heading}.{letter}", line)
    page.heading("arrays")
    page.say("arrays")
    for key, line in zip(("arrays", "arrays.x", "arrays.w"), arrays, strict=True):
        page.formula(key, line)


def _show(page: Page, arrays: dict[str, Array]) -> None:
    page.heading("example")
    page.say("common.loss")
    for name, array in arrays.items():
        page.array(name, array)


def _terms(left: str, a: Array, at: list[Any], right: str, b: Array, there: list[Any]) -> list[Term]:
    return [
        Term(f"{left}_{index(*p)} {right}_{index(*q)}", product(u, v), float(u * v))
        for u, p, v, q in zip(a, at, b, there, strict=True)
    ]
