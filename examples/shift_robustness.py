"""Does pooling help a network to recognise an image that has moved?

Set-up: four networks learn from images in their place, and are tested on images moved by 0 to 4 pixels in 8 directions;
a border of 4 empty pixels around every image keeps in sight what moves. Three are CNNs of one convolution (8 filters of
3x3), ReLU, a step that halves the maps, and a linear layer. They halve by 2x2 max pooling, 2x2 average pooling, or
without pooling, keeping every second pixel as a stride of 2 does; they begin from the same parameters. The fourth is an
MLP with a hidden layer of 20, and about as many parameters. The bars show the cosine between the maps of an image and
of its copy one pixel off, in the first CNN: before halving (as simple cells see it), and after each way of
it (with pooling: as complex cells do).

Look for: max pooling well above the others; and pooled maps that are far more alike than those before pooling, while
every second pixel of these is no more alike than they are. Average pooling, with maps nearly as much alike, gains less:
on MNIST next to nothing. No network bears the larger shifts, as a window of 2x2 forgives about one pixel. On the 8x8
digits a pixel is as wide as a stroke, and all four misread most images that move by one.

Claim: in every seed the CNN with max pooling is ahead of the MLP and of the CNN without pooling by at least 4 points on
MNIST moved by 2 pixels (3 points on the 8x8 digits moved by 1). The cosine rises by at least 0.06 with max pooling and
0.05 with average pooling, and by at most 0.02 without pooling.

Run it: python -m examples.shift_robustness [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_bars, draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import nn, viz
from tinygrad_cnn.train import classifier, evaluate

BORDER = 4
SHIFTS = range(BORDER + 1)  # pixels
DIRECTIONS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]
HALVE = {"max pooling": nn.MaxPool2d(2), "average pooling": nn.AvgPool2d(2), "no pooling": nn.MaxPool2d(1, stride=2)}
NETWORKS = (*(f"CNN, {way}" for way in HALVE), "MLP")


def make_network(name: str, shape: tuple[int, int, int], seed: int) -> nn.Sequential:
    generator = np.random.default_rng(seed)
    if name == "MLP":
        return classifier(shape, 10, filters=(), hidden=(20,), generator=generator)
    model = classifier(shape, 10, filters=(8,), hidden=(), generator=generator)
    model[2] = HALVE[name.removeprefix("CNN, ")]  # without pooling: the largest of one pixel is that pixel
    return model


def move(images: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    return np.roll(images, (down, right), axis=(2, 3))  # what goes round is empty, a part of the border


def accuracy_at(shift: int, model: nn.Module, images: NDArray[Any], labels: NDArray[Any]) -> float:
    moved = (move(images, shift * down, shift * right) for down, right in DIRECTIONS)
    return float(np.mean([evaluate(model, batch, labels).accuracy for batch in moved]))


def similarities(model: nn.Sequential, images: NDArray[Any]) -> list[float]:
    """Of an image and its copies one pixel off: the mean cosine of their maps, before they are halved and after it."""
    maps, *copies = (model[:2](tg.tensor(move(images, *by))) for by in [(0, 0), *DIRECTIONS])  # (N, 8, H, W)
    ways = [nn.Identity(), *HALVE.values()]
    return [float(np.mean([cosine(halve(maps).data, halve(copy).data) for copy in copies])) for halve in ways]


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float:
    """<a, b> / (|a| |b|), the mean over the images."""
    dot, a2, b2 = (np.sum(product, axis=(1, 2, 3)) for product in (a * b, a * a, b * b))
    return float(np.mean(dot / np.sqrt(a2 * b2)))


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    pad = ((0, 0), (0, 0), (BORDER, BORDER), (BORDER, BORDER))
    train, test = np.pad(experiment.data.train_images, pad), np.pad(experiment.data.test_images, pad)
    images, shape = replace(experiment.data, train_images=train, test_images=test), (1, *test.shape[2:])
    curves: dict[str, list[list[float]]] = {name: [] for name in NETWORKS}
    cosines = []  # for each seed: before halving, and after it in each way
    for seed in experiment.seeds:
        models = {name: make_network(name, shape, seed) for name in NETWORKS}
        for name, model in models.items():
            learn(model, images, seed, steps=experiment.choose(digits=1_000, mnist=1_500))
            curves[name].append([accuracy_at(shift, model, test, images.test_labels) for shift in SHIFTS])
        cosines.append(similarities(models["CNN, max pooling"], test[:200]))
    before, *after = np.transpose(cosines)

    figure, rows = new_figure(), []
    left, right = figure.subplots(1, 2)
    for (name, lines), colour in zip(curves.items(), COLOURS, strict=False):
        draw_spread(left, SHIFTS, lines, name, colour)
        count = viz.summary(models[name], shape).totals.parameters
        rows.append([name, f"{count:,}", *(f"{mean:.1%}" for mean in np.mean(lines, axis=0))])
    experiment.table(["test accuracy", "parameters", *(f"moved by {shift}" for shift in SHIFTS)], rows)
    left.set(xticks=SHIFTS, ylim=(0, 1))
    left.legend(frameon=False)
    dress(left, "test images moved by (pixels)", "test accuracy", "trained on images in their place", percent=True)
    labels = [way.replace(" ", "\n") for way in (*HALVE, "before halving")]
    draw_bars(right, labels, [*after, before], colours=[*COLOURS[:3], "0.3"])
    dress(right, "feature maps", "mean cosine", "maps of an image and of its copy 1 pixel off")
    experiment.picture(figure)

    shift, lead = experiment.choose(digits=(1, 0.03), mnist=(2, 0.04))
    best, _, none, mlp = np.array(list(curves.values()))[:, :, shift]
    experiment.claim(f"moved by {shift}: max pooling ahead of the MLP", best - mlp, at_least=lead)
    experiment.claim(f"moved by {shift}: max pooling ahead of no pooling", best - none, at_least=lead)
    experiment.claim("the cosine rises by max pooling", after[0] - before, at_least=0.06)
    experiment.claim("the cosine rises by average pooling", after[1] - before, at_least=0.05)
    experiment.claim("the cosine rises without pooling", after[2] - before, at_most=0.02)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
