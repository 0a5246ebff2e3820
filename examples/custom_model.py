"""A model of your own: written in ten lines, checked, trained on the 8x8 digits, and drawn.

What to look for: the gradients of all its parameters agree with finite differences before a single step is taken, and
two passes over the digits bring it above 85 % on images it has not seen.

Run it:  python examples/custom_model.py [--out DIR]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import data, nn, optim, testing, viz
from tinygrad_cnn.train import Trainer


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.head = nn.Linear(8 * 4 * 4, 10)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        x = tg.max_pool2d(tg.relu(self.conv(x)), 2)
        logits: tg.Tensor = self.head(tg.flatten(x, 1))
        return logits


def main(argv: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/custom_model"), help="where the drawing goes")
    options = parser.parse_args(argv)

    tg.manual_seed(0)
    model, digits = Net(), data.digits()
    images, labels = digits.train_images, digits.train_labels

    report = testing.check_module(model, images[:2], labels[:2], nn.CrossEntropyLoss())
    print(f"gradients: {report.checked} comparisons, all fine")

    generator = np.random.default_rng(0)
    loader = data.BatchLoader(images, labels, batch_size=32, generator=generator)
    trainer = Trainer(model, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.005))
    history = trainer.fit(loader, epochs=2, test=(digits.test_images, digits.test_labels))
    print(f"test accuracy after two epochs: {history.test_accuracy[-1]:.1%}")

    options.out.mkdir(parents=True, exist_ok=True)
    viz.graph(model, images[:1]).save(options.out / "graph.svg")
    print(f"drawn: {options.out / 'graph.svg'}")
    return history.test_accuracy[-1]


if __name__ == "__main__":
    main()
