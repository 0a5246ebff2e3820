"""Which optimiser learns fastest, when each has the learning rate that suits it?

Set-up: a CNN (two blocks of 4 filters, 20 hidden units) learns from 9,000 images of MNIST, or 1,437 of the 8x8 digits,
in batches of 32, by five optimisers, all but the rate as usual (momentum 0.9). A rate that suits one ruins another, so
each learns at four, from the same weights and with the same batches; that of the lowest mean training loss over all
updates and seeds speaks for it. Then each walks down the curved valley (1 - x)^2 + 10 (y - x^2)^2 from about (-1.2, 1),
a square, towards (1, 1), a star, until it stays below 0.01, at the best of the rates 1/2 to 1/256.

Look for: SGD waiting on the plateau where the loss is ln 10 = 2.3; Adam leaves it early. In the valley SGD steps so
carefully across that it hardly moves along; momentum adds up the small slopes that agree. AdaGrad and RMSprop scale
each coordinate, which helps little where the valley lies along neither. On MNIST steps can kill every ReLU at once: one
of five seeds of AdaGrad stays at 2.3 even at its best rate, in the mean loss of the table, not in the median drawn.

Claim: Adam's training loss, mean over all updates and seeds, is at most 0.85 times SGD's. In the valley momentum and
Adam stay below a height of 0.01 after at most half as many steps as SGD, from every start.

Run it: python -m examples.optimizers [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from examples.drawing import COLOURS, draw_quartiles, dress, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import optim
from tinygrad_cnn.train import classifier

Array = NDArray[np.float64]
OPTIMIZERS: dict[str, tuple[Callable[..., optim.Optimizer], tuple[float, ...]]] = {  # and its rates for the network
    "SGD": (optim.SGD, (0.03, 0.1, 0.3, 1.0)),
    "momentum": (partial(optim.SGD, momentum=0.9), (0.01, 0.03, 0.1, 0.3)),
    "AdaGrad": (optim.Adagrad, (0.01, 0.03, 0.1, 0.3)),
    "RMSprop": (optim.RMSprop, (0.0003, 0.001, 0.003, 0.01)),
    "Adam": (optim.Adam, (0.003, 0.01, 0.03, 0.1)),
}
ENTRIES = 20  # of each learning curve
VALLEY_RATES = [2.0**-n for n in range(1, 9)]


def learning_curve(experiment: Experiment, name: str, rate: float, seed: int, steps: int) -> list[float]:
    shape, generator = experiment.data.image_shape, np.random.default_rng(seed)
    model = classifier(shape, 10, (4, 4), (20,), padding=experiment.choose(digits=1, mnist=0), generator=generator)
    optimizer = OPTIMIZERS[name][0](model.parameters(), lr=rate)
    history = learn(model, experiment.data, seed, steps, batch_size=32, optimizer=optimizer, log_every=steps // ENTRIES)
    return history.train_loss


def height(points: tg.Tensor) -> tg.Tensor:
    """Rosenbrock's valley, its walls a tenth as steep; the lowest point is (1, 1). Shapes: (..., 2) -> (...)."""
    x, y = points[..., 0], points[..., 1]
    return (1 - x) ** 2 + 10 * (y - x**2) ** 2


def walk(name: str, rate: float, starts: Array) -> Array:
    """The points on the way, (steps + 1, starts, 2). One optimiser moves them all, each coordinate by itself."""
    points = tg.tensor(starts, requires_grad=True)
    optimizer = OPTIMIZERS[name][0]([points], lr=rate)
    path = [starts]
    with np.errstate(over="ignore", invalid="ignore"):  # at too high a rate points fly off to infinity
        for _ in range(400):
            optimizer.zero_grad()
            height(points).sum().backward()
            optimizer.step()
            path.append(points.data.copy())
    return np.array(path)


def steps_to_settle(path: Array) -> NDArray[np.int64]:
    """After how many steps each start stays below 0.01. Shapes: (steps + 1, starts, 2) -> (starts)."""
    with np.errstate(over="ignore", invalid="ignore"):
        below = height(tg.Tensor(path)).data < 0.01
    return np.asarray((~np.minimum.accumulate(below[::-1])).sum(axis=0))  # backwards from the end


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    steps, seeds = experiment.choose(digits=120, mnist=240), range(experiment.seed_count)
    starts = np.array([np.random.default_rng(seed).normal((-1.2, 1.0), 0.1) for seed in seeds])
    over_updates, over_rates, valley = (figure := new_figure(11.0, 3.8)).subplots(1, 3)
    grid = np.stack(np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-1, 3, 200)), axis=-1)
    valley.contour(*grid.T, height(tg.Tensor(grid)).data.T, levels=np.geomspace(0.01, 200, 14), colors="0.9")
    rows, losses, settled = list[list[str]](), dict[str, Array](), dict[str, NDArray[np.int64]]()
    optimisers = experiment.progress([*OPTIMIZERS.items()], "optimisers")
    for (name, (_, rates)), colour in zip(optimisers, COLOURS, strict=False):
        curves = {r: np.array([learning_curve(experiment, name, r, seed, steps) for seed in seeds]) for r in rates}
        best = min(rates, key=lambda rate: curves[rate].mean())
        losses[name] = curves[best].mean(axis=1)
        draw_quartiles(over_updates, np.arange(1, ENTRIES + 1) * (steps // ENTRIES), curves[best], name, colour)
        over_rates.semilogx(rates, [curves[rate].mean() for rate in rates], "o-", color=colour)
        paths = {rate: walk(name, rate, starts) for rate in VALLEY_RATES}
        down = min(VALLEY_RATES, key=lambda rate: steps_to_settle(paths[rate]).mean())
        settled[name] = steps_to_settle(paths[down])
        valley.plot(*paths[down][:, 0].T, color=colour, linewidth={"SGD": 5, "AdaGrad": 3}.get(name, 1))
        network = [f"{best:g}", f"{losses[name].mean():.3f}", f"{(losses[name] / losses['SGD']).mean():.2f}"]
        rows.append([name, *network, f"{down:g}", f"{settled[name].mean():.0f}"])
    experiment.table(["optimiser", "rate", "mean loss", "divided by SGD's", "valley: rate", "valley: steps"], rows)
    dress(over_updates, "update", "training loss", f"best rate, {experiment.seed_count} seeds: median and quartiles")
    dress(over_rates, "learning rate", "mean training loss", "at each rate")
    dress(valley, "x", "y", "paths in the valley (wide: below others)")
    valley.plot(*starts[0], "ks", 1, 1, "k*", markersize=8)
    valley.set(xlim=(-1.6, 1.6), ylim=(-0.5, 2.0))
    over_updates.legend(frameon=False)
    experiment.picture(figure)
    experiment.claim("mean loss, Adam / SGD", losses["Adam"] / losses["SGD"], at_most=0.85, of="mean")
    for name in ("momentum", "Adam"):
        experiment.claim(f"steps down the valley, {name} / SGD", settled[name] / settled["SGD"], at_most=0.5)
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
