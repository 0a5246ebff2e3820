"""What does a CNN make of a colour image, layer by layer?

Set-up: A network for colour images of 28x28 pixels: two blocks of convolution (3x3, 16 and 32 filters), ReLU
and 2x2 max pooling, and a linear layer to 10 classes. The images are the digits in a bright colour on a dark one, both
random (each 8x8 digit enlarged three times, with a border of 2). It learns by Adam (rate 0.003, batches of 32), 200
updates (MNIST: 400).

Look for: The maps become smaller and more: 28x28x3 -> 26x26x16 -> 13x13x16 -> 11x11x32 -> 5x5x32 -> 800 -> 10 (all
drawn to one scale). A 3x3 window without padding takes 2 pixels off the side, pooling halves it and drops the last row
and column of 11. The first maps show the digit whatever its colour, the last ones only where something is. They are
drawn after the ReLU. Some are empty: their filters answer below 0 all over, most of them in every image; of those ReLU
leaves nothing, forwards or backwards, and they learn no more.

Claim: The stages have exactly these sizes (0 differ), test accuracy is at least 88 %, and the same digit in other
colours is taken for the same at least 94 % of the time.

Run it: python -m examples.feature_maps [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import new_figure
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from tinygrad_cnn import nn, optim, viz
from tinygrad_cnn.train import classifier

NAMES = ("image", "convolution, ReLU", "pooling", "convolution, ReLU", "pooling", "flat", "softmax")
SHAPES = [(3, 28, 28), (16, 26, 26), (16, 13, 13), (32, 11, 11), (32, 5, 5), (800,), (10,)]
LAYERS = ("1", "2", "4", "5", "6", "7")  # whose outputs the stages are: after the ReLU, where there is one


def colour(images: NDArray[np.float32], generator: np.random.Generator) -> NDArray[np.float32]:
    """(N, 1, H, W) grey images -> (N, 3, 28, 28) in two random colours each."""
    if images.shape[2] == 8:
        images = np.pad(images.repeat(3, axis=2).repeat(3, axis=3), ((0, 0), (0, 0), (2, 2), (2, 2)))
    ink, paper = (generator.uniform(low, low + 0.5, (len(images), 3, 1, 1)) for low in (0.5, 0.0))
    return (images * ink + (1 - images) * paper).astype(np.float32)


def tiled(maps: NDArray[np.floating], columns: int) -> NDArray[np.floating]:
    """(K, h, w) maps -> one array of them side by side, each scaled to its largest value, in light grey frames."""
    scaled = maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-9)
    framed = np.pad(scaled, ((0, 0), (1, 1), (1, 1)), constant_values=0.2)
    rows, (height, width) = len(maps) // columns, framed.shape[1:]
    return framed.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)


def read(model: nn.Module, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """The class that the model takes each image for."""
    with tg.no_grad():
        return np.asarray(model(tg.tensor(images)).data.argmax(axis=1))


def draw_way(axes: Axes, model: nn.Module, image: NDArray[np.float32], middle: float) -> None:
    """The stages from left to right, to one scale: a pixel of a map is as large as a pixel of the image."""
    *maps, flat, scores = (stage.values for stage in viz.feature_maps(model, image, LAYERS))
    softmax = np.kron(tg.softmax(tg.tensor(scores), dim=0).data[:, None], np.ones((8, 8)))
    pictures = [image.transpose(1, 2, 0), *(tiled(values, 4) for values in maps), tiled(flat.reshape(1, 80, 10), 1)]
    pictures.append(np.pad(softmax, 1, constant_values=0.2))
    left = 0.0
    for name, shape, picture in zip(NAMES, SHAPES, pictures, strict=True):
        height, width = picture.shape[:2]
        slot, top = max(width, 36), middle - height / 2
        start = left + (slot - width) / 2
        axes.imshow(picture, cmap="gray_r", vmin=0, extent=(start, start + width, top + height, top))
        size = " × ".join(map(str, (*shape[1:], shape[0])))
        axes.text(left + slot / 2, middle - 60, f"{name}\n{size}", ha="center", fontsize="small")
        left += slot + 10
    for digit in range(10):
        axes.text(start + width + 2, top + 8 * digit + 5, str(digit), va="center", fontsize="x-small")
    axes.set(xlim=(0, left))


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    grey, steps = experiment.data, experiment.choose(digits=200, mnist=400)
    accuracies, agreements, differences = [], [], []
    for seed in experiment.seeds:
        generator = np.random.default_rng(seed)
        parts = grey.train_images, grey.test_images, grey.test_images
        train, test, again = (colour(part, generator) for part in parts)
        images = replace(grey, train_images=train, test_images=test)
        model = classifier((3, 28, 28), 10, filters=(16, 32), hidden=(), padding=0, generator=generator)
        learn(model, images, seed, steps, batch_size=32, optimizer=optim.Adam(model.parameters(), lr=0.003))
        accuracies.append(accuracy(model, images))
        agreements.append(float((read(model, test) == read(model, again)).mean()))
        shapes = [test[0].shape, *(stage.values.shape for stage in viz.feature_maps(model, test[0], LAYERS))]
        differences.append(sum(found != expected for found, expected in zip(shapes, SHAPES, strict=True)))

    layers = viz.summary(model, (3, 28, 28)).rows
    rows = [[layer.path, layer.kind, str(layer.outputs[0]), f"{layer.parameters:,}", layer.mend] for layer in layers]
    experiment.table(["layer", "kind", "output", "parameters", "what would read every pixel"], rows)

    figure = new_figure(9.0, 5.6)
    axes = figure.subplots()
    draw_way(axes, model, test[0], 60)
    draw_way(axes, model, again[0], 195)
    axes.set(ylim=(260, -12))
    axes.set_axis_off()
    experiment.picture(figure)

    experiment.claim("stages of another size", differences, at_most=0)
    experiment.claim("test accuracy", accuracies, at_least=0.88)
    experiment.claim("read alike in other colours", agreements, at_least=0.94)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
