"""What a user writes: a custom operation, a model, a training step. Checked by mypy --strict, and run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn, optim


@tg.primitive
def softsign(x: NDArray[np.floating]) -> NDArray[np.floating]:
    y: NDArray[np.floating] = x / (1 + np.abs(x))
    return y


softsign.defvjp(x=lambda g, x: g / (1 + abs(x)) ** 2)


class Block(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(features, features, 3, padding=1)
        self.scale = nn.Parameter(np.ones(features, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = softsign(self.conv(x))
        return x + y * self.scale.reshape(-1, 1, 1)


class Classifier(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.block = Block(2)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(2 * 3 * 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = self.pool(self.block(x)).view(x.size(0), -1).clamp(min=0.0)
        scores: Tensor = self.head(features)
        return scores - scores.amax(dim=1, keepdim=True)


def accuracy(scores: Tensor, labels: NDArray[np.int64]) -> float:
    hits = scores.argmax(dim=1) == labels
    return float(hits.float().mean())


def train(steps: int) -> list[float]:
    images, labels = np.ones((4, 2, 6, 5), np.float32), np.array([0, 1, 2, 1])
    model = Classifier(3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    losses: list[float] = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(Tensor(images)), labels)
        penalty = tg.stack([p.norm() for p in model.parameters()]).sum()
        (loss + 1e-3 * penalty).backward()
        optimizer.step()
        losses.append(loss.item())
    with tg.no_grad():
        scores: Tensor = model(Tensor(images))
    first, *rest = scores.split(1)
    assert first.shape == (1, 3)
    assert len(rest) == 3
    assert 0 <= accuracy(scores, labels) <= 1
    gradient = model.head.weight.grad
    assert gradient is None or gradient.shape == (3, 12)
    return losses
