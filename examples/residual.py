"""Why does a network of 44 layers not learn, and what does a skip connection change?

Set-up: a convolution, 9 or 21 blocks of two 3x3 convolutions of 8 channels each, and a linear layer: 20 or 44 layers.
A plain block hands on F(x), a residual block x + F(x); nothing else differs. All weights begin as He et al. propose. As
every block adds to its input, the residual network divides F(x) by the root of the number of blocks, which leaves the
sum about as large as one block's output. There is no batch norm. The gradients are those of the first convolution of
each block, before the first update, on 100 training images; then all learn by plain SGD, rate 0.1, batches of 32.

Look for: the plain network multiplies what its layers do to the signal. He's weights keep its energy, but for the zeros
around the maps: of a 3x3 window on a 4x4 map 31 % of the places hold them, so each layer keeps about 0.69 of it, and 42
of them 2e-7, forwards and backwards. The plain networks stay at ln 10 = 2.3, the loss of a guess. With skips the signal
and the gradient have a way around every block, and 44 layers learn as well as 20.

Claim: with every seed the training loss of 44 layers, over the last fifth of the updates, is with skips at most 0.5 of
what it is without, where it stays above 2. Before training the plain network's gradient, mean over the blocks, is at
most a tenth of the residual one's.

Run it: python -m examples.residual [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import nn

CHANNELS, SIZE = 8, 4  # of the feature maps that the blocks work on
ENTRIES = 20  # of each learning curve


class Block(nn.Module):
    """relu(x + scale F(x)), or relu(F(x)) without a skip, where F(x) = conv(relu(conv(x))). Shapes stay as they are."""

    def __init__(self, channels: int, skip: bool, scale: float, generator: np.random.Generator) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.skip, self.scale = skip, scale
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        change = self.second(tg.relu(self.first(x)))
        return tg.relu(x + self.scale * change if self.skip else change)


def make_network(layers: int, skip: bool, image_size: int, seed: int) -> nn.Sequential:
    generator = np.random.default_rng(seed)
    count = (layers - 2) // 2  # of blocks; the first and the last layer lie outside
    blocks = [Block(CHANNELS, skip, 1 / math.sqrt(count), generator) for _ in range(count)]
    stem = nn.Conv2d(1, CHANNELS, kernel_size=3, padding=1, generator=generator)  # (N, 1, H, W) -> (N, 8, H, W)
    head = nn.Linear(CHANNELS * SIZE**2, 10, generator=generator)
    pool = nn.MaxPool2d(image_size // SIZE)  # -> (N, 8, 4, 4)
    return nn.Sequential(stem, nn.ReLU(), pool, *blocks, nn.Flatten(), head)


def gradient_norms(network: nn.Sequential, images: NDArray[np.float32], labels: NDArray[np.int64]) -> list[float]:
    """|dJ / d weight| of the first convolution of each block, from the first block to the last."""
    network.zero_grad()
    tg.cross_entropy(network(tg.Tensor(images)), labels).backward()
    gradients = [weight.grad for name, weight in network.named_parameters() if name.endswith("first.weight")]
    return [float(np.linalg.norm(gradient.numpy())) for gradient in gradients if gradient is not None]


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=3)
    images = experiment.data
    steps = experiment.choose(digits=100, mnist=200)
    kinds = [(layers, skip) for layers in (20, 44) for skip in (False, True)]
    networks = {kind: f"{kind[0]} layers, {'skips' if kind[1] else 'plain'}" for kind in kinds}
    curves: dict[str, list[list[float]]] = {name: [] for name in networks.values()}
    gradients: dict[str, list[list[float]]] = {name: [] for name in networks.values()}
    for seed in experiment.seeds:
        for (layers, skip), name in networks.items():
            network = make_network(layers, skip, images.image_shape[1], seed)
            gradients[name].append(gradient_norms(network, images.train_images[:100], images.train_labels[:100]))
            history = learn(network, images, seed, steps, batch_size=32, log_every=steps // ENTRIES)
            curves[name].append(history.train_loss)

    last = {name: np.array(lines)[:, -4:].mean(axis=1) for name, lines in curves.items()}  # of the last fifth
    strength = {name: np.mean(norms, axis=1) for name, norms in gradients.items()}
    spread = [[f"{value:.2f}" for value in (losses.mean(), losses.min(), losses.max())] for losses in last.values()]
    rows = [[name, *cells, f"{strength[name].mean():.1e}"] for name, cells in zip(last, spread, strict=True)]
    experiment.table(["network", "training loss", "lowest", "highest", "gradient at the start"], rows)

    figure = new_figure(9.0, 3.8)
    learning, slopes = figure.subplots(1, 2)
    for (layers, skip), name in networks.items():
        colour, style = "#0072B2" if skip else "#D55E00", "-" if layers == 44 else "--"
        draw_spread(learning, np.arange(1, ENTRIES + 1) * (steps // ENTRIES), curves[name], name, colour, style)
        draw_spread(slopes, np.arange(1, len(gradients[name][0]) + 1), gradients[name], name, colour, style)
    slopes.set_yscale("log")
    slopes.set_xticks(range(1, 22, 4))
    dress(learning, "update", "training loss", f"{experiment.seed_count} seeds: mean and bounds")
    dress(slopes, "block (1: next to the image)", "norm of the gradient", "before training, by block")
    learning.legend(frameon=False)
    experiment.picture(figure)

    plain, skips = "44 layers, plain", "44 layers, skips"
    experiment.claim("44 layers: loss with skips to that without", last[skips] / last[plain], at_most=0.5)
    experiment.claim("44 layers without skips: loss", last[plain], at_least=2.0)
    experiment.claim("44 layers: gradient without skips to that with", strength[plain] / strength[skips], at_most=0.1)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
