"""Which pixels does a network look at, and does it really need them?

Set-up: a small CNN learns the digits. The gradient of its winning score in the pixels of an image says how much each
pixel matters: |gradient| how steeply the score can change, gradient × pixel what the ink there adds to it. One backward
pass finds both for all test images. To put them to the test, the pixels that rank first are erased (set to 0, which is
paper), and so are as many drawn at random, from the whole image or only from its ink. Occlusion, which erases one pixel
after the other and measures what the score loses, needs no gradient at all.

Look for: the accuracy, which hardly notices pixels erased at random, and falls at once where those erased mattered.
Gradient × pixel is what the tangent of the score predicts for the very erasure that occlusion carries out: the two maps
look alike, red where the ink speaks for the digit and blue where it speaks against it. Grad-CAM is coarser: it asks
where in the last maps of the network the digit was found.

Claim: for each network, with 8 of 64 pixels erased (MNIST: 64 of 784), the accuracy after erasing the steepest pixels
is at least 10 points below that after erasing any, and after erasing by gradient × pixel at least 30 points below that
after erasing ink at random; and over the ink of an image gradient × pixel and occlusion have a rank correlation of at
least 0.7.

Run it:  python -m examples.saliency [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import SubFigure
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_image, draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import nn, optim, viz
from tinygrad_cnn.train import classifier, evaluate

ERASED = ("any pixels", "any ink", "steepest pixels", "largest gradient × pixel")
RANKED = 20  # images whose occlusion is measured: one evaluation for each pixel of each


def winner_gradient(model: nn.Module, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """∂ (largest score) / ∂ pixels of each image, (N, C, H, W)."""
    pixels = tg.Tensor(images, requires_grad=True)
    # No image has a part in another's scores: the gradient of the sum holds, image by image, the gradient of its own.
    tg.amax(model(pixels), dim=1).sum().backward()
    return np.asarray(pixels.grad)


def erase(images: NDArray[np.float32], importance: NDArray[np.floating], count: int) -> NDArray[np.float32]:
    """The images without the `count` pixels of each that have the largest importance; all (N, 1, H, W)."""
    erased = images.reshape(len(images), -1).copy()
    ranking = np.argsort(-importance.reshape(erased.shape), axis=1)
    np.put_along_axis(erased, ranking[:, :count], 0.0, axis=1)
    return erased.reshape(images.shape)


def agreement(model: nn.Module, image: NDArray[np.float32], contribution: NDArray[np.float32]) -> float:
    """How alike gradient × pixel and occlusion rank the ink: Spearman's correlation, 1 where in the same order."""
    ink = image[0] > 0
    predicted, lost = contribution[0][ink], viz.occlusion(model, image, window=1)[ink]
    return float(np.corrcoef(predicted.argsort().argsort(), lost.argsort().argsort())[0, 1])


def draw_maps(figure: SubFigure, model: nn.Module, images: NDArray[np.float32]) -> None:
    """A row for each image: what viz finds in it. Red speaks for the class that wins, blue against it."""
    for row, image in zip(figure.subplots(len(images), 5), images, strict=True):
        winner = int(model(tg.Tensor(image[None])).data.argmax())
        draw_image(row[0], image[0], f"taken for {winner}")
        draw_image(row[1], viz.saliency(model, image), "|gradient|")
        draw_image(row[2], (viz.input_gradient(model, image) * image)[0], "grad. × pixel", diverging=True)
        draw_image(row[3], viz.occlusion(model, image, window=1), "occlusion", diverging=True)
        draw_image(row[4], viz.grad_cam(model, image), "Grad-CAM")


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    images, labels = experiment.data.test_images, experiment.data.test_labels
    counts = experiment.choose(digits=[0, 1, 2, 3, 4, 6, 8], mnist=[0, 8, 16, 24, 32, 48, 64])
    curves: dict[str, list[list[float]]] = {name: [] for name in ERASED}
    correlations = []
    for seed in experiment.seeds:
        generator = np.random.default_rng(seed)
        model = classifier(experiment.data.image_shape, 10, filters=(8, 16), hidden=(32,), generator=generator)
        learn(model, experiment.data, seed, 600, batch_size=32, optimizer=optim.Adam(model.parameters(), lr=0.003))
        gradient, luck = winner_gradient(model, images), generator.random(images.shape)
        orders = (luck, luck * (images > 0), np.abs(gradient), gradient * images)
        for curve, importance in zip(curves.values(), orders, strict=True):
            erased = [erase(images, importance, count) for count in counts]
            curve.append([evaluate(model, rest, labels).accuracy for rest in erased])
        ranked = [
            agreement(model, image, slope * image) for image, slope in zip(images[:RANKED], gradient, strict=False)
        ]
        correlations.append(np.mean(ranked))

    found = {name: np.array(curve) for name, curve in curves.items()}
    rows = [[name, *(f"{number:.1%}" for number in lines.mean(axis=0))] for name, lines in found.items()]
    experiment.table(["erased", *map(str, counts)], rows, "Test accuracy, by how many pixels are erased, and which:")

    figure = new_figure(10, 4)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.2, 1]).flat
    read = np.flatnonzero(model(tg.Tensor(images)).data.argmax(axis=1) == labels)  # rightly
    draw_maps(left, model, images[read[:3]])
    axes = right.subplots()
    for (name, lines), colour, style in zip(found.items(), COLOURS, ("--", "--", "-", "-"), strict=False):
        draw_spread(axes, counts, lines, name, colour, style)
    dress(axes, f"pixels erased, of {images[0].size}", "test accuracy", "Erasing what matters", percent=True)
    right.legend(loc="outside lower center", ncols=2, frameon=False)
    experiment.picture(figure)

    any_pixels, any_ink, steepest, strongest = (lines[:, -1] for lines in found.values())
    experiment.claim("the steepest pixels matter more than any pixels", any_pixels - steepest, at_least=0.1)
    experiment.claim("those of largest gradient × pixel matter more than any ink", any_ink - strongest, at_least=0.3)
    experiment.claim("gradient × pixel and occlusion agree, rank correlation", correlations, at_least=0.7)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
