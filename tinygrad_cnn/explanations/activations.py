"""The explanations of relu, sigmoid, tanh and dropout: functions of each element by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.explanations import samples
from tinygrad_cnn.explanations.measurements import Array, Measurement
from tinygrad_cnn.explanations.numbers_in_formulas import equal, factor, index, number
from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.kernels.numpy import activations as kernels
from tinygrad_cnn.ops.arithmetic import _mul
from tinygrad_cnn.ops.functions import _relu, _sigmoid, _tanh
from tinygrad_cnn.ops.regularisation import _dropped

_CHAIN = r"\frac{\partial J}{\partial X_i} = \frac{\partial J}{\partial Z_i} "
_PARTIAL = r"\frac{\partial Z_i}{\partial X_i}"
RELU = (
    r"Z_i = \max(X_i,\ 0)",
    (_PARTIAL + r" = \begin{cases} 1 & \mathrm{if}\ Z_i > 0 \\ 0 & \mathrm{otherwise} \end{cases}",),
    _CHAIN.rstrip() + r" \frac{\partial Z_i}{\partial X_i}",
)
SIGMOID = (
    r"Z_i = \frac{1}{1 + e^{-X_i}}",
    (_PARTIAL + r" &= \frac{e^{-X_i}}{(1 + e^{-X_i})^2}", r"&= Z_i (1 - Z_i)"),
    _CHAIN + r"Z_i (1 - Z_i)",
)
TANH = (
    r"Z_i = \frac{e^{X_i} - e^{-X_i}}{e^{X_i} + e^{-X_i}}",
    (_PARTIAL + r" &= 1 - \frac{(e^{X_i} - e^{-X_i})^2}{(e^{X_i} + e^{-X_i})^2}", r"&= 1 - Z_i^2"),
    _CHAIN + r"(1 - Z_i^2)",
)
DROPOUT = (r"Z_i = M_i X_i", (_PARTIAL + r" = M_i",), _CHAIN + r"M_i")
_SEED = 0


def relu(page: Page, input: Any = None) -> None:
    """Fill a page: max(x, 0), and the choice at 0."""
    x, run = _case(page, "relu", input)
    _derive(page, *RELU, r"\frac{\partial J}{\partial X} = G \odot [Z > 0]")
    page.code(_relu, _relu.rules["x"], kernels.relu, kernels.relu_grad)
    _show(page, x, run)
    i = _steepest(x)
    page.heading("output")
    page.say("output", i=i)
    page.formula("number.output", rf"Z_{index(i)} &= \max({number(x[i])},\ 0) = {number(max(x[i], 0))}")
    slope = 1.0 if x[i] > 0 else 0.0
    _conclude(page, run, i, max(float(x[i]), 0.0), slope, factor(slope))
    page.heading("notes")
    zeros = np.flatnonzero(x == 0)
    if zeros.size:
        low, high, _ = run.slopes("x", _unit(x, int(zeros[0])))
        rule = run.gradients()["x"][zeros[0]]
        page.say("zero", i=zeros[0], low=low, high=high, rule=float(rule))
    page.say("notes")


def sigmoid(page: Page, input: Any = None) -> None:
    """Fill a page: the logistic function."""
    x, run = _case(page, "sigmoid", input)
    _derive(page, *SIGMOID, r"\frac{\partial J}{\partial X} = G \odot (Z \odot (1 - Z))")
    page.code(_sigmoid, _sigmoid.rules["x"], kernels.sigmoid, kernels.sigmoid_grad)
    _show(page, x, run)
    i = _steepest(x)
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is 0, as it should be
        z = float(1 / (1 + np.exp(-x[i])))
    page.heading("output")
    page.say("output", i=i)
    page.formula("number.output", rf"Z_{index(i)} &= \frac{{1}}{{1 + e^{{{number(-x[i])}}}}} {equal(z)}")
    _conclude(page, run, i, z, z * (1 - z), rf"{number(z)} \cdot (1 - {number(z)})")
    page.heading("notes")
    page.say("notes")


def tanh(page: Page, input: Any = None) -> None:
    """Fill a page: the hyperbolic tangent."""
    x, run = _case(page, "tanh", input)
    _derive(page, *TANH, r"\frac{\partial J}{\partial X} = G \odot (1 - Z \odot Z)")
    page.code(_tanh, _tanh.rules["x"], kernels.tanh, kernels.tanh_grad)
    _show(page, x, run)
    i = _steepest(x)
    z = float(np.tanh(x[i]))
    page.heading("output")
    page.say("output", i=i)
    page.formula("number.output", rf"Z_{index(i)} &= \tanh({number(x[i])}) {equal(z)}")
    _conclude(page, run, i, z, 1 - z * z, rf"(1 - {factor(z)}^2)")
    page.heading("notes")
    page.say("notes")


def dropout(page: Page, input: Any = None, p: float = 0.5) -> None:
    """Fill a page: a mask that forward and backward share. The mask is always drawn with the same seed."""
    if not 0 <= p < 1:
        raise ArgumentError(f"explain: dropout expects p at least 0 and below 1, got {p}")
    x = (samples.reals() + 3 if input is None else samples.array_of("dropout", "input", input)).reshape(-1)
    run = Measurement(
        lambda x: ops.dropout(x, p, True, np.random.default_rng(_SEED)), {"x": x}, samples.loss_weights(x.shape)
    )
    mask = np.asarray(run.function(x=np.ones_like(x)))
    _derive(page, *DROPOUT, r"\frac{\partial J}{\partial X} = G \odot M")
    page.code(_dropped, _mul, _mul.rules["a"])
    page.heading("example")
    page.say("example", p=float(p), share=1 / (1 - p))
    page.say("common.loss")
    for name, array in (("X", x), ("M", mask), ("G", run.weights)):
        page.array(name, array)
    i = int(np.argmax(mask))
    page.heading("output")
    page.say("output", i=i)
    page.formula("number.output", rf"Z_{index(i)} &= {factor(mask[i])} \cdot {factor(x[i])} {equal(mask[i] * x[i])}")
    _conclude(page, run, i, float(mask[i] * x[i]), float(mask[i]), factor(mask[i]))
    page.heading("notes")
    page.say("notes")


def _case(page: Page, operation: str, input: Any) -> tuple[Array, Measurement]:
    x = (samples.reals() if input is None else samples.array_of(operation, "input", input)).reshape(-1)
    function = getattr(ops, operation)
    return x, Measurement(lambda x: function(x), {"x": x}, samples.loss_weights(x.shape))


def _derive(page: Page, forward: str, partial: tuple[str, ...], chain: str, arrays: str) -> None:
    for heading, lines in (("forward", (forward,)), ("partial", partial), ("chain", (chain,)), ("arrays", (arrays,))):
        page.heading(heading)
        page.say(heading)
        page.formula({"partial": "partial.x", "chain": "chain.x"}.get(heading, heading), *lines)


def _show(page: Page, x: Array, run: Measurement) -> None:
    page.heading("example")
    page.say("common.loss")
    page.array("X", x)
    page.array("G", run.weights)


def _steepest(x: Array) -> int:
    """An element that is not 0, where relu has a kink: the last positive one, or the last."""
    positive = np.flatnonzero(x > 0)
    return int(positive[-1]) if positive.size else len(x) - 1


def _unit(x: Array, i: int) -> Array:
    direction = np.zeros_like(x)
    direction[i] = 1
    return direction


def _conclude(page: Page, run: Measurement, i: int, z: float, slope: float, numbers: str) -> None:
    g = float(run.weights[i])
    name = rf"\frac{{\partial J}}{{\partial X_{index(i)}}}"
    page.heading("input")
    page.say("input", i=i)
    page.formula("number.x", rf"{name} &= {factor(g)} \cdot {numbers} {equal(g * slope)}")
    page.compare(run.check_output(f"Z_{index(i)}", (i,), z), run.check(name, "x", (i,), g * slope))
