"""Does a CNN read digits better than a perceptron does?

Set-up: the CNN has two blocks of convolution (4 filters of 3x3), ReLU and 2x2 max pooling, and one hidden layer of 20;
the MLP has three hidden layers of 20. Both learn from 9,000 images of MNIST (1,437 of the 8x8 digits) by plain SGD
(rate 0.1, batches of 10), once with as many updates each, and once with five times as many for the MLP. The two blocks
halve an image of 8x8 pixels to 2x2: 4 filters leave 16 numbers of it, too few, and that CNN is behind the MLP. There
the blocks have 16 and 32 filters, and the MLP's layers 45 nodes, so that both have as many parameters. From one update
to the next the test accuracy jumps by a point, as batches of 10 shake the weights; so what counts is its mean over the
second half of the updates.

Look for: the CNN ahead both times; on 28x28 pixels with a seventh of the MLP's parameters, on 8x8 with the same number.
What it takes more of is multiply-adds: a filter is used at every place of the image.

Claim: over 8 seeds the CNN is ahead by at least 2 points with equal updates, and by 1 point where the MLP has five
times as many (on the 8x8 digits, where both networks are of one size: by 1 point both times).

Run it:  python -m examples.cnn_vs_mlp [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from examples.drawing import COLOURS, draw_spread, dress, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import nn, viz
from tinygrad_cnn.train import classifier

ENTRIES = 20  # of each learning curve


def make_network(kind: str, experiment: Experiment, seed: int) -> nn.Sequential:
    shape, generator = experiment.data.image_shape, np.random.default_rng(seed)
    if kind == "MLP":
        nodes = experiment.choose(digits=45, mnist=20)
        return classifier(shape, 10, filters=(), hidden=(nodes, nodes, nodes), generator=generator)
    filters = experiment.choose(digits=(16, 32), mnist=(4, 4))
    # Images of 28x28 pixels are large enough to lose their border; those of 8x8 are not.
    padding = experiment.choose(digits=1, mnist=0)
    return classifier(shape, 10, filters=filters, hidden=(20,), padding=padding, generator=generator)


def second_half(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the second half of each curve: (seeds, entries) -> (seeds)."""
    return np.asarray(curves[:, curves.shape[1] // 2 :].mean(axis=1))


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=8)
    equal = experiment.choose(digits=2_000, mnist=10_000)
    budgets = {"CNN": equal, "MLP": 5 * equal}

    curves: dict[str, list[list[float]]] = {"CNN": [], "MLP": []}
    for seed in experiment.seeds:
        for kind, steps in budgets.items():
            model = make_network(kind, experiment, seed)
            history = learn(model, experiment.data, seed, steps, log_every=equal // ENTRIES, test=True)
            curves[kind].append(history.test_accuracy)

    cnn, mlp = np.array(curves["CNN"]), np.array(curves["MLP"])  # (seeds, entries)
    reached = {
        f"CNN, {equal:,} updates": second_half(cnn),
        f"MLP, {equal:,} updates": second_half(mlp[:, :ENTRIES]),
        f"MLP, {5 * equal:,} updates": second_half(mlp),
    }
    rows = []
    for name, accuracies in reached.items():
        costs = viz.summary(make_network(name[:3], experiment, seed=0), experiment.data.image_shape).totals
        accuracy = [f"{number:.2%}" for number in (accuracies.mean(), accuracies.std(), accuracies.min())]
        rows.append([name, *accuracy, f"{costs.parameters:,}", f"{costs.multiply_adds:,}"])
    experiment.table(["network", "accuracy", "standard deviation", "worst", "parameters", "multiply-adds"], rows)

    figure = new_figure()
    axes = figure.subplots()
    for label, lines, colour in (("CNN", cnn, COLOURS[0]), ("MLP", mlp, COLOURS[1])):
        updates = np.arange(1, lines.shape[1] + 1) * (equal // ENTRIES)
        draw_spread(axes, updates, lines, label, colour)
    axes.axvline(equal, color="0.5", linestyle=":")
    lowest = experiment.choose(digits=0.8, mnist=0.85)
    axes.annotate("equal updates: the CNN's training ends", (equal, lowest), (6, 6), textcoords="offset points")
    axes.set_ylim(lowest, 1.0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    dress(axes, "update", "test accuracy", f"{experiment.seed_count} seeds: mean, worst and best", percent=True)
    axes.legend(frameon=False, loc="lower right")
    experiment.picture(figure)

    of_cnn, of_mlp, of_longer_mlp = reached.values()
    equally = experiment.choose(digits=0.01, mnist=0.02)
    experiment.claim("CNN ahead of MLP, equal updates", of_cnn - of_mlp, at_least=equally, of="mean")
    experiment.claim("CNN ahead of MLP with five times its updates", of_cnn - of_longer_mlp, at_least=0.01, of="mean")
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
