"""What do max and average pooling keep, and what does it cost to pool?

Set-up: Two blocks of convolution (8 filters of 3x3), ReLU and 2x2 pooling, max or average, and a linear layer learn the
digits (Adam, rate 0.01, MNIST: 0.005, 600 batches of 32) and read test images, clean and with normal noise of deviation
0.5. Of the images themselves: what pooling leaves of the largest pixel of a window, and of the noise's deviation.

Look for: Max pooling keeps what stands out; average pooling takes it down, but averages noise away. The gradient goes
to the largest of a window, or in equal parts to all four; of equal ones the first gets it (the note gives it whole to
each; but raised together they raise the maximum once). Neighbours in a map are alike: one number can stand for four.

Claim: Average pooling leaves at most 80 % of the largest pixel, max pooling all, and at least 1.2 times as much noise.
Neighbours correlate by at least 0.35 (MNIST: 0.6), features a quarter of the image apart by at most 0.3 either way.
With max pooling the mean accuracy is at least 2 points higher (MNIST: 0.4), and falls by at least 3 more (MNIST: 8).

Run it: python -m examples.pooling [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_bars, draw_image, draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from tinygrad_cnn import nn, optim

Array = NDArray[np.float32]
POOLS: dict[str, nn.Module] = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2)}
WINDOWS = np.array([[1, 3, 4, 4], [2, 0, 4, 2], [0, 2, 1, 3], [1, 5, 1, 1]], np.float32)  # the upper right one has ties


def make_network(pool: nn.Module, side: int, generator: np.random.Generator) -> nn.Sequential:
    first, second = (nn.Conv2d(inputs, 8, 3, padding=1, generator=generator) for inputs in (1, 8))
    blocks = first, nn.ReLU(), pool, second, nn.ReLU(), pool
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(8 * (side // 4) ** 2, 10, generator=generator))


def apply(layer: nn.Module, images: Array) -> Array:
    with tg.no_grad():
        return np.asarray(layer(tg.tensor(images)))


def gradient(layer: nn.Module, image: Array) -> Array:
    """What each pixel gets of the gradient, when each output gets 1."""
    pixels = tg.tensor(image[None, None], requires_grad=True)
    layer(pixels).sum().backward()
    return np.asarray(pixels.grad)


def correlation(maps: Array, distance: int) -> float:
    """Of two features of the same map, (N, C, H, W), that lie so many pixels apart horizontally."""
    centred = maps - maps.mean(axis=(0, 2, 3), keepdims=True)
    left, right = centred[..., :-distance], centred[..., distance:]
    return float(np.vdot(left, right) / np.sqrt(np.vdot(left, left) * np.vdot(right, right)))


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=6)
    images, rate = experiment.data, experiment.choose(digits=0.01, mnist=0.005)
    side = images.image_shape[1]
    found: dict[str, list[list[float]]] = {name: [] for name in POOLS}
    for seed in experiment.seeds:
        noise = np.random.default_rng(seed).normal(0, 0.5, images.test_images.shape).astype(np.float32)
        noisy = replace(images, test_images=images.test_images + noise)
        for name, pool in POOLS.items():
            model = make_network(pool, side, np.random.default_rng(seed))
            learn(model, images, seed, 600, batch_size=32, optimizer=optim.Adam(model.parameters(), lr=rate))
            pooled, pooled_noisy = apply(pool, images.test_images), apply(pool, noisy.test_images)
            height = pooled.sum() / apply(POOLS["max"], images.test_images).sum()
            noise_left = (pooled_noisy - pooled).std() / noise.std()
            maps = apply(model[:2], images.test_images)
            correlations = [correlation(maps, distance) for distance in range(1, side // 2)]
            found[name].append([height, noise_left, accuracy(model, images), accuracy(model, noisy), *correlations])
    most, mean = np.array(found["max"]).T, np.array(found["average"]).T

    rows = [[name, *(f"{number:.1%}" for number in np.mean(values, axis=0)[:5])] for name, values in found.items()]
    experiment.table(["pooling", "largest left", "noise left", "accuracy", "in noise", "neighbours correlate"], rows)

    figure = new_figure(9.0, 4.8)
    panels, pictures = figure.add_gridspec(2, 6), [("image", images.test_images[0, 0])]
    pictures += [(name, apply(pool, images.test_images[:1])[0, 0]) for name, pool in POOLS.items()]
    pictures += [("four windows", WINDOWS)]
    pictures += [(f"gradient of {name}", gradient(pool, WINDOWS)[0, 0]) for name, pool in POOLS.items()]
    for place, (title, pixels) in enumerate(pictures):
        axes = figure.add_subplot(panels[place // 3, place % 3])
        draw_image(axes, pixels, title)
        if place >= 3:
            axes.images[0].set(cmap="Blues", clim=(0, 2 * WINDOWS.max() if place == 3 else 2))
            axes.plot([-0.5, 3.5, np.nan, 1.5, 1.5], [1.5, 1.5, np.nan, -0.5, 3.5], color="black")  # four windows
            for (y, x), number in np.ndenumerate(pixels):
                axes.text(x, y, f"{number:g}", ha="center", va="center", fontsize="small")
    axes = figure.add_subplot(panels[0, 3:])
    draw_spread(axes, [*range(1, side // 2)], most[4:].T, "", COLOURS[0])
    axes.locator_params(axis="x", integer=True)
    dress(axes, "pixels apart", "correlation", "features of the first convolution")
    axes = figure.add_subplot(panels[1, 3:])
    labels = [f"{name},\n{state}" for state in ("clean", "noisy") for name in POOLS]
    draw_bars(axes, labels, [most[2], mean[2], most[3], mean[3]])
    dress(axes, title="test accuracy", percent=True)
    experiment.picture(figure)

    near, ahead, lost = experiment.choose(digits=(0.35, 0.02, 0.03), mnist=(0.6, 0.004, 0.08))
    experiment.claim("height left by average pooling / by max pooling", mean[0] / most[0], at_most=0.8)
    experiment.claim("noise left by max pooling / by average pooling", most[1] / mean[1], at_least=1.2)
    experiment.claim("correlation of neighbours", most[4], at_least=near)
    experiment.claim("correlation a quarter of the image apart", abs(most[side // 4 + 3]), at_most=0.3)
    experiment.claim("accuracy, max ahead of average", most[2] - mean[2], at_least=ahead, of="mean")
    experiment.claim("fall in noise, that of max more", most[2] - most[3] - mean[2] + mean[3], at_least=lost, of="mean")
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
