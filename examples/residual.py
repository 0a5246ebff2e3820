"""Why does a network of 44 layers not learn, and what does a skip connection change?

Set-up: a convolution, 9 or 21 blocks of two 3x3 convolutions of 8 channels each, and a linear layer: 20 or 44 layers. A
plain block hands on relu(F(x)), a residual block relu(x + s F(x)). So two things differ: the skip, and the scale s, one
over the root of the number of blocks. A third network of 44 layers has skips without it (unscaled: s = 1). All weights
begin as He et al. propose; there is no batch norm. The gradients are those of the first convolution of each block,
before the first update, on 100 training images; then all learn by plain SGD (rate 0.1, batches of 32; 100 updates on
the 8x8 digits, 200 on MNIST). A network whose loss overflows counts as one that guesses.

Look for: the plain network multiplies what its layers do to the signal. He's weights keep its energy, but for the zeros
around the maps: of a 3x3 window on a 4x4 map 31 % of the places hold them, so each layer keeps about 0.69 of it, and 42
of them 2e-7, forwards and backwards: the gradient vanishes, and the loss stays at ln 10 = 2.3, that of a guess. Scaled
skips lead signal and gradient around every block, and 44 layers learn as well as 20. The skip alone is not enough here:
unscaled, each block makes the energy about half as large again, 21 of them thousands of times as large, and the first
steps destroy the network. K. He et al. (2015) need no scale, as batch norm keeps F(x) small. Nor is this the trouble
that they describe: with batch norm their plain networks have sound gradients, and yet learn worse the deeper they are.

Claim: with every seed the training loss of 44 layers, over the last fifth of the updates, is with scaled skips at most
half of that without, which stays above 2, and of that with unscaled ones. Before training the plain network's gradient,
mean over the blocks, is at most a tenth of that with scaled skips, and this a hundredth of that with unscaled ones.

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
from examples.learning import learn_or_diverge
from tinygrad_cnn import nn

CHANNELS, SIZE = 8, 4  # of the feature maps that the blocks work on
KINDS = {"plain": "#D55E00", "skips": "#0072B2", "skips, unscaled": "#009E73"}
NETWORKS = [(20, "plain"), (20, "skips"), *((44, kind) for kind in KINDS)]


class Block(nn.Module):
    """relu(x + scale F(x)), or relu(F(x)) without a scale, F(x) being conv(relu(conv(x))). Shapes stay as they are."""

    def __init__(self, channels: int, scale: float | None, generator: np.random.Generator) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False)
        self.scale = scale
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        change = self.second(tg.relu(self.first(x)))
        return tg.relu(change if self.scale is None else x + self.scale * change)


def make_network(layers: int, kind: str, image_size: int, seed: int) -> nn.Sequential:
    generator = np.random.default_rng(seed)
    count = (layers - 2) // 2  # of blocks; the first and the last layer lie outside
    scale = {"plain": None, "skips": 1 / math.sqrt(count), "skips, unscaled": 1.0}[kind]
    blocks = [Block(CHANNELS, scale, generator) for _ in range(count)]
    stem = nn.Conv2d(1, CHANNELS, kernel_size=3, padding=1, generator=generator)  # -> (N, 8, H, W), then pooled
    head = nn.Linear(CHANNELS * SIZE**2, 10, generator=generator)
    return nn.Sequential(stem, nn.ReLU(), nn.MaxPool2d(image_size // SIZE), *blocks, nn.Flatten(), head)


def gradient_norms(network: nn.Sequential, images: NDArray[np.float32], labels: NDArray[np.int64]) -> list[float]:
    """|dJ / d weight| of the first convolution of each block, from the first block to the last."""
    tg.cross_entropy(network(tg.Tensor(images)), labels).backward()
    gradients = [weight.grad for name, weight in network.named_parameters() if name.endswith("first.weight")]
    return [float(np.linalg.norm(gradient.data)) for gradient in gradients if gradient is not None]


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=3)
    images, entries = experiment.data, experiment.choose(digits=10, mnist=20)  # of 10 updates each
    names = {f"{layers} layers, {kind}": (layers, kind) for layers, kind in NETWORKS}
    curves: dict[str, list[list[float]]] = {name: [] for name in names}
    gradients: dict[str, list[list[float]]] = {name: [] for name in names}
    for seed in experiment.seeds:
        for name, (layers, kind) in names.items():
            network = make_network(layers, kind, images.image_shape[1], seed)
            gradients[name].append(gradient_norms(network, images.train_images[:100], images.train_labels[:100]))
            curves[name].append(learn_or_diverge(network, images, seed, entries, rate=0.1, batch_size=32)[0])

    losses = {name: np.nan_to_num(lines, nan=math.log(10)) for name, lines in curves.items()}  # overflows: a guess
    last = {name: lines[:, -(entries // 5) :].mean(axis=1) for name, lines in losses.items()}  # of the last fifth
    strength = {name: np.mean(norms, axis=1) for name, norms in gradients.items()}
    spread = [[f"{value:.2f}" for value in (ends.mean(), ends.min(), ends.max())] for ends in last.values()]
    rows = [[name, *cells, f"{strength[name].mean():.1e}"] for name, cells in zip(last, spread, strict=True)]
    experiment.table(["network", "training loss", "lowest", "highest", "gradient at the start"], rows)

    learning, slopes = (figure := new_figure(9.0, 3.8)).subplots(1, 2)
    for name, (layers, kind) in names.items():
        style = "-" if layers == 44 else "--"
        draw_spread(learning, np.arange(1, entries + 1) * 10, curves[name], name, KINDS[kind], style)
        draw_spread(slopes, np.arange(1, len(gradients[name][0]) + 1), gradients[name], name, KINDS[kind], style)
    slopes.set(yscale="log", xticks=range(1, 22, 4))
    learning.set_ylim(0, 3.4)
    dress(learning, "update", "training loss", f"{experiment.seed_count} seeds: mean and bounds")
    dress(slopes, "block (1: next to the image)", "norm of the gradient", "before training, by block")
    learning.legend(frameon=False, fontsize="small", loc="upper right", ncols=2)
    experiment.picture(figure)

    plain, skips, unscaled = (f"44 layers, {kind}" for kind in KINDS)
    experiment.claim("44 layers: loss with skips to that without", last[skips] / last[plain], at_most=0.5)
    experiment.claim("44 layers: loss with skips to that with unscaled ones", last[skips] / last[unscaled], at_most=0.5)
    experiment.claim("44 layers without skips: loss", last[plain], at_least=2.0)
    for less, more, most in ((plain, skips, 0.1), (skips, unscaled, 0.01)):
        experiment.claim(f"gradient, {less} / {more}", strength[less] / strength[more], at_most=most)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
