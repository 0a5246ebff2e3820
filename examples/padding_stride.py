"""How large is the output of a convolution, and which pixels does it never read?

Set-up: A window of K pixels moves over H pixels with P of padding on both sides, S pixels at a time. The gradient of
the sum of a convolution with ones tells how many windows read each pixel. Each seed draws image sizes and kernels for
every padding from 0 to 3 and stride from 1 to 3. Then a convolution (16 filters of 4x4, stride 4; MNIST: 10x10, stride
10) and a linear layer learn digits at the upper left of a larger sheet, and at the lower right.

Look for: The size is floor((H + 2 P - K) / S) + 1. Where the division leaves a remainder, that many rows and columns at
the end of the padded image lie in no window. P of them are padding, so the image loses the remainder less P, where that
is more than 0 (red). At stride 1 without padding a corner lies in 1 window of 3x3, the middle, from 5x5 on, in 9; and a
padding of (K - 1) / 2 keeps the size, so the kernel has to be odd, and have a centre. What no window reads, nobody
learns from: digits that reach into the unread border are read worse, until a padding of 1 makes room for a window more.

Claim: Formulas and framework agree on all sizes and unread rows (they differ by at most 0). Accuracy falls by at least
7 points (MNIST: 10) where the digit lies in the unread border, and padding gains at least as much.

Run it: python -m examples.padding_stride [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import draw_bars, draw_image, dress, new_figure
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from tinygrad_cnn import data, nn, optim

PADDINGS, STRIDES = range(4), range(1, 4)
DRAWN = ((4, 3, 0, 1), (4, 3, 1, 1), (5, 3, 0, 2), (6, 3, 0, 2), (6, 3, 1, 2))  # H, K, P, S
PLACES = {"digit read": ("start", 0), "digit cut": ("end", 0), "with padding": ("end", 1)}


def output_size(side: int, kernel: int, padding: int, stride: int) -> int:
    return (side + 2 * padding - kernel) // stride + 1


def unread(side: int, kernel: int, padding: int, stride: int) -> int:
    """Rows at the end that no window reaches; those of the padding are no loss."""
    return max(0, (side + 2 * padding - kernel) % stride - padding)


def count_windows(side: int, kernel: int, padding: int, stride: int) -> tuple[int, NDArray[np.float32]]:
    """The side of the output, and how many windows read each pixel."""
    image = tg.tensor(np.ones((1, 1, side, side), np.float32), requires_grad=True)
    output = tg.conv2d(image, tg.tensor(np.ones((1, 1, kernel, kernel), np.float32)), stride=stride, padding=padding)
    output.sum().backward()
    return output.shape[2], np.asarray(image.grad)[0, 0]


def move(images: NDArray[np.float32], place: str, kernel: int) -> NDArray[np.float32]:
    """Digits of 8x8 pixels, or the middle 20x20 of MNIST's, at the start or the end of a sheet of K - 1 pixels more."""
    digits = images[:, :, 4:24, 4:24] if images.shape[2] == 28 else images
    sides = (0, kernel - 1) if place == "start" else (kernel - 1, 0)
    return np.pad(digits, ((0, 0), (0, 0), sides, sides))


def learn_moved(images: data.ImageData, place: str, kernel: int, padding: int, seed: int) -> float:
    train, test = (move(part, place, kernel) for part in (images.train_images, images.test_images))
    moved, generator = replace(images, train_images=train, test_images=test), np.random.default_rng(seed)
    features = 16 * output_size(train.shape[2], kernel, padding, kernel) ** 2
    convolution = nn.Conv2d(1, 16, kernel, stride=kernel, padding=padding, generator=generator)
    model = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Linear(features, 10, generator=generator))
    learn(model, moved, seed, steps=400, batch_size=32, optimizer=optim.Adam(model.parameters(), lr=0.01))
    return accuracy(model, moved)


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=8)
    patch, side = experiment.choose(digits=4, mnist=10), experiment.data.image_shape[1]
    sizes, borders, accuracies = [], [], []
    for seed in experiment.seeds:
        generator = np.random.default_rng(seed)
        cases = [(*generator.integers((8, 3), (33, 8)).tolist(), p, s) for p in PADDINGS for s in STRIDES]
        counts = [(case, *count_windows(*case)) for case in cases]
        sizes.append(max(abs(output_size(*case) - size) for case, size, _ in counts))
        borders.append(max(abs(unread(*case) - reads[::-1].any(axis=1).argmax()) for case, _, reads in counts))
        accuracies.append([learn_moved(experiment.data, place, patch, p, seed) for place, p in PLACES.values()])
    read, cut, padded = np.transpose(accuracies)

    grid = [[(side, 3, p, s) for s in STRIDES] for p in PADDINGS]
    rows = [[f"padding {line[0][2]}", *(f"{output_size(*case)}, {unread(*case)}" for case in line)] for line in grid]
    experiment.table([f"{side} pixels, K = 3", *(f"stride {s}" for s in STRIDES)], rows, "Size, unread rows")
    rows = [[f"K = {k}", *(str(count_windows(side, k, p, 1)[0]) for p in PADDINGS)] for k in range(2, 8)]
    experiment.table([f"{side} pixels, stride 1", *(f"padding {p}" for p in PADDINGS)], rows)

    figure = new_figure(9.0, 4.2)
    panels = figure.add_gridspec(2, 5)
    for column, case in enumerate(DRAWN):
        axes, (size, reads) = figure.add_subplot(panels[0, column]), count_windows(*case)
        draw_image(axes, reads, "{0}x{0}, K = {1}, P = {2}, S = {3}\n".format(*case) + f"output {size}x{size}")
        axes.images[0].set(cmap="Blues", clim=(0, 2 * reads.max()))
        for (y, x), windows in np.ndenumerate(reads):
            axes.text(x, y, f"{windows:.0f}", ha="center", va="center", color="black" if windows else "red")
    for column, (name, (place, padding)) in enumerate(PLACES.items()):
        axes, sheet = figure.add_subplot(panels[1, column]), move(experiment.data.test_images[:1], place, patch)[0, 0]
        draw_image(axes, sheet, name)
        axes.imshow(np.ma.masked_not_equal(count_windows(len(sheet), patch, padding, patch)[1], 0), "autumn", alpha=0.5)
    axes = figure.add_subplot(panels[1, 3:])
    draw_bars(axes, list(PLACES), [read, cut, padded])
    dress(axes, title="test accuracy", percent=True)
    experiment.picture(figure)

    experiment.claim("sizes differ from the formula by", sizes, at_most=0)
    experiment.claim("unread rows differ from the formula by", borders, at_most=0)
    points = experiment.choose(digits=0.07, mnist=0.1)
    experiment.claim("accuracy lost where the border is unread", read - cut, at_least=points)
    experiment.claim("accuracy gained by padding", padded - cut, at_least=points)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
