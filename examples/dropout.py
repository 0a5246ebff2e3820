"""Does dropout keep a network from learning its few training images by heart?

Set-up: a perceptron with one hidden layer of 200 learns from few images (300 of the 8x8 digits, 1,000 of MNIST), drawn
anew for each seed, by 800 updates of Adam (rate 0.003, batches of 20); once from right labels, and once with a fifth of
the labels replaced by wrong ones. With dropout, every update leaves each hidden node out with probability 1/2. After
every 40 updates both accuracies are measured without leaving out any: on the training images with the labels that the
network was given, on the test images with the right ones. The gap is the first less the second. The last row shows two
hidden layers of 100 that learn 200 points of two moons, a fifth of them with the wrong class.

Look for: with wrong labels, the network without dropout learns most of them by heart in the end, and its test accuracy
falls while its training accuracy still rises. With dropout no node can rely on the others, which makes learning by
heart slow: fewer wrong labels are known, the test accuracy stays higher; on the plane the border no longer bends around
single points of the wrong class. With right labels there is nothing to win: the gap is the same.

Claim: with wrong labels, in every seed, dropout narrows the gap by at least 5 points, and leaves at least 15 points
fewer of the wrong labels known by heart; the test accuracy is at least 2 points higher in the mean. With right labels
the gap changes by 3 points at most in every seed.

Run it:  python -m examples.dropout [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from examples.drawing import draw_regions, draw_spread, dress, two_rows
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from examples.toy_data import draw, moons
from tinygrad_cnn import nn, optim
from tinygrad_cnn.data import BatchLoader, ImageData
from tinygrad_cnn.train import Trainer, classifier, evaluate

ENTRIES, UPDATES = 20, 40  # of each learning curve, and before each entry
KINDS = {"without dropout": (0.0, "#D55E00"), "with dropout": (0.5, "#0072B2")}
WRONG = {"right labels": 0.0, "a fifth wrong": 0.2}
Curve = list[tuple[float, float]]  # training and test accuracy


def make_network(images: ImageData, hidden: Sequence[int], dropout: float, seed: int) -> nn.Sequential:
    weights, masks = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    sizes = images.image_shape, images.num_classes, (), hidden
    return classifier(*sizes, dropout=dropout, generator=weights, dropout_generator=masks)


def draw_few(images: ImageData, count: int, spoilt: int, seed: int) -> ImageData:
    """So many of the training images; the first `spoilt` of them with a label that is not theirs."""
    generator = np.random.default_rng([seed, 2])
    rows = generator.permutation(len(images.train_images))[:count]
    labels = images.train_labels[rows]
    labels[:spoilt] = (labels[:spoilt] + generator.integers(1, images.num_classes, spoilt)) % images.num_classes
    return replace(images, train_images=images.train_images[rows], train_labels=labels)


def train(model: nn.Module, few: ImageData, seed: int) -> Curve:
    loader = BatchLoader(few.train_images, few.train_labels, batch_size=20, generator=np.random.default_rng(seed))
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.003))
    curve = []
    for _ in range(ENTRIES):
        trainer.fit(loader, steps=UPDATES)
        curve.append((evaluate(model, few.train_images, few.train_labels).accuracy, accuracy(model, few)))
    return curve


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    count = experiment.choose(digits=300, mnist=1_000)

    curves: dict[tuple[str, str], list[Curve]] = {(what, kind): [] for what in WRONG for kind in KINDS}
    by_heart: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for seed in experiment.seeds:
        for what, kind in curves:
            few = draw_few(experiment.data, count, spoilt := int(WRONG[what] * count), seed)
            model = make_network(few, (200,), KINDS[kind][0], seed)
            curves[what, kind].append(train(model, few, seed))
            if spoilt:
                by_heart[kind].append(evaluate(model, few.train_images[:spoilt], few.train_labels[:spoilt]).accuracy)

    measured = {key: np.array(lines) for key, lines in curves.items()}  # (seeds, entries, 2)
    gaps = {key: lines[:, -1, 0] - lines[:, -1, 1] for key, lines in measured.items()}
    rows = []
    for (what, kind), lines in measured.items():
        ends = [f"{number:.1%}" for number in (*lines[:, -1].mean(axis=0), gaps[what, kind].mean())]
        rows.append([what, kind, *ends, f"{np.mean(by_heart[kind]):.1%}" if WRONG[what] else ""])
    experiment.table(["labels", "network", "training", "test", "gap", "known by heart"], rows)

    figure, above, below = two_rows(9.0, 6.4)
    for what, axes in zip(WRONG, above.subplots(1, 2, sharey=True), strict=True):
        for kind, (_, colour) in KINDS.items():
            for number, part, style in ((0, "training", ":"), (1, "test", "-")):
                lines = measured[what, kind][..., number]
                draw_spread(axes, UPDATES * np.arange(1, ENTRIES + 1), lines, f"{part}, {kind}", colour, style)
        dress(axes, "update", "accuracy", f"{count:,} images of {experiment.data.name}, {what}", percent=True)
    axes.set_ylim(0.45, 1.02)
    axes.legend(frameon=False, fontsize="small", loc="lower right")
    points = draw_few(draw(moons, 0, noise=0.15, train=200), 200, 40, seed=0)
    for (kind, (probability, _)), panel in zip(KINDS.items(), below.subplots(1, 2), strict=True):
        model = make_network(points, (100, 100), probability, seed=0)
        learn(model, points, 0, 1_000, batch_size=20, optimizer=optim.Adam(model.parameters(), lr=0.01))
        title = f"{kind}: {accuracy(model, points):.1%} of 1,000 other points right"
        draw_regions(panel, model, points.train_images, points.train_labels, title)
    experiment.picture(figure)

    (right, wrong), (without, with_) = WRONG, KINDS
    fewer = np.subtract(by_heart[without], by_heart[with_])
    better = (measured[wrong, with_] - measured[wrong, without])[:, -1, 1]
    experiment.claim("wrong labels: the gap is narrower by", gaps[wrong, without] - gaps[wrong, with_], at_least=0.05)
    experiment.claim("wrong labels: fewer of them known by heart", fewer, at_least=0.15)
    experiment.claim("wrong labels: test accuracy higher by", better, at_least=0.02, of="mean")
    experiment.claim("right labels: the gap changes by", abs(gaps[right, without] - gaps[right, with_]), at_most=0.03)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
