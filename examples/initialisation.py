"""How large should the initial weights of a deep network be?

Set-up: ten hidden layers of 50 nodes with ReLU, biases 0, weights drawn from the normal distribution with four standard
deviations s: He's sqrt(2 / n) for n inputs, Xavier's sqrt(2 / (n + m)) for n inputs and m outputs, 0.01, and 0.5. Of
200 images each layer's outputs are taken before training. Then the network learns by plain SGD (rate 0.03, batches of
20; 600 updates on the 8x8 digits and on the spirals of the last row, 1,000 on MNIST).

Look for: weights of standard deviation s multiply the signal, layer by layer, by s sqrt(n / 2), as ReLU drops half of
it: by 1 with He's s, which is made for it; by 0.71 with Xavier's, 0.05 with 0.01, 2.5 with 0.5; ten layers make a power
of it. Where the signal fades, so does the gradient, and learning begins late or never; where it grows, the first steps
are so large that the loss overflows (no line is drawn, and the network counts as one that guesses).

Claim: in every seed, from layer 1 to 10 the outputs' standard deviation changes by a factor of at most 6 with He's
weights, falls below a fifth with Xavier's, below 1e-9 with 0.01, and grows 100 times at least with 0.5. He's weights
reach 60 % at least, 0.01 and 0.5 at most 25 %; Xavier's are at least 4 points behind He's in the mean.

Run it:  python -m examples.initialisation [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_regions, draw_spread, dress, two_rows
from examples.experiments import Experiment
from examples.learning import learn_or_diverge
from examples.toy_data import draw, spirals
from tinygrad_cnn import nn
from tinygrad_cnn.data import ImageData
from tinygrad_cnn.train import classifier

RULES: dict[str, Callable[..., nn.Parameter]] = {
    "He": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "Xavier": nn.init.xavier_normal_,
    "0.01": partial(nn.init.normal_, std=0.01),
    "0.5": partial(nn.init.normal_, std=0.5),
}


def make_network(images: ImageData, rule: str, seed: int) -> nn.Sequential:
    model = classifier(images.image_shape, images.num_classes, filters=(), hidden=(50,) * 10)
    generator = np.random.default_rng(seed)
    for parameter in model.parameters():
        if parameter.ndim == 2:  # weights; the others are biases
            RULES[rule](parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)
    return model


def deviations(model: nn.Sequential, images: ImageData) -> list[float]:
    """The standard deviation of what each hidden layer puts out, after its ReLU."""
    signal, found = tg.tensor(images.train_images[:200]), []
    for layer in model:
        signal = layer(signal)
        if isinstance(layer, nn.ReLU):
            found.append(float(signal.data.std()))
    return found


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    images, entries = experiment.data, experiment.choose(digits=60, mnist=100)
    spread: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
    losses: dict[str, list[list[float]]] = {rule: [] for rule in RULES}
    reached: dict[str, list[float]] = {rule: [] for rule in RULES}
    figure, above, below = two_rows(9.0, 5.8, (3.0, 2.2))
    for seed in experiment.seeds:
        for rule in RULES:
            model = make_network(images, rule, seed)
            spread[rule].append(deviations(model, images))
            curve, score = learn_or_diverge(model, images, seed, entries, rate=0.03)
            losses[rule].append(curve)
            reached[rule].append(score)
    points = draw(spirals, 0, noise=0.03)
    for rule, panel in zip(RULES, below.subplots(1, len(RULES)), strict=True):
        model = make_network(points, rule, 0)
        curve, score = learn_or_diverge(model, points, 0, 60, rate=0.03)
        if math.isfinite(curve[-1]):
            draw_regions(panel, model, points.train_images, points.train_labels, f"{rule}: {score:.0%} right")
        else:
            panel.text(0.5, 0.5, f"{rule}:\nthe loss overflows", ha="center")
            panel.axis("off")

    rows = []
    for rule in RULES:
        first, last = np.array(spread[rule])[:, [0, -1]].mean(axis=0)
        overflows = f"{sum(math.isnan(line[-1]) for line in losses[rule])} of {experiment.seed_count}"
        rows.append([rule, f"{first:.2g}", f"{last:.2g}", f"{np.mean(reached[rule]):.1%}", overflows])
    experiment.table(["weights", "of layer 1", "of layer 10", "accuracy", "overflows"], rows, "Standard deviations:")
    axes, curve_axes = above.subplots(1, 2)
    for (rule, lines), colour in zip(losses.items(), COLOURS, strict=False):
        draw_spread(axes, np.arange(1, 11), spread[rule], rule, colour)
        draw_spread(curve_axes, 10 * np.arange(1, entries + 1), lines, rule, colour)
    axes.set_yscale("log")
    dress(axes, "layer", "standard deviation of its outputs", "before training")
    axes.legend(title="weights", frameon=False, fontsize="small")
    dress(curve_axes, "update", "loss", f"{images.name}: training loss")
    experiment.picture(figure)

    factors = {rule: np.array(lines)[:, -1] / np.array(lines)[:, 0] for rule, lines in spread.items()}
    experiment.claim("He: layer 10 against layer 1, either way", np.exp(np.abs(np.log(factors["He"]))), at_most=6)
    experiment.claim("Xavier: layer 10 / layer 1", factors["Xavier"], at_most=0.2)
    experiment.claim("0.01: layer 10 / layer 1", factors["0.01"], at_most=1e-9)
    experiment.claim("0.5: layer 10 / layer 1", factors["0.5"], at_least=100)
    experiment.claim("He: accuracy", reached["He"], at_least=0.6)
    experiment.claim("He ahead of Xavier", np.subtract(reached["He"], reached["Xavier"]), at_least=0.04, of="mean")
    experiment.claim("0.01 and 0.5: accuracy", np.maximum(reached["0.01"], reached["0.5"]), at_most=0.25)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
