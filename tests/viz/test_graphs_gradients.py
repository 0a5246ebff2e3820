"""Gradients in drawings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, viz
from tinygrad_cnn.errors import GradientError, GraphFreedError
from tinygrad_cnn.viz.measures import norm

RNG = np.random.default_rng(0)
BATCH = RNG.normal(size=(5, 3)).astype(np.float32)


def gradient(graph: viz.Graph, label: str) -> Any:
    return next(node["gradient"] for node in graph.description["nodes"] if node["label"] == label)


def size(array: Any) -> float:
    return float(np.linalg.norm(np.asarray(array, np.float64)))


@pytest.mark.parametrize("drawn", ["model", "tensor"])
def test_norms_are_those_that_backward_finds(drawn: str) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    if drawn == "model":
        graph = viz.graph(model, BATCH, backward=True)
    else:
        graph = viz.graph(model(tg.Tensor(BATCH)).sum(), names=dict(model.named_parameters()), backward=True)
    assert all(parameter.grad is None for parameter in model.parameters())
    model(tg.Tensor(BATCH)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert gradient(graph, name) == {"norm": pytest.approx(size(parameter.grad.data)), "health": "healthy"}


def test_every_use_sends_its_share_back() -> None:
    x = tg.tensor([3.0], requires_grad=True)
    graph = viz.graph(x * x + x.exp().relu() * 0.0, names={"x": x}, backward=True)
    shares = {
        (edge["from"], edge["to"], edge["argument"]): edge["gradient"]["norm"]
        for edge in graph.description["edges"]
        if edge["gradient"]
    }
    assert shares["x", "mul", "a"] == shares["x", "mul", "b"] == 3
    assert shares["x", "exp", "x"] == 0
    assert gradient(graph, "x")["norm"] == 6
    assert gradient(graph, "exp")["health"] == "zero"


def test_what_needs_no_gradient_has_none() -> None:
    graph = viz.graph(nn.Linear(3, 4), BATCH, backward=True)
    assert gradient(graph, "input") is None
    assert gradient(graph, "linear")["norm"] == pytest.approx(np.sqrt(20))
    assert gradient(viz.graph(nn.Linear(3, 4), BATCH), "linear") is None


def scaled(factor: float) -> nn.Module:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x: Any) -> Any:
            return self.fc(x) * factor

    return Scaled()


@pytest.mark.parametrize(
    ("factor", "health"),
    [(1.0, "healthy"), (1e-6, "vanishing"), (1e5, "exploding"), (0.0, "zero"), (np.nan, "nan"), (np.inf, "exploding")],
)
def test_health_is_judged_by_the_norm_at_the_results(factor: float, health: str) -> None:
    with np.errstate(all="ignore"):
        graph = viz.graph(scaled(factor), BATCH, backward=True)
    found = gradient(graph, "linear")
    assert found["health"] == health
    assert (found["norm"] is None) == (not np.isfinite(factor))
    assert "constraint=false" in graph.dot


def test_one_box_does_not_hide_a_sick_gradient_inside() -> None:
    model = nn.Sequential(scaled(0.0), nn.Tanh())
    graph = viz.graph(model, BATCH, depth=1, backward=True)
    (box,) = [node for node in graph._shown["nodes"] if node["label"] == "0: Scaled"]
    assert box["gradient"] is not None
    assert box["gradient"]["health"] == "zero"
    assert "gradient 4.5, zero inside" in graph.dot


def test_folded_layers_show_the_norms_of_all() -> None:
    layers = [nn.Linear(3, 3, bias=False) for _ in range(3)]
    for layer in layers:
        layer.weight.data = 2 * np.eye(3, dtype=np.float32)
    graph = viz.graph(nn.Sequential(*layers), BATCH, backward=True)
    (box,) = [node for node in graph._shown["nodes"] if node["kind"] == "operation"]
    assert box["gradient"] is not None
    assert box["gradient"]["norm"] == pytest.approx(np.sqrt(15))
    assert box["gradient"]["norm_to"] == pytest.approx(4 * np.sqrt(15))
    assert "gradient 3.9 to 15" in graph.dot


def test_a_recorded_loss_is_drawn_with_its_gradients_and_their_spread() -> None:
    model, labels = nn.Linear(3, 4), np.arange(5) % 4
    with viz.record() as recording:
        loss = nn.CrossEntropyLoss()(model(tg.Tensor(BATCH)), labels)
    graph = recording.graph(model, names={"loss": loss}, backward=True)
    assert gradient(graph, "cross_entropy")["norm"] == 1
    spread = gradient(viz.graph(model, BATCH, backward=True, statistics=True), "linear")["statistics"]
    assert (spread["mean"], spread["std"]) == (1, 0)


def test_joined_tensors_get_their_own_shares() -> None:
    x, w = (tg.tensor([value], requires_grad=True) for value in (1.0, 2.0))
    graph = viz.graph(tg.cat([x, w * 3.0]).sum(), names={"x": x, "w": w}, backward=True)
    assert (gradient(graph, "x")["norm"], gradient(graph, "w")["norm"]) == (1, 3)


def test_without_anything_to_differentiate_it_is_refused() -> None:
    with pytest.raises(GradientError, match="nothing that ran requires one"):
        viz.graph(nn.ReLU(), BATCH, backward=True)


def test_a_freed_graph_is_refused_and_a_drawn_one_is_not_freed() -> None:
    x = tg.tensor([1.0], requires_grad=True)
    y = x.exp().sum()
    viz.graph(y, backward=True)
    y.backward()
    with pytest.raises(GraphFreedError, match="retain_graph=True"):
        viz.graph(y, backward=True)
    assert "exp" in viz.graph(y).dot


def test_norms_neither_overflow_nor_underflow() -> None:
    assert norm(np.full(4, 1e30, np.float32)) == pytest.approx(2e30)
    assert norm(np.full(4, 1e-30, np.float32)) == pytest.approx(2e-30)
    assert norm(np.zeros((0, 3), np.float32)) == 0
    assert norm(np.zeros(3)) == 0
