"""Computations as the interactive page is given them: one that ran, and one written by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tinygrad_cnn import Tensor, cross_entropy, nn, viz

# What would be markup if any text went into the page unescaped.
EVIL = "</script><b>&amp;\"'<img src=x onerror=document.title='!'>\u2028"


def described(document: str) -> dict[str, Any]:
    """The JSON that a browser would read."""
    text = document.partition('<script type="application/json" id="description">')[2].partition("</script>")[0]
    description: dict[str, Any] = json.loads(text)
    return description


def network() -> viz.Graph:
    """One batch through two convolutions and a shortcut, with its loss, statistics and gradients."""
    rng = np.random.default_rng(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
            self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
            self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))

        def forward(self, images: Tensor) -> Tensor:
            x = self.features(images)
            logits: Tensor = self.classifier(x + self.block(x))
            return logits

    model = Net()
    images, labels = Tensor(rng.normal(size=(2, 1, 6, 6)).astype("float32")), np.array([0, 2])
    with viz.record(statistics=True) as recording:
        loss = cross_entropy(model(images), labels)
    names = {"images": images, "labels": labels, "loss": loss}
    return recording.graph(model, names=names, backward=True)


def by_hand(**changes: Any) -> dict[str, Any]:
    """An operation on a parameter, with whatever else the node of the operation has."""
    nodes = [
        {"id": "w", "label": "w", "kind": "parameter", "module": "", "shape": [2]},
        {"id": "y", "label": "mul", "kind": "operation", "module": "M", "shape": [2], **changes},
        {"id": "out", "label": "loss", "kind": "output", "module": "", "shape": None},
    ]
    edges = [{"from": "w", "to": "y", "shape": [2]}, {"from": "y", "to": "out", "shape": [2]}]
    return {"title": "by hand", "nodes": nodes, "edges": edges, "modules": [{"path": "M", "parent": "", "label": "M"}]}
