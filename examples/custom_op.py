"""Can you write an operation of your own, and would you notice that its gradient is wrong?

Set-up: mish, x tanh(log(1 + e^x)), which the package does not have, is written as a primitive with a rule derived by
hand. Then the rule is broken on purpose in six ways. Each is checked against finite differences, to second order, at
12 random numbers per seed. Last, a perceptron (two hidden layers of 32) learns by SGD with mish, another with ReLU.

Look for: how many comparisons each broken rule fails, and the hint, where the report knows the slip. The fault in the
last row leaves every first derivative right, and only the second derivative gives it away.

Claim: with every seed all six broken rules are caught and the right one passes; the test accuracy with mish is at most
3 points below that with ReLU.

Run it: python -m examples.custom_op [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import nn, testing, viz

# With s = log(1 + e^x) and t = tanh(s):  y = x t,  ds/dx = sigmoid(x),  dt/ds = 1 - t^2, so by product and chain rule
#     dy/dx = t + x (1 - t^2) sigmoid(x)


def t_of(x: Any) -> Any:
    return tg.tanh(tg.softplus(x))


RULES: dict[str, Callable[..., Any]] = {
    "right": lambda g, x: g * (t_of(x) + x * (1 - t_of(x) ** 2) * tg.sigmoid(x)),
    "sign": lambda g, x: -g * (t_of(x) + x * (1 - t_of(x) ** 2) * tg.sigmoid(x)),
    "product rule forgotten": lambda g, x: g * t_of(x),
    "its other half forgotten": lambda g, x: g * (x * (1 - t_of(x) ** 2) * tg.sigmoid(x)),
    "inner derivative forgotten": lambda g, x: g * (t_of(x) + x * (1 - t_of(x) ** 2)),
    "square forgotten": lambda g, x: g * (t_of(x) + x * (1 - t_of(x)) * tg.sigmoid(x)),
    "cut off from the graph": lambda g, x: g * slope_at(x),
}


def slope_at(x: Any) -> Any:
    """Right, but in NumPy alone: whoever differentiates the rule takes this for a constant."""
    x = x.data if isinstance(x, tg.Tensor) else x
    t = np.tanh(np.log1p(np.exp(x)))
    return t + x * (1 - t**2) / (1 + np.exp(-x))


def make_mish(rule: Callable[..., Any]) -> tg.Primitive:
    @tg.primitive(elementwise=True)
    def mish(x: Any) -> Any:
        return x * np.tanh(np.logaddexp(x, 0))  # log(e^x + e^0), which does not overflow

    return mish.defvjp(x=rule)


class Mish(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mish = make_mish(RULES["right"])

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        y: tg.Tensor = self.mish(x)
        return y


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=3)
    images, steps = experiment.data, experiment.choose(digits=1_000, mnist=1_500)
    pixels = int(np.prod(images.image_shape))
    caught: list[list[bool]] = []
    curves: dict[str, list[list[float]]] = {"ReLU": [], "mish": []}
    for seed in experiment.seeds:
        points = np.random.default_rng(seed).normal(0, 2, 12)
        reports = {name: testing.gradient_report(make_mish(rule), [points], order=2) for name, rule in RULES.items()}
        caught.append([not report.ok for report in reports.values()])
        for name, kind in (("ReLU", nn.ReLU), ("mish", Mish)):
            g = np.random.default_rng(seed)
            sizes = (nn.Linear(pixels, 32, generator=g), nn.Linear(32, 32, generator=g), nn.Linear(32, 10, generator=g))
            model = nn.Sequential(nn.Flatten(), sizes[0], kind(), sizes[1], kind(), sizes[2])
            history = learn(model, images, seed, steps, batch_size=32, log_every=steps // 20, test=True)
            curves[name].append(history.test_accuracy)
    verdicts = {name: "passes" if report.ok else "caught" for name, report in reports.items()}
    wrong = {name: f"{len(report.faults)}/{report.checked}" for name, report in reports.items()}
    rows = [[name, verdicts[name], wrong[name], r.hint.partition(":")[0]] for name, r in reports.items()]
    experiment.table(["rule", "verdict", "wrong", "hint"], rows)

    figure = new_figure()
    left, right = figure.subplots(1, 2)
    x = np.linspace(-5, 5, 201)
    mish = make_mish(RULES["right"])
    left.plot(x, mish(x), color="0.5", label="mish")
    left.plot(x, RULES["right"](1.0, x), color=COLOURS[0], label="its rule")
    left.plot(x[::8], (mish(x + 1e-5) - mish(x - 1e-5))[::8] / 2e-5, "o", color=COLOURS[1], label="finite differences")
    dress(left, "x", "", "mish and its derivative")
    left.legend(frameon=False)
    for (name, lines), colour in zip(curves.items(), COLOURS, strict=False):
        draw_spread(right, np.arange(1, 21) * (steps // 20), lines, name, colour)
    dress(right, "update", "test accuracy", "a network with each", percent=True)
    right.legend(frameon=False)
    experiment.picture(figure)
    experiment.graph(viz.graph(model, images.test_images[:1]))

    experiment.claim("broken rules caught", [sum(found[1:]) for found in caught], at_least=len(RULES) - 1)
    experiment.claim("right rules called wrong", [found[0] for found in caught], at_most=0)
    ahead = np.array(curves["mish"])[:, -1] - np.array(curves["ReLU"])[:, -1]
    experiment.claim("accuracy, mish ahead of ReLU", ahead, at_least=-0.03)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
