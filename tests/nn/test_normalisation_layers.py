"""Normalisation layers: their buffers, training and evaluation, copying, and a network that learns with them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ShapeError


def images(*shape: int) -> tg.Tensor:
    return tg.tensor(np.random.default_rng(0).normal(1, 2, shape).astype(np.float32))


def test_state_has_the_names_of_pytorch() -> None:
    state = nn.BatchNorm2d(3).state_dict()
    assert list(state) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert state["num_batches_tracked"].dtype == np.int64
    assert state["num_batches_tracked"].shape == ()
    assert list(nn.BatchNorm2d(3, affine=False, track_running_stats=False).state_dict()) == []
    assert list(nn.LayerNorm((2, 3), bias=False).state_dict()) == ["weight"]


def test_training_counts_batches_and_evaluation_uses_them() -> None:
    layer = nn.BatchNorm2d(3)
    x = images(8, 3, 4, 5)
    for _ in range(200):
        layer(x)
    assert layer.num_batches_tracked is not None
    assert layer.num_batches_tracked.item() == 200
    trained = layer(x).data
    np.testing.assert_allclose(layer.eval()(x).data, trained, rtol=1e-2)
    assert layer.num_batches_tracked.item() == 201


def test_a_copy_has_statistics_of_its_own() -> None:
    layer = nn.BatchNorm1d(3)
    twin = copy.deepcopy(layer)
    layer(images(4, 3))
    assert twin.running_mean is not None
    assert twin.running_mean.tolist() == [0.0, 0.0, 0.0]
    twin.load_state_dict(layer.state_dict())
    layer(images(4, 3))
    assert twin.num_batches_tracked is not None
    assert twin.num_batches_tracked.item() == 1


def test_a_network_with_batch_norm_learns() -> None:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, generator=rng), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten(), nn.Linear(64, 2, generator=rng)
    )
    optimizer, loss_of = optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(label_smoothing=0.1)
    x = tg.tensor(rng.normal(100, 5, (16, 1, 6, 6)).astype(np.float32))
    labels = (x.data[:, 0, :3].mean((1, 2)) > x.data[:, 0, 3:].mean((1, 2))).astype(int)
    losses: list[Any] = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert (model(x).data.argmax(1) == labels).all()


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"BatchNorm2d: expects 4-d input, got shape \(2, 3\)"):
        nn.BatchNorm2d(3)(images(2, 3))
    with pytest.raises(ShapeError, match="batch_norm: expects more than 1 value per channel in training"):
        nn.BatchNorm1d(3)(images(1, 3))
    with pytest.raises(ArgumentError, match="GroupNorm: num_groups must divide the 4 channels, got 3"):
        nn.GroupNorm(3, 4)
    with pytest.raises(ShapeError, match=r"GroupNorm: expects 4 channels, got input \(2, 6\)"):
        nn.GroupNorm(2, 4)(images(2, 6))
    with pytest.raises(ArgumentError, match="BatchNorm1d: sizes must be at least 1"):
        nn.BatchNorm1d(0)
    with pytest.raises(ArgumentError, match="PReLU: num_parameters must be at least 1"):
        nn.PReLU(0)
    with pytest.raises(
        ArgumentError, match="KLDivLoss: reduction must be 'mean', 'sum', 'none' or 'batchmean', got 'x'"
    ):
        nn.KLDivLoss(reduction="x")
