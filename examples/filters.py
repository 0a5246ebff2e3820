"""What do the filters of a CNN become?

Set-up: a CNN with kernels of 3x3, 5x5 and 7x7 in both of its blocks, padded so that an image keeps its size, with 8
filters each on the digits and 4 on MNIST; 1,000 updates of plain SGD (rate 0.1, batches of 10). Smoothness is the mean
product of two neighbouring weights divided by the mean square: 0 for random weights, 1 where all are equal. That of
what a layer reads is measured alike, less its mean. As a control the 5x5 network learns once more from images whose
pixels are shuffled, all in the same way.

Look for: blobs of one sign in the first layer, where there was noise. From images as they are, the layer that reads the
smoother input gets the smoother filters, for a gradient is a sum of pieces of the input. Behind the first pooling a
digit has 4x4 places, which differ, and the second filters stay rough; MNIST has 14x14, still alike, and they become
smooth too. From shuffled images filters end rougher, and not in the order of what they read.

Claim: with every seed, in the mean of the three kernels, training adds at least 0.15 (MNIST: 0.25) to the smoothness of
the first layer, and in both layers filters are at least 0.1 less smooth than what they read; the first 5x5 filters end
at least 0.1 smoother than with shuffled pixels.

Run it:  python -m examples.filters [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import draw_image, new_figure
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from tinygrad_cnn import data
from tinygrad_cnn.train import classifier

KERNELS = (3, 5, 7)
UPDATES = 1_000


@dataclass
class Run:
    """Both convolutions' weights (O, C, K, K) before and after training, and the smoothness (layer, state)."""

    weights: list[list[NDArray[Any]]]
    smoothness: NDArray[np.float64]  # states: before, after, what the layer reads
    accuracy: float


def smoothness(maps: NDArray[Any]) -> float:
    """(..., H, W) -> how alike neighbours are: mean of w[i, j] w[i, j+1] and w[i, j] w[i+1, j], over mean of w^2."""
    right, below = maps[..., 1:] * maps[..., :-1], maps[..., 1:, :] * maps[..., :-1, :]
    return float((right.mean() + below.mean()) / 2 / np.square(maps).mean())


def shuffle_pixels(images: data.ImageData) -> data.ImageData:
    order = np.random.default_rng(0).permutation(np.prod(images.image_shape))
    train, test = (x.reshape(len(x), -1)[:, order].reshape(x.shape) for x in (images.train_images, images.test_images))
    return replace(images, train_images=train, test_images=test)


def train(images: data.ImageData, kernel: int, filters: int, seed: int) -> Run:
    generator = np.random.default_rng(seed)
    model = classifier(images.image_shape, 10, (filters, filters), (20,), kernel, "same", generator=generator)
    before = [weight for weight in model.state_dict().values() if weight.ndim == 4]
    learn(model, images, seed, UPDATES)
    after = [weight for weight in model.state_dict().values() if weight.ndim == 4]
    with tg.no_grad():
        read = images.test_images, model[:3](tg.Tensor(images.test_images)).data  # behind the first pooling
    inputs = [maps - maps.mean(axis=(0, 2, 3), keepdims=True) for maps in read]
    smooth = np.array([[smoothness(maps) for maps in layer] for layer in zip(before, after, inputs, strict=True)])
    return Run([before, after], smooth, accuracy(model, images))


def mosaic(weights: NDArray[Any]) -> NDArray[Any]:
    """(O, C, K, K) -> one image of the first four filters: a row for each, a column for each channel, gaps of 0."""
    tiles = weights[:4, :4]
    tiles = tiles.reshape(2, 2, *tiles.shape[2:]) if tiles.shape[1] == 1 else tiles  # of one channel: a square
    padded = np.pad(tiles, ((0, 0), (0, 0), (1, 0), (1, 0)))
    rows, columns, height, width = padded.shape
    return padded.transpose(0, 2, 1, 3).reshape(rows * height, columns * width)[1:, 1:]


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=3)
    nets = {f"{kernel}x{kernel}": (experiment.data, kernel) for kernel in KERNELS}
    nets["5x5, shuffled"] = shuffle_pixels(experiment.data), 5
    count = experiment.choose(digits=8, mnist=4)
    runs = [{name: train(*net, count, seed) for name, net in nets.items()} for seed in experiment.seeds]

    smooth = {name: np.array([run[name].smoothness for run in runs]) for name in nets}
    rows = []
    for name in nets:
        correct = f"{np.mean([run[name].accuracy for run in runs]):.1%}"
        for layer, states in enumerate(smooth[name].mean(axis=0), start=1):
            rows.append([f"{name}, layer {layer}", *(f"{state:+.2f}" for state in states), correct])
    experiment.table(["filters", "before", "after", "what they read", "test accuracy"], rows, "Mean smoothness:")

    figure = new_figure(9.0, 7.2, f"before and after {UPDATES:,} updates: blue < 0 < red, a scale to each panel")
    for kernel, row in zip(KERNELS, figure.subplots(len(KERNELS), 4), strict=True):
        row[0].set_ylabel(f"{kernel}x{kernel}")
        for axes, (layer, state) in zip(row, np.ndindex(2, 2), strict=True):
            tiles = mosaic(runs[0][f"{kernel}x{kernel}"].weights[state][layer])
            title = f"layer {layer + 1}, {('before', 'after')[state]}: ±{np.abs(tiles).max():.2f}"
            draw_image(axes, tiles, title, diverging=True)
    experiment.picture(figure)

    mean = np.mean([smooth[f"{kernel}x{kernel}"] for kernel in KERNELS], axis=0)  # (seeds, layer, state)
    gained = mean[:, 0, 1] - mean[:, 0, 0]
    experiment.claim("smoothness gained, layer 1", gained, at_least=experiment.choose(digits=0.15, mnist=0.25))
    ahead = smooth["5x5"][:, 0, 1] - smooth["5x5, shuffled"][:, 0, 1]
    experiment.claim("smoother than after shuffled pixels, layer 1", ahead, at_least=0.1)
    experiment.claim("less smooth than what they read", (mean[:, :, 2] - mean[:, :, 1]).min(axis=1), at_least=0.1)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
