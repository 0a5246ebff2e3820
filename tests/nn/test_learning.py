"""Everything together: two small networks learn."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim


def train(
    model: nn.Module, optimizer: optim.Optimizer, x: np.ndarray, labels: np.ndarray, steps: int
) -> tuple[float, float]:
    """The loss before the first step and the accuracy after the last."""
    loss_of, first = nn.CrossEntropyLoss(), 0.0
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model(tg.tensor(x)), labels)
        loss.backward()
        optimizer.step()
        first = loss.item() if step == 0 else first
    with tg.no_grad():
        predicted = model.eval()(tg.tensor(x)).argmax(1).data
    return first, float((predicted == labels).mean())


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_a_small_mlp_learns_xor(name: str) -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (200, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    model = nn.Sequential(nn.Linear(2, 16, generator=generator), nn.Tanh(), nn.Linear(16, 2, generator=generator))
    optimizer: optim.Optimizer = (
        optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        if name == "SGD"
        else optim.Adam(model.parameters(), lr=0.03)
    )
    first, accuracy = train(model, optimizer, x, labels, steps=150)
    assert 0.6 < first < 0.8  # log 2: it knows nothing yet
    assert accuracy > 0.95


def test_a_small_cnn_tells_horizontal_from_vertical_bars() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(0, 0.3, (64, 1, 8, 8)).astype(np.float32)
    labels = np.arange(64) % 2
    for image, label, place in zip(x, labels, generator.integers(0, 8, 64), strict=True):
        image[0, :, place] += 1.0 * (label == 0)
        image[0, place, :] += 1.0 * (label == 1)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, generator=generator),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.1, generator=generator),
        nn.Flatten(),
        nn.Linear(64, 2, generator=generator),
    )
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = optim.OneCycleLR(optimizer, max_lr=0.2, total_steps=60)
    for _ in range(60):
        train(model.train(), optimizer, x, labels, steps=1)
        schedule.step()
    _, accuracy = train(model, optimizer, x, labels, steps=0)
    assert accuracy > 0.95


def test_a_network_that_does_not_step_does_not_learn() -> None:
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (200, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    model = nn.Sequential(nn.Linear(2, 16, generator=generator), nn.Tanh(), nn.Linear(16, 2, generator=generator))
    _, accuracy = train(model, optim.SGD(model.parameters(), lr=0.0), x, labels, steps=5)
    assert accuracy < 0.8
