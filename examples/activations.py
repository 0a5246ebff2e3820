"""What does the choice of ReLU, sigmoid or tanh change?

Set-up: networks that differ only in the activation between their layers. On two rings of points, two hidden layers of
10 learn by Adam (rate 0.03, 600 updates of 20 points). On digits, one hidden layer of 30 and ten of them learn by plain
SGD (rate 0.05, batches of 20; 400 updates on the 8x8 digits, 1,000 on MNIST). Each activation has the initial weights
that are recommended for it: normal, Xavier's standard deviation times `nn.init.calculate_gain`.

Look for: ReLU's border is a polygon, as its network is linear between creases: along a line through the plane its score
bends at few of 400 steps only. Sigmoid and tanh bend everywhere, and draw round borders. The price comes with depth:
sigmoid's derivative is at most 1/4, so each layer passes back at most a quarter of the gradient, times its weights, and
nothing is left for the first of eleven: it vanishes, and the deep network learns nothing, where a single hidden layer
does. ReLU (derivative 0 or 1) and tanh (1 at most, gain 5/3) keep the gradient.

Claim: in every seed, the score is straight at 75 % of the steps at least with ReLU, at 10 % at most with the others.
The first layer's gradient is at least 0.3 times the last one's with ReLU and tanh, at most 0.0001 times with sigmoid.
Ten hidden layers reach 40 % at least with ReLU, 60 % with tanh, 25 % at most with sigmoid, which with one reaches 50 %.

Run it:  python -m examples.activations [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_regions, draw_spread, dress, two_rows
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from examples.toy_data import draw, rings
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import ImageData
from tinygrad_cnn.train import classifier

ACTIVATIONS = ("relu", "sigmoid", "tanh")
SHALLOW, DEEP = (30,), (30,) * 10


def make_network(activation: str, images: ImageData, hidden: Sequence[int], seed: int) -> nn.Sequential:
    model = classifier(images.image_shape, images.num_classes, filters=(), hidden=hidden, activation=activation)
    gain, generator = nn.init.calculate_gain(activation), np.random.default_rng(seed)
    for parameter in model.parameters():
        if parameter.ndim == 2:  # weights; the others are biases
            nn.init.xavier_normal_(parameter, gain, generator=generator)
        else:
            nn.init.zeros_(parameter)
    return model


def straightness(model: nn.Module) -> float:
    """At what part of 400 steps along a line the score has no curvature: f(x - h) - 2 f(x) + f(x + h) = 0."""
    points = np.stack([np.linspace(-1, 1, 402), np.full(402, 0.2)], axis=1)  # (402, 2)
    with tg.no_grad():
        scores = model.to(np.float64)(tg.tensor(points)).data  # (402, 2); in double precision, to tell 0 from small
    return float(np.mean(np.abs(np.diff(scores[:, 1] - scores[:, 0], n=2)) < 1e-9))


def gradient_norms(model: nn.Sequential, images: ImageData) -> list[float]:
    """The norm of the loss's gradient for each layer's weights, from the first layer to the last."""
    nn.CrossEntropyLoss()(model(tg.tensor(images.train_images[:200])), images.train_labels[:200]).backward()
    weights = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    return [float(np.linalg.norm(weight.grad.data)) for weight in weights if weight.grad is not None]


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    images, steps = experiment.data, experiment.choose(digits=400, mnist=1_000)
    figure, above, below = two_rows(9.0, 6.4)
    above.suptitle("rings, two hidden layers of 10", fontsize="medium")
    panels = above.subplots(1, 3)
    straight: dict[str, list[float]] = {name: [] for name in ACTIVATIONS}
    norms: dict[str, list[list[float]]] = {name: [] for name in ACTIVATIONS}
    learnt: dict[tuple[str, Sequence[int]], list[float]] = {(a, h): [] for a in ACTIVATIONS for h in (SHALLOW, DEEP)}
    for seed in experiment.seeds:
        points = draw(rings, seed, noise=0.1)
        for name, panel in zip(ACTIVATIONS, panels, strict=True):
            model = make_network(name, points, (10, 10), seed)
            learn(model, points, seed, 600, batch_size=20, optimizer=optim.Adam(model.parameters(), lr=0.03))
            if seed == 0:
                draw_regions(panel, model, points.train_images, points.train_labels, name)
            straight[name].append(straightness(model))
            norms[name].append(gradient_norms(make_network(name, images, DEEP, seed), images))
            for hidden in (SHALLOW, DEEP):
                model = make_network(name, images, hidden, seed)
                learn(model, images, seed, steps, batch_size=20, optimizer=optim.SGD(model.parameters(), lr=0.05))
                learnt[name, hidden].append(accuracy(model, images))

    fades = {name: np.array([norm[0] / norm[-1] for norm in norms[name]]) for name in ACTIVATIONS}
    reached = {name: [f"{np.mean(learnt[name, hidden]):.1%}" for hidden in (SHALLOW, DEEP)] for name in ACTIVATIONS}
    rows = [[a, f"{np.mean(straight[a]):.0%}", f"{fades[a].mean():.2g}", *reached[a]] for a in ACTIVATIONS]
    experiment.table(["activation", "straight", "gradient first / last", "1 hidden layer", "10 hidden layers"], rows)
    axes, bars = below.subplots(1, 2)
    for place, (name, colour) in enumerate(zip(ACTIVATIONS, COLOURS, strict=False)):
        draw_spread(axes, np.arange(1, 2 + len(DEEP)), norms[name], name, colour)
        for hidden, shift, fill in ((SHALLOW, -0.2, 0.35), (DEEP, 0.2, 0.9)):
            bars.bar(place + shift, np.mean(learnt[name, hidden]), 0.36, color=colour, alpha=fill)
            bars.plot([place + shift] * experiment.seed_count, learnt[name, hidden], "_", color="black", markersize=7)
    axes.set_yscale("log")
    axes.legend(frameon=False)
    dress(axes, "layer", "norm of the gradient", "10 hidden layers, before training")
    bars.set_xticks(range(len(ACTIVATIONS)), ACTIVATIONS)
    dress(bars, "", "test accuracy", f"{images.name}: 1 (pale) and 10 (dark) hidden layers", percent=True)
    experiment.picture(figure)

    experiment.claim("ReLU: the score is straight", straight["relu"], at_least=0.75)
    others = np.maximum(straight["sigmoid"], straight["tanh"])
    experiment.claim("sigmoid and tanh: the score is straight", others, at_most=0.1)
    experiment.claim("gradient first / last, ReLU and tanh", np.minimum(fades["relu"], fades["tanh"]), at_least=0.3)
    experiment.claim("gradient first / last, sigmoid", fades["sigmoid"], at_most=1e-4)
    for name, hidden, least in (("relu", DEEP, 0.4), ("tanh", DEEP, 0.6), ("sigmoid", SHALLOW, 0.5)):
        experiment.claim(f"{name}, {len(hidden)} hidden: accuracy", learnt[name, hidden], at_least=least)
    experiment.claim("sigmoid, 10 hidden: accuracy", learnt["sigmoid", DEEP], at_most=0.25)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
