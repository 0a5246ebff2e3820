"""At which learning rates does a deep network learn, with batch normalisation and without?

Set-up: a perceptron with five hidden layers of 50 learns by plain SGD (batches of 20) at learning rates from 0.01 to 1,
in three ways: with `nn.BatchNorm1d` before each ReLU; without, from the same initial weights, those that `nn.Linear`
begins with; and without, from He's weights and biases of 0. There are 200 updates on the 8x8 digits, 500 on MNIST, 300
on the spirals of the last row (rate 0.1). A network whose loss ceases to be a finite number stops there, and counts as
one that guesses.

Look for: the weights of `nn.Linear` are too small for ReLU: each layer leaves about 0.4 of the signal, and so of the
gradient, and nearly nothing comes through five. That network learns in a narrow range of rates at best. It is not for
lack of normalisation alone: from He's weights, which are made for ReLU, the very same network learns well at rates
around 0.1, the spirals too. Normalised, each node's inputs have mean 0 and variance 1 over the batch whatever the
layers before it do. So neither the initial weights, here the small ones, nor the rate matter much: accuracy hardly
depends on it, where He's weights fall to a guess at a rate of 1. That is what batch normalisation gains.

Claim: with batch normalisation every seed reaches at least 75 % at every rate from 0.01 to 1; without, at most 40 % at
the rates 0.01 and 1; from He's weights at least 70 % at a rate of 0.1, at most 40 % at 1. On the spirals every seed
reaches at least 90 % with it, at most 80 % without, and from He's weights at least 10 points more than that.

Run it:  python -m examples.batch_norm [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from examples.drawing import draw_regions, draw_spread, dress, two_rows
from examples.experiments import Experiment
from examples.learning import learn_or_diverge
from examples.toy_data import draw, spirals
from tinygrad_cnn import nn
from tinygrad_cnn.data import ImageData

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
KINDS = {"with": "#0072B2", "without": "#D55E00", "without, He weights": "#009E73"}  # batch normalisation


def make_network(images: ImageData, kind: str, seed: int) -> nn.Sequential:
    """Five times linear, (batch normalisation,) ReLU; then linear."""
    generator = np.random.default_rng(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = (math.prod(images.image_shape), 50, 50, 50, 50, 50)
    for inputs, outputs in pairwise(sizes):
        layers.append(linear := nn.Linear(inputs, outputs, generator=generator))
        if kind == "without, He weights":
            weight, bias = linear.parameters()
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(bias)
        if kind == "with":
            layers.append(nn.BatchNorm1d(outputs))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(sizes[-1], images.num_classes, generator=generator))


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    images, entries = experiment.data, experiment.choose(digits=20, mnist=50)

    losses: dict[tuple[str, float], list[list[float]]] = {(kind, rate): [] for kind in KINDS for rate in RATES}
    reached: dict[tuple[str, float], list[float]] = {key: [] for key in losses}
    plane: dict[str, list[float]] = {kind: [] for kind in KINDS}
    figure, above, below = two_rows(9.0, 6.4)
    curve_axes, rate_axes = above.subplots(1, 2)
    panels = dict(zip(KINDS, below.subplots(1, 3), strict=True))
    for seed in experiment.seeds:
        points = draw(spirals, seed, noise=0.03)
        for kind, rate in losses:
            curve, score = learn_or_diverge(make_network(images, kind, seed), images, seed, entries, rate)
            losses[kind, rate].append(curve)
            reached[kind, rate].append(score)
        for kind in KINDS:
            model = make_network(points, kind, seed)
            plane[kind].append(learn_or_diverge(model, points, seed, 30, 0.1)[1])
            if seed == 0:
                title = f"spirals, {kind}: {plane[kind][0]:.0%} right"
                draw_regions(panels[kind], model, points.train_images, points.train_labels, title)

    head = ["batch normalisation", *(f"rate {rate:g}" for rate in RATES)]
    rows = [[kind, *(f"{np.mean(reached[kind, rate]):.1%}" for rate in RATES)] for kind in KINDS]
    experiment.table(head, rows, f"Mean test accuracy on {images.name}, {10 * entries} updates:")
    for kind, colour in KINDS.items():
        for rate, label, style in ((0.01, "", ":"), (1.0, kind, "-")):
            draw_spread(curve_axes, 10 * np.arange(1, entries + 1), losses[kind, rate], label, colour, style)
        draw_spread(rate_axes, RATES, np.array([reached[kind, rate] for rate in RATES]).T, kind, colour)
    curve_axes.set_ylim(0, 2.6)
    curve_axes.legend(title="batch normalisation", frameon=False, fontsize="small", loc="lower left", ncols=3)
    dress(curve_axes, "update", "loss", f"{images.name}: training loss, rates 0.01 (dotted) and 1")
    rate_axes.set_xscale("log")
    dress(rate_axes, "learning rate", "test accuracy", f"{images.name}: after {10 * entries} updates", percent=True)
    experiment.picture(figure)

    worst = np.min([reached["with", rate] for rate in RATES], axis=0)
    experiment.claim("with, the worst of the rates", worst, at_least=0.75)
    without = np.maximum(reached["without", 0.01], reached["without", 1.0])
    experiment.claim("without, the better of the rates 0.01 and 1", without, at_most=0.4)
    experiment.claim("without, He weights, rate 0.1", reached["without, He weights", 0.1], at_least=0.7)
    experiment.claim("without, He weights, rate 1", reached["without, He weights", 1.0], at_most=0.4)
    experiment.claim("spirals, with", plane["with"], at_least=0.9)
    ahead = np.subtract(plane["without, He weights"], plane["without"])
    experiment.claim("spirals, without: He weights ahead of the others by", ahead, at_least=0.1)
    experiment.claim("spirals, without", plane["without"], at_most=0.8)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
