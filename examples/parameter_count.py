"""How many parameters does a convolution save, and what do they cost in accuracy?

Set-up: square images of 14 to 224 pixels a side. Three layers are counted on each: a convolution with one 3x3 filter,
one node of a dense layer, and the dense layer that gives as many numbers as the convolution does. Then small networks
learn: three CNNs of two blocks (convolution, ReLU, 2x2 max pooling) and a linear layer; beside each an MLP with one
hidden layer, just wide enough to have no fewer parameters; and one MLP of four times as many.

Look for: the convolution has 10 parameters (3x3 weights and one bias) whatever the image, as the same filter goes over
all of it. A dense node has one for each pixel, 784 and a bias on 28x28, four times as many on an image of twice the
side; and a layer of such nodes grows by the fourth power of the side. In multiply-adds the convolution saves less: it
takes 9 for each number that it gives, more than a single dense node, but far less than that dense layer. With equally
many parameters the CNN is the better reader, and by far on MNIST, where the MLP can pay for a few nodes only.

Claim: the convolution has 10 parameters on each image, a node at least 3.9 times as many on twice the side; the dense
layer takes at least 20 times the multiply-adds of the convolution. On average over the seeds and the three sizes, the
CNNs are ahead of the MLPs of as many parameters by at least 8 points on MNIST (on the 8x8 digits by 1 point), and the
largest CNN of the MLP of four times its parameters by at least 1.5 points (by 0.5 points).

Run it: python -m examples.parameter_count [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from examples.drawing import COLOURS, draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import accuracy, learn
from tinygrad_cnn import nn, viz
from tinygrad_cnn.train import classifier

SIDES = (14, 28, 56, 112, 224)  # pixels
FILTERS = ((4, 4), (8, 8), (8, 16))  # of the CNNs
LAYERS = ("convolution, 3x3", "dense, one node", "dense, as many outputs")
Shape = tuple[int, int, int]


def costs(model: nn.Module, shape: Shape) -> NDArray[np.int64]:
    """Parameters and multiply-adds."""
    totals = viz.summary(model, shape).totals
    return np.array([totals.parameters, totals.multiply_adds])


def count_layers(side: int) -> list[NDArray[np.int64]]:
    """The costs of a convolution, a dense node, and a dense layer, on images of that side."""
    convolution = costs(nn.Conv2d(1, 1, 3), (1, side, side))
    node = costs(nn.Sequential(nn.Flatten(), nn.Linear(side**2, 1)), (1, side, side))
    nodes = (side - 2) ** 2  # as many as the convolution gives numbers
    return [convolution, node, nodes * node]  # made of so many nodes, that layer would not fit into memory


def make_networks(shape: Shape, seed: int) -> dict[str, list[nn.Sequential]]:
    generator = np.random.default_rng(seed)
    cnns = [classifier(shape, 10, filters=filters, hidden=(), generator=generator) for filters in FILTERS]
    parameters = [costs(cnn, shape)[0] for cnn in cnns]
    # With h hidden nodes an MLP has (H W + 1) h + (h + 1) 10 parameters.
    pixels = shape[1] * shape[2]
    hidden = [ceil((count - 10) / (pixels + 11)) for count in (*parameters, 4 * parameters[-1])]
    mlps = [classifier(shape, 10, filters=(), hidden=(nodes,), generator=generator) for nodes in hidden]
    return {"CNN": cnns, "MLP": mlps}


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=5)
    counts = np.array([count_layers(side) for side in SIDES])  # (sides, layers, parameters and multiply-adds)
    head = [f"{layer}: {cost}" for layer in ("convolution", "node", "dense") for cost in ("parameters", "m-adds")]
    rows = [[f"{side}x{side}", *(f"{n:,}" for n in row.ravel())] for side, row in zip(SIDES, counts, strict=True)]
    experiment.table(["image", *head], rows, "Of one layer, by the size of the image:")

    shape, steps = experiment.data.image_shape, experiment.choose(digits=1_000, mnist=2_000)
    found: dict[str, list[list[float]]] = {"CNN": [], "MLP": []}  # for each seed, from few parameters to many
    for seed in experiment.seeds:
        networks = make_networks(shape, seed)
        for kind, models in networks.items():
            for model in models:
                learn(model, experiment.data, seed, steps)
            found[kind].append([accuracy(model, experiment.data) for model in models])

    figure, rows = new_figure(), []
    *layers, last = figure.subplots(1, 3)
    for number, (axes, cost) in enumerate(zip(layers, ("parameters", "multiply-adds"), strict=True)):
        for layer, colour, label in zip(counts[..., number].T, COLOURS, LAYERS, strict=False):
            axes.semilogy([str(side) for side in SIDES], layer, marker="o", markersize=4, color=colour, label=label)
        axes.set_ylim(5, 1e13)
        axes.legend(frameon=False, fontsize="small", loc="upper left")
        dress(axes, "side of the image (pixels)", cost, f"one layer: {cost}")
    for (kind, models), colour in zip(networks.items(), COLOURS, strict=False):
        sizes = np.array([costs(model, shape) for model in models])
        draw_spread(last, sizes[:, 0], found[kind], kind, colour)
        for size, values in zip(sizes, np.transpose(found[kind]), strict=True):
            rows.append([kind, *(f"{count:,}" for count in size), f"{values.mean():.1%}", f"{values.min():.1%}"])
    experiment.table(["network", "parameters", "multiply-adds", "accuracy", "worst"], rows, "Of the networks:")
    last.set_xscale("log")
    ticks = experiment.choose(digits=(500, 1_000, 2_000, 5_000), mnist=(3_000, 10_000, 30_000))
    last.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    last.set_xticks([], minor=True)
    last.legend(frameon=False, loc="lower right")
    dress(last, "parameters", "test accuracy", f"networks, {experiment.seed_count} seeds", percent=True)
    experiment.picture(figure)

    convolution, node, dense = counts[:, 0], counts[:, 1], counts[:, 2]
    experiment.claim("parameters of a convolution, on each image", convolution[:, 0], at_most=10)
    experiment.claim("a node's parameters, twice the side over once", node[1:, 0] / node[:-1, 0], at_least=3.9)
    experiment.claim("multiply-adds, dense layer over convolution", dense[:, 1] / convolution[:, 1], at_least=20)
    equal, wider = experiment.choose(digits=(0.01, 0.005), mnist=(0.08, 0.015))
    cnns, (*mlps, wide) = np.transpose(found["CNN"]), np.transpose(found["MLP"])
    ahead = np.mean(cnns - mlps, axis=0)  # over the sizes
    experiment.claim("CNNs ahead of MLPs of as many parameters", ahead, at_least=equal, of="mean")
    experiment.claim("CNN ahead of an MLP of four times its parameters", cnns[-1] - wide, at_least=wider, of="mean")
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
