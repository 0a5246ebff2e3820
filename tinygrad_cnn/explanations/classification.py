"""The explanations of softmax and cross_entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, DTypeError
from tinygrad_cnn.explanations import samples
from tinygrad_cnn.explanations.measurements import Array, Measurement
from tinygrad_cnn.explanations.numbers_in_formulas import Term, equal, expansion, factor, index, number, product
from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.kernels.numpy import classification as kernels
from tinygrad_cnn.ops.classification import _cross_entropy, _softmax
from tinygrad_cnn.ops.shapes import dim_of

SOFTMAX = r"Z_i = \frac{e^{X_i}}{\sum_{k=0}^{C-1} e^{X_k}}"
SOFTMAX_PARTIAL = (
    r"\frac{\partial Z_i}{\partial X_j} &= \frac{\delta_{ij} e^{X_i}}{\sum_{k=0}^{C-1} e^{X_k}}"
    r" - \frac{e^{X_i} e^{X_j}}{(\sum_{k=0}^{C-1} e^{X_k})^2}",
    r"&= Z_i (\delta_{ij} - Z_j)",
)
SOFTMAX_CHAIN = (
    r"\frac{\partial J}{\partial X_j} &= \sum_{i=0}^{C-1} \frac{\partial J}{\partial Z_i} Z_i (\delta_{ij} - Z_j)",
    r"&= Z_j (\frac{\partial J}{\partial Z_j} - \sum_{i=0}^{C-1} \frac{\partial J}{\partial Z_i} Z_i)",
)
CROSS_ENTROPY = r"J = -\frac{1}{N} \sum_{n=0}^{N-1} \log P_{n,\,t_n}"
PROBABILITIES = r"P_{nc} = \frac{e^{X_{nc}}}{\sum_{k=0}^{C-1} e^{X_{nk}}}"
CROSS_ENTROPY_PARTIAL = (
    r"\frac{\partial}{\partial X_{nc}} (-\log P_{n,\,t_n}) &= \frac{\partial}{\partial X_{nc}}"
    r" (\log \sum_{k=0}^{C-1} e^{X_{nk}} - X_{n,\,t_n})",
    r"&= P_{nc} - \delta_{c,\,t_n}",
)
CROSS_ENTROPY_CHAIN = r"\frac{\partial J}{\partial X_{nc}} = \frac{1}{N} (P_{nc} - \delta_{c,\,t_n})"
_SCORES, _ROWS = (1.0, 2.0, 0.5), ((1.0, 2.0, 0.5), (0.0, -1.0, 1.0))
_LABELS = (1, 0)


def softmax(page: Page, input: Any = None, dim: int = -1) -> None:
    """Fill a page: e^x divided by its sum. Of several vectors the first one is shown."""
    given = np.array(_SCORES) if input is None else samples.array_of("softmax", "input", input)
    axis = dim_of("softmax", dim, given.ndim)
    x = np.moveaxis(given, axis, -1).reshape(-1, given.shape[axis])[0]
    G = samples.loss_weights(x.shape)
    run = Measurement(lambda x: ops.softmax(x, 0), {"x": x}, G)
    page.heading("forward")
    page.say("forward")
    page.formula("forward", SOFTMAX)
    page.heading("partial")
    page.say("partial")
    page.formula("partial.x", *SOFTMAX_PARTIAL)
    page.heading("chain")
    page.say("chain")
    page.formula("chain.x", *SOFTMAX_CHAIN)
    page.heading("arrays")
    page.say("arrays")
    page.formula("arrays", r"\frac{\partial J}{\partial X} = Z \odot (G - \mathrm{sum}(G \odot Z))")
    page.code(_softmax, _softmax.rules["x"])
    page.heading("example")
    page.say("common.loss")
    page.array("X", x)
    page.array("G", G)
    z = np.exp(x - x.max())
    z /= z.sum()
    j = len(x) // 2
    page.heading("output")
    page.say("output", i=j)
    below = " + ".join(f"e^{{{number(value)}}}" for value in x)
    page.formula("number.output", rf"Z_{index(j)} &= \frac{{e^{{{number(x[j])}}}}}{{{below}}} {equal(z[j])}")
    page.array("Z", z)
    page.heading("input")
    page.say("input", j=j)
    terms = [
        Term(
            rf"G_{index(i)} Z_{index(i)} ({int(i == j)} - Z_{index(j)})",
            rf"{product(G[i], z[i])} \cdot ({int(i == j)} - {number(z[j])})",
            float(G[i] * z[i] * ((i == j) - z[j])),
        )
        for i in range(len(x))
    ]
    name = rf"\frac{{\partial J}}{{\partial X_{index(j)}}}"
    page.formula("number.x", *expansion(name, terms))
    page.compare(
        run.check_output(f"Z_{index(j)}", (j,), float(z[j])),
        run.check(name, "x", (j,), sum(term.value for term in terms)),
    )
    page.heading("notes")
    page.say("notes", total=float(z.sum().round(12)))


def cross_entropy(page: Page, input: Any = None, target: Any = None) -> None:
    """Fill a page: the mean of -log softmax at the labels."""
    x, labels = _scores(input, target)
    N, C = x.shape
    run = Measurement(lambda x: ops.cross_entropy(x, labels), {"x": x}, np.ones(()))
    page.heading("forward")
    page.say("forward")
    page.formula("probabilities", PROBABILITIES)
    page.formula("forward", CROSS_ENTROPY)
    page.heading("partial")
    page.say("partial")
    page.formula("partial.x", *CROSS_ENTROPY_PARTIAL)
    page.heading("chain")
    page.say("chain")
    page.formula("chain.x", CROSS_ENTROPY_CHAIN)
    page.heading("arrays")
    page.say("arrays")
    page.formula("arrays", r"\frac{\partial J}{\partial X} = \frac{1}{N} (P - T)")
    page.code(_cross_entropy, _cross_entropy.rules["x"], kernels.cross_entropy, kernels.cross_entropy_grad)
    page.heading("example")
    page.say("example", N=N, C=C)
    page.array("X", x)
    page.array("t", labels)
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    page.array("P", p)
    losses = [-float(np.log(p[n, t])) for n, t in enumerate(labels)]
    page.heading("output")
    page.say("output")
    terms = [Term(rf"\log P_{index(n, t)}", rf"\log {factor(p[n, t])}", -losses[n]) for n, t in enumerate(labels)]
    page.formula("number.output", *expansion("J", terms, rf"-\frac{{1}}{{{N}}}", sum(losses) / N))
    n, c = 0, int(labels[0])
    value = float((p[n, c] - 1) / N)
    name = rf"\frac{{\partial J}}{{\partial X_{index(n, c)}}}"
    page.heading("input")
    page.say("input", n=n, c=c)
    page.formula("number.x", rf"{name} &= \frac{{1}}{{{N}}} ({number(p[n, c])} - 1) {equal(value)}")
    page.compare(run.check_output("J", (), sum(losses) / N), run.check(name, "x", (n, c), value))
    page.heading("notes")
    page.say("notes", total=float(run.gradients()["x"][n].sum().round(12)))


def _scores(input: Any, target: Any) -> tuple[Array, Array]:
    if (input is None) != (target is None):
        raise ArgumentError("explain: cross_entropy expects input and target, or neither for an example of its own")
    x = np.array(_ROWS) if input is None else samples.array_of("cross_entropy", "input", input, 2)
    labels = np.asarray(_LABELS if target is None else target.data if isinstance(target, Tensor) else target)
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"explain: cross_entropy expects class numbers as target, got {labels.dtype}")
    ops.cross_entropy(x, labels)  # it refuses what does not fit
    return x, labels
