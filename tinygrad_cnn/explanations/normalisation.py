"""The explanation of batch_norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.explanations import samples
from tinygrad_cnn.explanations.measurements import Measurement
from tinygrad_cnn.explanations.numbers_in_formulas import Term, equal, expansion, factor, index, number, product
from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.kernels.numpy import normalisation as kernels
from tinygrad_cnn.ops.normalisation import _normalise, _normalise_rule

MEAN = r"\mu = \frac{1}{M} \sum_{i=0}^{M-1} X_i"
VARIANCE = r"\sigma^2 = \frac{1}{M} \sum_{i=0}^{M-1} (X_i - \mu)^2"
NORMALISED = r"\hat{X}_i = \frac{X_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}"
FORWARD = r"Z_i = \gamma \hat{X}_i + \beta"
PARTIAL = (
    r"\frac{\partial \mu}{\partial X_j} &= \frac{1}{M}",
    r"\frac{\partial \sigma^2}{\partial X_j} &= \frac{2}{M} (X_j - \mu)",
    r"\frac{\partial Z_i}{\partial X_j} &= \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}"
    r" (\delta_{ij} - \frac{1}{M} - \frac{1}{M} \hat{X}_i \hat{X}_j)",
)
CHAIN_X = (
    r"\frac{\partial J}{\partial X_j} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} (\frac{\partial J}{\partial Z_j}"
    r" - \frac{1}{M} \sum_{i=0}^{M-1} \frac{\partial J}{\partial Z_i}"
    r" - \frac{1}{M} \hat{X}_j \sum_{i=0}^{M-1} \frac{\partial J}{\partial Z_i} \hat{X}_i)"
)
CHAIN_W = r"\frac{\partial J}{\partial \gamma} = \sum_{i=0}^{M-1} \frac{\partial J}{\partial Z_i} \hat{X}_i"
CHAIN_B = r"\frac{\partial J}{\partial \beta} = \sum_{i=0}^{M-1} \frac{\partial J}{\partial Z_i}"
_X = ((1.0,), (2.0,), (4.0,), (5.0,))
_EPS = 1e-5


def batch_norm(page: Page, input: Any = None, weight: Any = None, bias: Any = None, eps: float = _EPS) -> None:
    """Fill a page: a channel normalised over the batch in training. Of several channels the first one is shown."""
    x = np.array(_X) if input is None else samples.array_of("batch_norm", "input", input, 2, 3, 4, 5)
    channels = x.shape[1]
    w = np.full(channels, 2.0) if weight is None else samples.array_of("batch_norm", "weight", weight, 1)
    b = np.ones(channels) if bias is None else samples.array_of("batch_norm", "bias", bias, 1)
    run = Measurement(
        lambda x, w, b: ops.batch_norm(x, None, None, w, b, training=True, eps=eps),
        {"x": x, "w": w, "b": b},
        samples.loss_weights(x.shape),
    )
    run.loss()  # the operation refuses what does not fit
    _derive(page)
    page.code(_normalise, _normalise_rule, kernels.normalise, kernels.normalise_grads)
    _show_numbers(page, run, eps)
    page.heading("notes")
    page.say("notes")


def _derive(page: Page) -> None:
    page.heading("forward")
    page.say("forward")
    for key, line in (("mean", MEAN), ("variance", VARIANCE), ("normalised", NORMALISED), ("forward", FORWARD)):
        page.formula(key, line)
    page.heading("partial")
    page.say("partial")
    page.formula("partial.x", *PARTIAL)
    page.heading("chain")
    page.say("chain")
    for key, line in (("chain.x", CHAIN_X), ("chain.w", CHAIN_W), ("chain.b", CHAIN_B)):
        page.formula(key, line)
    page.heading("arrays")
    page.say("arrays")
    page.formula(
        "arrays",
        r"\frac{\partial J}{\partial X} = \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}"
        r" \odot (G - \mathrm{mean}(G) - \hat{X} \odot \mathrm{mean}(G \odot \hat{X}))",
    )


def _show_numbers(page: Page, run: Measurement, eps: float) -> None:
    x, g = (array[:, 0].reshape(-1) for array in (run.inputs["x"], run.weights))
    gamma, beta = float(run.inputs["w"][0]), float(run.inputs["b"][0])
    M, mean, variance = len(x), float(x.mean()), float(x.var())
    root = float(np.sqrt(variance + eps))
    normal = (x - mean) / root
    page.heading("example")
    page.say("example", M=M, gamma=gamma, beta=beta, eps=float(eps))
    page.say("common.loss")
    page.array("X", x)
    page.array("G", g)
    page.formula("number.mean", rf"\mu &{equal(mean)}")
    page.formula("number.variance", rf"\sigma^2 &{equal(variance)}")
    page.array(r"\hat{X}", normal)

    j = M - 1
    page.heading("output")
    page.say("output", i=j)
    z = gamma * normal[j] + beta
    page.formula("number.output", rf"Z_{index(j)} &= {product(gamma, normal[j])} + {factor(beta)} {equal(float(z))}")
    page.heading("input")
    page.say("input", j=j)
    scale = rf"\frac{{{number(gamma)}}}{{{number(root)}}} \cdot"
    terms = [
        Term(f"G_{index(j)}", factor(g[j]), float(g[j])),
        Term(r"(-\mathrm{mean}(G))", factor(-g.mean()), -float(g.mean())),
        Term(
            rf"(-\hat{{X}}_{index(j)} \cdot \mathrm{{mean}}(G \odot \hat{{X}}))",
            rf"(-{product(normal[j], (g * normal).mean())})",
            -float(normal[j] * (g * normal).mean()),
        ),
    ]
    value = gamma / root * sum(term.value for term in terms)
    name = rf"\frac{{\partial J}}{{\partial X_{index(j)}}}"
    page.formula("number.x", *expansion(name, terms, scale, value))
    image, *pixel = (int(i) for i in np.unravel_index(j, run.inputs["x"][:, 0].shape))
    page.compare(
        run.check_output(f"Z_{index(j)}", (image, 0, *pixel), float(z)),
        run.check(name, "x", (image, 0, *pixel), value),
        run.check(r"\frac{\partial J}{\partial \gamma}", "w", (0,), float((g * normal).sum())),
        run.check(r"\frac{\partial J}{\partial \beta}", "b", (0,), float(g.sum())),
    )
