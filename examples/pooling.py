"""What do max and average pooling keep, and what does it cost to pool?

Set-up: Two blocks of convolution (8 filters of 3x3), ReLU and 2x2 pooling, then a linear layer, learn digits (Adam,
rate 0.01, MNIST: 0.005, 600 batches of 32) and read others, clean and in normal noise. The table adds what pooling
leaves of a window's largest pixel, and how it spreads and shifts the noise, over its standard deviation, 0.5.

Look for: Max pooling keeps what stands out; average pooling takes it down, but averages noise away, where the largest
of four noises lies 1.03 standard deviations above 0 in the mean, on plain paper. The gradient goes to the largest of a
window, of equals to the first, or in equal parts to all four. Neighbours in a map are alike: one can stand for four.

Claim: Average pooling leaves at most 80 % of the largest pixel, max pooling all, with 1.2 times the spread and a shift
of 0.5 at least. Neighbours correlate by 0.35 at least (MNIST: 0.6), features a quarter of the image apart by at most
0.3. The mean accuracy of max pooling is at least 2 points higher (MNIST: 0.4), and falls by at least 3 more (MNIST: 8).

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
FORMATS = (".1%", ".2f", "+.2f", ".1%", ".1%", ".2f")
POOLS: dict[str, nn.Module] = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2)}
WINDOWS = np.array([[1, 3, 4, 4], [2, 0, 4, 2], [0, 2, 1, 3], [1, 5, 1, 1]], np.float32)  # the upper right one has ties


def make_network(pool: nn.Module, side: int, generator: np.random.Generator) -> nn.Sequential:
    first, second = (nn.Conv2d(inputs, 8, 3, padding=1, generator=generator) for inputs in (1, 8))
    head = nn.Linear(8 * (side // 4) ** 2, 10, generator=generator)
    return nn.Sequential(first, nn.ReLU(), pool, second, nn.ReLU(), pool, nn.Flatten(), head)


def apply(layer: nn.Module, images: Array) -> Array:
    return np.asarray(layer(tg.tensor(images)).data)


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
    images, side = experiment.data, experiment.data.image_shape[1]
    rate = experiment.choose(digits=0.01, mnist=0.005)
    found: dict[str, list[list[float]]] = {name: [] for name in POOLS}
    for seed in experiment.seeds:
        noise = np.random.default_rng(seed).normal(0, 0.5, images.test_images.shape).astype(np.float32)
        noisy = replace(images, test_images=images.test_images + noise)
        for name, pool in POOLS.items():
            model = make_network(pool, side, np.random.default_rng(seed))
            learn(model, images, seed, 600, batch_size=32, optimizer=optim.Adam(model.parameters(), lr=rate))
            pooled, pooled_noisy = apply(pool, images.test_images), apply(pool, noisy.test_images)
            kept = [pooled.sum() / apply(POOLS["max"], images.test_images).sum()]
            kept += [measure(pooled_noisy - pooled) / noise.std() for measure in (np.std, np.mean)]
            maps = apply(model[:2], images.test_images)
            correlations = [correlation(maps, distance) for distance in range(1, side // 2)]
            found[name].append([*kept, accuracy(model, images), accuracy(model, noisy), *correlations])
    most, mean = np.array(found["max"]).T, np.array(found["average"]).T

    rows = [[name, *map(format, np.mean(values, axis=0), FORMATS)] for name, values in found.items()]
    experiment.table(["pooling", "largest left", "spread", "shift", "accuracy", "in noise", "neighbours' corr."], rows)

    pictures = [("image", images.test_images[0, 0])]
    pictures += [(name, apply(pool, images.test_images[:1])[0, 0]) for name, pool in POOLS.items()]
    pictures += [("four windows", WINDOWS)]
    pictures += [(f"gradient of {name}", gradient(pool, WINDOWS)[0, 0]) for name, pool in POOLS.items()]
    panels = (figure := new_figure(9.0, 4.8)).add_gridspec(2, 6)
    for place, (title, pixels) in enumerate(pictures):
        axes = figure.add_subplot(panels[place // 3, place % 3])
        draw_image(axes, pixels, title)
        if place >= 3:
            axes.images[0].set(cmap="Blues", clim=(0, 2 * WINDOWS.max() if place == 3 else 2))
            axes.plot([-0.5, 3.5, np.nan, 1.5, 1.5], [1.5, 1.5, np.nan, -0.5, 3.5], color="black")  # four windows
            for (y, x), number in np.ndenumerate(pixels):
                axes.text(x, y, f"{number:g}", ha="center", va="center", fontsize="small")
    above, below = (figure.add_subplot(panels[row, 3:]) for row in (0, 1))
    draw_spread(above, [*range(1, side // 2)], most[5:].T, "", COLOURS[0])
    above.locator_params(axis="x", integer=True)
    dress(above, "pixels apart", "correlation", "features of the first convolution")
    labels = [f"{name},\n{state}" for state in ("clean", "noisy") for name in POOLS]
    draw_bars(below, labels, [most[3], mean[3], most[4], mean[4]])
    dress(below, title="test accuracy", percent=True)
    experiment.picture(figure)

    near, ahead, lost = experiment.choose(digits=(0.35, 0.02, 0.03), mnist=(0.6, 0.004, 0.08))
    experiment.claim("height left by average pooling / by max pooling", mean[0] / most[0], at_most=0.8)
    experiment.claim("noise: spread after max pooling / after average pooling", most[1] / mean[1], at_least=1.2)
    experiment.claim("noise: shift by max pooling", most[2], at_least=0.5)
    experiment.claim("correlation of neighbours", most[5], at_least=near)
    experiment.claim("correlation a quarter of the image apart", abs(most[side // 4 + 4]), at_most=0.3)
    experiment.claim("accuracy, max ahead of average", most[3] - mean[3], at_least=ahead, of="mean")
    experiment.claim("fall in noise, that of max more", most[3] - most[4] - mean[3] + mean[4], at_least=lost, of="mean")
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
