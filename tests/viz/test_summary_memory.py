"""The memory that a summary foretells, beside what a training step is measured to hold (NumPy's kernels, tracemalloc).

Without the pool of results, that is: it rounds sizes up, and lends again what an earlier step has used.

Kernels and rules need some memory of their own for a moment, which the summary leaves out: a fixed 1 MB chunk of a
convolution, a few arrays of the image's size in pooling, one in tanh's rule. So the peak may be higher than foretold,
by a third at most in these networks and by less in deeper ones, and is never lower. What stands after the forward pass,
and the optimiser's state, agree within 3 %.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import kernels, nn, optim, viz
from tinygrad_cnn.kernels import memory

BATCH, IMAGE = 32, (3, 32, 32)
NEAR, PEAK = 0.03, 1.35


class Block(nn.Module):
    """Two convolutions and a shortcut, with batch norm."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2, self.relu = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: tg.Tensor) -> Any:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


def plain() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(), nn.Linear(1024, 100), nn.ReLU(), nn.Linear(100, 10))


def residual() -> nn.Module:
    blocks = [Block(16, 16), Block(16, 16), Block(16, 32, 2), Block(32, 32)]
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def unfused() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(16, 32, 5),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(3200, 10),
    )


@pytest.fixture(autouse=True)
def _numpy_kernels_without_a_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(memory, "SMALL", 1 << 40)  # bytes, below which the C library lends
    with kernels.use("numpy"):
        yield


def held() -> int:
    return tracemalloc.get_traced_memory()[0]


def measured(make: Callable[[], nn.Module]) -> dict[str, int]:
    """Bytes: of the parameters, after the forward pass, at the peak of a step, and of the optimiser's state."""
    images = tg.Tensor(np.random.default_rng(0).standard_normal((BATCH, *IMAGE), dtype=np.float32))
    gc.collect()
    tracemalloc.start()
    try:
        empty = held()
        model = make()
        made = held()
        y = model(images)
        forward = held() - made
        y.backward(tg.Tensor(np.ones(y.shape, np.float32)))
        peak = tracemalloc.get_traced_memory()[1] - made
        stepping = optim.Adam(model.parameters())
        before = held()
        stepping.step()
        return {"parameters": made - empty, "forward": forward, "peak": peak, "state": held() - before}
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [plain, residual, unfused])
def test_memory_is_as_foretold(make: Callable[[], nn.Module]) -> None:
    totals = viz.summary(make(), IMAGE, batch_size=BATCH).totals
    found = measured(make)

    assert found["forward"] == pytest.approx(totals.forward_bytes, rel=NEAR)
    assert totals.forward_bytes + totals.backward_bytes <= found["peak"] * (1 + NEAR)
    assert found["peak"] <= PEAK * (totals.forward_bytes + totals.backward_bytes)
    assert found["state"] == pytest.approx(totals.optimizer_bytes, rel=NEAR, abs=20_000)
    assert found["parameters"] == pytest.approx(totals.parameter_bytes, rel=NEAR, abs=60_000)  # and the Modules
