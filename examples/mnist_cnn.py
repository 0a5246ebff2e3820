"""How fast does a small CNN learn to read digits?

Set-up: the CNN has two blocks of convolution (4 filters of 3x3), ReLU and 2x2 max pooling, then one hidden layer
of 20. It learns from 9,000 images by plain SGD (rate 0.1), 10 images an update, in 10,000 updates; after every 10 of
them loss and accuracy are noted, of the 100 training images just seen, each measured before its update, and of all
1,000 test images. On the 8x8 digits the blocks have 16 and 32 filters and the image is padded, as two halvings leave
2x2 pixels of it; there are 2,000 updates, and 360 test images.

Look for: most is learnt early. Single entries (pale) jump by points, the training's because 100 images are few, the
test's because the last updates, of 10 images each, shake the weights. So what counts are means over many entries: the
strong lines are means over 50 entries, 500 updates (on the digits 10 entries), and over the seeds. Where
the two part, the network begins to learn its own images by heart.

Claim: with every seed, the mean test accuracy in the last tenth of the updates is at least 92% (digits: 95%); half way
through, in the fifth tenth, at most 3 points of it (digits: 5) are missing; and in the last tenth the test loss lies,
in the mean over the seeds, at least 0.03 (digits: 0.008) above that of the images which the network learns from.

Run it:  python -m examples.mnist_cnn [--data mnist --data-dir DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from examples.drawing import COLOURS, new_figure
from examples.experiments import Experiment
from examples.learning import learn
from tinygrad_cnn import nn, viz
from tinygrad_cnn.train import History, classifier

LOG_EVERY = 10  # updates between two entries
TENTHS = 10
MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def make_network(experiment: Experiment, seed: int) -> nn.Sequential:
    filters = experiment.choose(digits=(16, 32), mnist=(4, 4))
    padding = experiment.choose(digits=1, mnist=0)
    generator = np.random.default_rng(seed)
    return classifier(experiment.data.image_shape, 10, filters, hidden=(20,), padding=padding, generator=generator)


def smooth(curve: NDArray[np.float64], entries: int) -> NDArray[np.float64]:
    """The mean over so many neighbouring entries, wherever there are as many."""
    return np.convolve(curve, np.full(entries, 1 / entries), mode="valid")


def smoothed_history(histories: Sequence[History], entries: int) -> History:
    """The learning curve as a mean over the seeds and over neighbouring entries."""
    means = {name: smooth(np.mean([history[name] for history in histories], axis=0), entries) for name in MEASURES}
    curves = {name: curve.tolist() for name, curve in means.items()}
    return History(**curves, step=histories[0].step[entries // 2 : 1 - (entries + 1) // 2])


def main(argv: Sequence[str] | None = None) -> Experiment:
    experiment = Experiment(__file__, __doc__, argv, seeds=3)
    steps = experiment.choose(digits=2_000, mnist=10_000)

    histories = []
    for seed in experiment.seeds:
        model = make_network(experiment, seed)
        histories.append(learn(model, experiment.data, seed, steps, log_every=LOG_EVERY, test=True))

    # (seeds, entries) -> (seeds, tenths, entries of a tenth)
    curves = {name: np.array([history[name] for history in histories]) for name in MEASURES}
    parts = {name: curve.reshape(len(curve), TENTHS, -1) for name, curve in curves.items()}
    means = {name: part.mean(axis=2) for name, part in parts.items()}

    rows = []
    for tenth in (1, 2, 3, 5, 10):
        mean = {name: values[:, tenth - 1].mean() for name, values in means.items()}
        updates = f"{(tenth - 1) * steps // TENTHS + 1:,} to {tenth * steps // TENTHS:,}"
        losses = [f"{mean[name]:.3f}" for name in ("train_loss", "test_loss")]
        accuracies = [f"{mean[name]:.2%}" for name in ("train_accuracy", "test_accuracy")]
        worst = parts["test_accuracy"][:, tenth - 1].min()
        rows.append([updates, *losses, *accuracies, f"{worst:.2%}"])
    head = ["updates", "training loss", "test loss", "training accuracy", "test accuracy", "worst entry"]
    experiment.table(head, rows, f"Means over the entries of these updates and over {len(histories)} seeds")

    window = experiment.choose(digits=10, mnist=50)
    figure = new_figure(title=f"pale: seed 0, every {LOG_EVERY} updates; strong: mean of {window} entries, all seeds")
    panels = figure.subplots(1, 2)
    for axes, kind in zip(panels, ("loss", "accuracy"), strict=True):
        for part, colour in (("train", COLOURS[0]), ("test", COLOURS[1])):
            axes.plot(histories[0].step, histories[0][f"{part}_{kind}"], color=colour, alpha=0.25, linewidth=0.5)
    viz.plot_history(smoothed_history(histories, window), axes=panels)
    panels[0].set_ylim(0.0, 1.2)
    panels[1].set_ylim(bottom=experiment.choose(digits=0.7, mnist=0.8))
    ticks = range(0, steps + 1, steps // 4)
    for axes in panels:
        axes.set_xlim(0, steps)
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    experiment.picture(figure)

    final = means["test_accuracy"][:, -1]
    left = final - means["test_accuracy"][:, 4]
    gap = means["test_loss"][:, -1] - means["train_loss"][:, -1]
    enough, missing = experiment.choose(digits=0.95, mnist=0.92), experiment.choose(digits=0.05, mnist=0.03)
    experiment.claim("test accuracy in the last tenth", final, at_least=enough)
    experiment.claim("what the second half of the updates adds to it", left, at_most=missing)
    apart = experiment.choose(digits=0.008, mnist=0.03)
    experiment.claim("test loss above training loss", gap, at_least=apart, of="mean")
    return experiment.finish()


if __name__ == "__main__":
    sys.exit(main().complaint)
