"""Every figure that `viz` draws, of a small network that learns the 8x8 digits, and of one that divides the plane.

What to look for: the filters before and after training, one digit on its way through the layers, what the network looks
at in it (saliency, Grad-CAM, occlusion), what each class would like to see best, and which digits it takes for others.

Run it:  python examples/figures.py [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from tinygrad_cnn import data, nn, optim, viz
from tinygrad_cnn.train import Callback, Progress, Trainer


class Watch(Callback):
    """Takes a histogram of all weights and gradients, every 20 updates."""

    def __init__(self, histograms: viz.ParameterHistograms) -> None:
        self.histograms = histograms

    def on_step(self, progress: Progress) -> None:
        if progress.step % 20 == 0:
            self.histograms.take(progress.step)


def network() -> nn.Sequential:
    generator = np.random.default_rng(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, generator=generator),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, generator=generator),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 10, generator=generator),
    )


def moons() -> tuple[nn.Sequential, NDArray[np.float32], NDArray[np.int64]]:
    """Two half circles that reach into each other, and a network that has learnt to tell them apart."""
    generator = np.random.default_rng(0)
    angles, labels = generator.uniform(0, np.pi, 200), np.repeat([0, 1], 100)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points[labels == 1] = [1.0, 0.5] - points[labels == 1]
    points = (points + generator.normal(scale=0.2, size=points.shape)).astype(np.float32)
    model = nn.Sequential(nn.Linear(2, 16, generator=generator), nn.Tanh(), nn.Linear(16, 2, generator=generator))
    loader = data.BatchLoader(points, labels, batch_size=20, shuffle=True, generator=generator)
    Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05)).fit(loader, epochs=80)
    return model, points, labels


def main(argv: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/figures"), help="where the figures go")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)

    model, digits = network(), data.digits()
    histograms = viz.ParameterHistograms(model)
    start = model.state_dict()
    loader = data.BatchLoader(
        digits.train_images, digits.train_labels, batch_size=32, shuffle=True, generator=np.random.default_rng(0)
    )
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.005))
    test = digits.test_images, digits.test_labels
    history = trainer.fit(loader, epochs=6, test=test, callbacks=[Watch(histograms)])

    image = digits.test_images[np.flatnonzero(digits.test_labels == 3)[0]]
    with tg.no_grad():
        scores = model(tg.Tensor(digits.test_images)).data
    figures = {
        "history": viz.plot_history(history, title="8x8 digits"),
        "filters": viz.plot_layer_filters(model, before=start),
        "feature_maps": viz.plot_feature_maps(model, image),
        "saliency": viz.plot_saliency(model, image),
        "grad_cam": viz.plot_grad_cam(model, image),
        "occlusion": viz.plot_occlusion(model, image),
        "activation_maximization": viz.plot_activation_maximization(model, (1, 8, 8), unit_names=digits.class_names),
        "confusion_matrix": viz.plot_confusion_matrix(
            digits.test_labels, scores, digits.test_images, digits.class_names
        ),
        "histograms": viz.plot_histograms(histograms),
        "decision_boundary": viz.plot_decision_boundary(*moons()),
    }
    for name, figure in figures.items():
        viz.save_figure(figure, options.out / f"{name}.png")
    print(f"drawn: {len(figures)} figures in {options.out}")
    return history.test_accuracy[-1]


if __name__ == "__main__":
    main()
