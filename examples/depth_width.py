"""How many hidden layers does a network need, and how wide?

Set-up: perceptrons with 0 to 3 hidden layers of 2, 5, 10 or 50 nodes with ReLU learn two problems: to which of two
interlocked spirals a point of the plane belongs (400 points to learn from, 1,000 to test on), and which digit an image
shows. All learn alike, by Adam (rate 0.01, batches of 20), in equal updates: 500 on the spirals, 300 on the 8x8 digits,
1,500 on MNIST.

Look for: without a hidden layer the border between the classes is one straight line, which cannot follow a spiral; each
node adds a crease to it, and each layer folds the creases again: with 10 nodes a layer, three layers wind around the
centre where one cannot. The digits ask for no depth, as a network without hidden layers already reads most of them;
what they punish is a layer of 2 nodes, through which ten classes do not fit, and three such layers worst.

Claim: on the spirals, in every seed, no hidden layer stays below 75 % and two layers of 50 reach at least 90 %; three
layers of 10 are ahead of one by at least 5 points in the mean. On digits and MNIST, in every seed, a network without
hidden layers reaches at least 80 %, and three layers of 2 nodes stay at least 25 points below it.

Run it:  python -m examples.depth_width [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from examples.drawing import COLOURS, draw_regions, draw_spread, dress, two_rows
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from examples.toy_data import draw, spirals
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import ImageData
from tinygrad_cnn.train import classifier

DEPTHS, WIDTHS = (1, 2, 3), (2, 5, 10, 50)
SHAPES = ((), *((width,) * depth for depth in DEPTHS for width in WIDTHS))  # of the hidden layers
UPDATES_ON_SPIRALS = 500

Accuracies = dict[tuple[int, ...], list[float]]  # by the hidden layers: one for each seed


def train(hidden: tuple[int, ...], images: ImageData, seed: int, steps: int) -> nn.Module:
    generator = np.random.default_rng(seed)
    model = classifier(images.image_shape, images.num_classes, filters=(), hidden=hidden, generator=generator)
    learn(model, images, seed, steps, batch_size=20, optimizer=optim.Adam(model.parameters(), lr=0.01))
    return model


def tabulate(experiment: Experiment, measured: Accuracies, name: str) -> None:
    rows = [["none", f"{np.mean(measured[()]):.1%}", *[""] * (len(WIDTHS) - 1)]]
    rows += [[str(depth), *(f"{np.mean(measured[(width,) * depth]):.1%}" for width in WIDTHS)] for depth in DEPTHS]
    head = ["hidden layers", *(f"{width} nodes" for width in WIDTHS)]
    experiment.table(head, rows, f"Test accuracy on {name}, mean of {experiment.seed_count} seeds:")


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    steps = experiment.choose(digits=300, mnist=1_500)

    points: Accuracies = {hidden: [] for hidden in SHAPES}
    images: Accuracies = {hidden: [] for hidden in SHAPES}
    drawn: dict[tuple[int, ...], nn.Module] = {}  # of the first seed
    for seed in experiment.seeds:
        for hidden in SHAPES:
            model = train(hidden, draw(spirals, seed, noise=0.03), seed, UPDATES_ON_SPIRALS)
            points[hidden].append(accuracy(model, draw(spirals, seed, noise=0.03)))
            drawn.setdefault(hidden, model)
            images[hidden].append(accuracy(train(hidden, experiment.data, seed, steps), experiment.data))

    tabulate(experiment, points, "the spirals")
    tabulate(experiment, images, experiment.data.name)

    figure, above, below = two_rows(9.0, 9.4, (1.0, len(DEPTHS)))
    linear, axes = above.subplots(1, 2, width_ratios=[1, len(WIDTHS) - 1])
    panels = below.subplots(len(DEPTHS), len(WIDTHS))
    seen = draw(spirals, 0, noise=0.03)
    for hidden, model in drawn.items():
        panel = panels[len(hidden) - 1, WIDTHS.index(hidden[0])] if hidden else linear
        name = f"{len(hidden)} × {hidden[0]} nodes" if hidden else "no hidden layer"
        draw_regions(panel, model, seen.train_images, seen.train_labels, f"{name}: {points[hidden][0]:.0%}")
    places = np.arange(len(WIDTHS))
    for depth, colour in zip(DEPTHS, COLOURS, strict=False):
        curves = np.array([images[(width,) * depth] for width in WIDTHS]).T
        draw_spread(axes, places, curves, f"{depth} hidden layer{'s' * (depth > 1)}", colour)
    axes.axhline(float(np.mean(images[()])), color="black", linestyle=":", label="no hidden layer")
    axes.set_xticks(places, [str(width) for width in WIDTHS])
    dress(axes, "nodes in each hidden layer", "test accuracy", f"{experiment.data.name}: mean and range", percent=True)
    axes.legend(frameon=False, loc="lower right")
    experiment.picture(figure)

    experiment.claim("spirals: no hidden layer", points[()], at_most=0.75)
    experiment.claim("spirals: two layers of 50", points[(50, 50)], at_least=0.9)
    deeper = np.subtract(points[(10, 10, 10)], points[(10,)])
    experiment.claim("spirals: three layers of 10 ahead of one", deeper, at_least=0.05, of="mean")
    experiment.claim(f"{experiment.data.name}: no hidden layer", images[()], at_least=0.8)
    lost = np.subtract(images[()], images[(2, 2, 2)])
    experiment.claim(f"{experiment.data.name}: three layers of 2 behind none", lost, at_least=0.25)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
