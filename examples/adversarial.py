"""How little has to change in an image for a network to read another digit?

Set-up: a small CNN learns the digits. The gradient of its loss in the pixels of an image tells which way each makes it
worse; the fast gradient sign method moves all of them that way by the same small ε, though not beyond 0 (paper) and 1
(ink), noise as far, up or down by chance. Then the CNN learns on, from clean images, or with every second one attacked.

Look for: noise is hardly noticed; a step as small along the gradient fools the network with images that nobody would
misread (red: more ink, blue: less, white: paper, which has none to lose). Learning from attacked images mends much, but
an attack in ten smaller steps still does more harm: on MNIST half of the images are misread then, not a fifth.

Claim: for each network, under attack with ε = 0.1 (MNIST: 0.2) the accuracy is at least 20 points lower than under
noise; it is at least 8 points higher after learning from attacked images than after as many more updates on clean
ones, and the accuracy on clean images is at most 3 points lower.

Run it:  python -m examples.adversarial [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import deepcopy
from itertools import chain, islice, repeat

import numpy as np
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_image, draw_spread, dress, new_figure
from examples.experiments import Experiment
from tinygrad_cnn import data, nn, optim
from tinygrad_cnn.train import classifier, evaluate

Images = NDArray[np.float32]


def attack(model: nn.Module, images: Images, labels: NDArray[np.int64], epsilon: float) -> Images:
    """Fast gradient sign (I. Goodfellow et al., 2014): x + ε sign(∂ loss / ∂ x), within what a pixel can be."""
    pixels = tg.Tensor(images, requires_grad=True)
    (slope,) = tg.grad(tg.cross_entropy(model(pixels), labels), pixels)
    return np.asarray(np.clip(images + epsilon * np.sign(np.asarray(slope)), 0, 1))


def attack_in_steps(model: nn.Module, images: Images, labels: NDArray[np.int64], epsilon: float) -> Images:
    """Ten steps of ε/4, each along the gradient where the last one led, and none further away than ε."""
    moved = images
    for _ in range(10):
        moved = np.clip(attack(model, moved, labels, epsilon / 4), images - epsilon, images + epsilon)
    return moved


def learn(model: nn.Module, images: data.ImageData, seed: int, epsilon: float = 0.0) -> nn.Module:
    """400 updates; with an epsilon, every second image of each batch is attacked first."""
    optimizer, generator = optim.Adam(model.parameters(), lr=0.003), np.random.default_rng(seed)
    loader = data.BatchLoader(images.train_images, images.train_labels, batch_size=32, generator=generator)
    for batch, labels in islice(chain.from_iterable(repeat(loader)), 400):  # epoch after epoch
        if epsilon:
            batch[::2] = attack(model, batch[::2], labels[::2], epsilon)
        optimizer.zero_grad()
        tg.cross_entropy(model(tg.Tensor(batch)), labels).backward()
        optimizer.step()
    return model


def draw(figure: SubFigure, model: nn.Module, images: Images, labels: NDArray[np.int64], epsilon: float) -> None:
    """For the first images that are read rightly, and no longer when attacked: image, step, and their sum."""
    moved = attack(model, images, labels, epsilon)
    before, after = (model(tg.Tensor(pictures)).data.argmax(axis=1) for pictures in (images, moved))
    for row, i in zip(figure.subplots(3, 3), np.flatnonzero((before == labels) & (after != labels)), strict=False):
        draw_image(row[0], images[i, 0], f"taken for {before[i]}")
        draw_image(row[1], (moved - images)[i, 0], f"moved by up to {epsilon}", diverging=True)
        draw_image(row[2], moved[i, 0], f"taken for {after[i]}")


def measure(model: nn.Module, images: data.ImageData, epsilon: float) -> list[float]:
    """Test accuracy under noise (a step of the same size, up or down by chance), attacked, and attacked in steps."""
    pixels, labels = images.test_images, images.test_labels
    luck = np.sign(np.random.default_rng(0).standard_normal(pixels.shape, np.float32))
    attacked = attack(model, pixels, labels, epsilon), attack_in_steps(model, pixels, labels, epsilon)
    return [evaluate(model, moved, labels).accuracy for moved in (np.clip(pixels + epsilon * luck, 0, 1), *attacked)]


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=4)
    images, epsilon = experiment.data, experiment.choose(digits=0.1, mnist=0.2)
    sizes = [epsilon * part for part in (0, 0.25, 0.5, 0.75, 1)]
    found: dict[str, list[list[list[float]]]] = {"clean images": [], "attacked ones too": []}  # by what was learnt from
    for seed in experiment.seeds:
        start = learn(classifier(images.image_shape, 10, (8, 16), generator=np.random.default_rng(seed)), images, seed)
        for lists, learnt in zip(found.values(), (0.0, epsilon), strict=True):
            model = learn(deepcopy(start), images, seed + 1, learnt)
            lists.append([measure(model, images, size) for size in sizes])
    clean, hardened = (np.array(lists) for lists in found.values())  # (seeds, sizes, 3 ways to move the pixels)

    columns = {"nothing": (0, 0), "noise": (-1, 0), "attack": (-1, 1), "attack in ten steps": (-1, 2)}
    means = [[f"{lines[:, size, way].mean():.1%}" for size, way in columns.values()] for lines in (clean, hardened)]
    rows = [[name, *row] for name, row in zip(found, means, strict=True)]
    experiment.table(["learnt from", *columns], rows, f"Test accuracy, by what moves the pixels by up to {epsilon}:")

    left, right = (figure := new_figure(9, 4)).subfigures(1, 2, squeeze=False, width_ratios=[1, 1.3]).flat
    draw(left, start, images.test_images, images.test_labels, epsilon)
    axes = right.subplots()
    draw_spread(axes, sizes, clean[..., 0], "noise", COLOURS[0], "--")
    draw_spread(axes, sizes, clean[..., 1], "attack", COLOURS[1])
    draw_spread(axes, sizes, hardened[..., 1], "attack, after learning from attacked images", COLOURS[2])
    dress(axes, "ε", "test accuracy", "pixels moved by up to ε, but kept in [0, 1]", percent=True)
    axes.set_xticks(sizes)
    right.legend(loc="outside lower center", frameon=False)
    experiment.picture(figure)

    experiment.claim("worse under attack than under noise", clean[:, -1, 0] - clean[:, -1, 1], at_least=0.2)
    experiment.claim("learning from attacked images helps", hardened[:, -1, 1] - clean[:, -1, 1], at_least=0.08)
    experiment.claim("what it costs on clean images", clean[:, 0, 0] - hardened[:, 0, 0], at_most=0.03)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
