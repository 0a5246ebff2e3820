"""The gradients of a recorded computation: one backward pass that leaves no trace, watched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core import Event, enable_grad, observe
from tinygrad_cnn.core.edges import Edge
from tinygrad_cnn.core.sweeps import sweep
from tinygrad_cnn.errors import GradientError
from tinygrad_cnn.viz.descriptions import Gradient
from tinygrad_cnn.viz.measures import gradient
from tinygrad_cnn.viz.sketches import Flow


def gradient_flow(results: Sequence[Edge], numbers: Mapping[int, int], with_statistics: bool) -> Flow:
    """The gradients of the sum of all results, at the nodes and along the edges between them.

    numbers: of the nodes, by the id of their edge in the graph. No leaf's `grad` changes, and the graph stays usable.

    Raises: GradientError where nothing requires a gradient; GraphFreedError where a backward pass has freed the graph.
    """
    if not results:
        raise GradientError(
            "graph: backward=True draws gradients, but nothing that ran requires one; "
            "set requires_grad=True, and run outside no_grad()"
        )
    seeds = [np.ones(edge.shape, edge.dtype) for edge in results]
    reference = math.sqrt(sum(seed.size for seed in seeds)) or 1.0
    at_nodes: dict[int, Gradient] = {}
    along_edges: dict[tuple[int, int, str], Gradient] = {}

    def watch(event: Event) -> None:
        node = event.node
        number = numbers.get(id(node))
        if event.kind != "rule" or number is None:
            return
        at_nodes[number] = gradient(event.inputs[0], reference, with_statistics)
        for position, (parent, cotangent) in enumerate(zip(node.parents, event.output, strict=True)):
            source = numbers.get(id(parent))
            if source is not None and isinstance(cotangent, np.ndarray):
                key = source, number, node.plan.argument(position)
                along_edges[key] = gradient(cotangent, reference, with_statistics=False)

    with enable_grad(), observe(watch):
        at_leaves: dict[Any, Any] = sweep(results, seeds, retain=True)
    for leaf, cotangent in at_leaves.items():
        if id(leaf) in numbers:
            at_nodes[numbers[id(leaf)]] = gradient(cotangent, reference, with_statistics)
    return Flow(at_nodes, along_edges)
