"""What happens to a CNN, and what to an MLP, when all images have their pixels shuffled?

Set-up: one order of the pixels is drawn from the seed, and every image, those to train on and those to test on, gets
its pixels in that order. A CNN (two blocks of convolution with 8 and 16 filters of 3x3, ReLU and 2x2 max pooling, then
a hidden layer of 32) and an MLP (a hidden layer of 32) learn once from the images as they are and once from the
shuffled ones, from the same initial values and in the same order.

Look for: the accuracy of the MLP stays where it is, since each of its nodes adds up all the pixels, and a sum asks for
no order: nothing that an MLP can learn depends on which pixels are neighbours. The CNN loses: its filters look for
patterns of neighbouring pixels, and its pooling takes neighbours for much the same. Where neither is true it falls
behind the MLP: what it has lost is what knowing the neighbours was worth.

Claim: on average over the seeds the CNN loses at least 3 points on MNIST (1.5 points on the 8x8 digits), and the MLP is
then ahead of it by at least 1.5 points (0.5 points); the accuracy of the MLP changes, up or down, by at most 1.5
points, as it does from one seed to the next.

Run it: python -m examples.pixel_permutation [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.drawing import COLOURS, draw_bars, draw_image, dress, new_figure
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from tinygrad_cnn import data, nn, viz
from tinygrad_cnn.train import classifier

FILTERS = {"CNN": (8, 16), "MLP": ()}
KINDS = ("as they are", "shuffled")
SHOWN = 3  # images in the picture


def make_network(name: str, shape: tuple[int, int, int], seed: int) -> nn.Sequential:
    return classifier(shape, 10, filters=FILTERS[name], hidden=(32,), generator=np.random.default_rng(seed))


def shuffled(images: data.ImageData, seed: int) -> data.ImageData:
    """The same images, the pixels of all of them in one other order."""
    _, height, width = images.image_shape
    order = np.random.default_rng(seed).permutation(height * width)

    def shuffle(pictures: NDArray[Any]) -> NDArray[Any]:
        pixels = pictures.reshape(len(pictures), -1)  # (N, H W)
        return np.take(pixels, order, axis=1).reshape(pictures.shape)

    return replace(images, train_images=shuffle(images.train_images), test_images=shuffle(images.test_images))


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    images, steps = experiment.data, experiment.choose(digits=1_000, mnist=2_000)

    found: dict[tuple[str, str], list[float]] = {(name, kind): [] for name in FILTERS for kind in KINDS}
    for seed in experiment.seeds:
        for kind, pictures in zip(KINDS, (images, shuffled(images, seed)), strict=True):
            for name in FILTERS:
                model = make_network(name, images.image_shape, seed)
                learn(model, pictures, seed, steps)
                found[name, kind].append(accuracy(model, pictures))
    lost = {name: np.subtract(found[name, "as they are"], found[name, "shuffled"]) for name in FILTERS}

    rows = []
    for name, points in lost.items():
        costs = viz.summary(make_network(name, images.image_shape, seed=0), images.image_shape).totals
        means = [f"{np.mean(found[name, kind]):.1%}" for kind in KINDS]
        losses = [f"{100 * loss:.1f}" for loss in (points.mean(), points.min(), points.max())]
        rows.append([name, f"{costs.parameters:,}", *means, *losses])
    experiment.table(["test accuracy", "parameters", *KINDS, "points lost, mean", "fewest", "most"], rows)

    figure = new_figure()
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    left.suptitle("test images", fontsize="medium")
    grid = left.subplots(2, SHOWN)
    for row, pictures, title in zip(grid, (images, shuffled(images, seed=0)), KINDS, strict=True):
        for place, axes in enumerate(row):
            draw_image(axes, pictures.test_images[place, 0])
        row[0].set_ylabel(title)
    axes = right.subplots()
    labels = [f"{name},\n{kind}" for name, kind in found]
    colours = [COLOURS[0], COLOURS[0], COLOURS[1], COLOURS[1]]
    draw_bars(axes, labels, list(found.values()), colours=colours, bars=False)
    dress(axes, "", "test accuracy", f"{experiment.seed_count} seeds: dots, and their mean", percent=True)
    experiment.picture(figure)

    loss, lead = experiment.choose(digits=(0.015, 0.005), mnist=(0.03, 0.015))
    ahead = np.subtract(found["MLP", "shuffled"], found["CNN", "shuffled"])
    experiment.claim("the CNN loses by the shuffling", lost["CNN"], at_least=loss, of="mean")
    experiment.claim("on shuffled pixels the MLP is ahead", ahead, at_least=lead, of="mean")
    experiment.claim("the MLP changes by the shuffling", np.abs(lost["MLP"]), at_most=0.015, of="mean")
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
