"""Whatever the model, and however much of it is shown: boxes and arrows belong together, and costs add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from graphlib import TopologicalSorter
from math import prod
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygrad_cnn import nn, viz
from tinygrad_cnn.viz.folding import ancestors

X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return x + self.inner(x)


def build(plan: Any) -> nn.Module:
    """A module from a letter (a layer), or from a tuple: a list of plans, each so many times."""
    if plan == "l":
        return nn.Linear(3, 3)
    if plan == "t":
        return nn.Tanh()
    if plan == "b":
        return nn.BatchNorm1d(3).eval()
    kind, parts = plan
    inner = nn.Sequential(*(build(part) for part, count in parts for _ in range(count)))
    return Residual(inner) if kind == "residual" else inner


def nested(plans: Any) -> Any:
    parts = st.lists(st.tuples(plans, st.integers(1, 3)), min_size=1, max_size=3)
    return st.tuples(st.sampled_from(["residual", "chain"]), parts)


PLANS = nested(st.recursive(st.sampled_from("ltb"), nested, max_leaves=5))


@settings(max_examples=60)
@given(PLANS, st.none() | st.integers(0, 4), st.booleans(), st.booleans())
def test_boxes_arrows_and_costs_belong_together(plan: Any, depth: int | None, backward: bool, fold: bool) -> None:
    model = build(plan)
    backward = backward and any(True for _ in model.parameters())
    graph = viz.graph(model, X, depth=depth, backward=backward, fold=fold)
    shown, modules = graph._shown, {module["path"]: module for module in graph._shown["modules"]}
    entries = {module["path"]: module for module in graph.description["modules"]}

    ids = Counter(node["id"] for node in shown["nodes"])
    assert max(ids.values()) == 1
    users: dict[str, list[str]] = defaultdict(list)
    for edge in shown["edges"]:
        assert {edge["from"], edge["to"]} <= set(ids)
        users[edge["from"]].append(edge["to"])
    list(TopologicalSorter(users).static_order())  # it raises where arrows run in a circle
    assert all(users[node["id"]] for node in shown["nodes"] if node["kind"] != "output")
    assert all(node["module"] in modules or not node["module"] for node in shown["nodes"])

    chains = ancestors(graph.description["modules"])
    total = 0
    for node in shown["nodes"]:
        path = node["id"].removesuffix("/") if node["kind"] == "module" else node["module"]
        total += (node["multiply_adds"] or 0) * prod(entries[outer]["copies"] for outer in chains[path])
    assert total == graph.description["modules"][0]["multiply_adds"]
    assert depth is None or all(len(chains[path]) <= depth for path in modules)
