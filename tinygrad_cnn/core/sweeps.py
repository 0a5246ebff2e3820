"""The backward pass: one iterative sweep over the graph, from the outputs to the leaves.

For a node y = f(x_1, ..., x_n) the sweep knows the cotangent g = dJ/dy once every user of y has contributed, and its
plan turns it into the contributions (df/dx_i)^T g, which add up at the inputs' edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Any, Protocol

from tinygrad_cnn.core.edges import EDITS, Edge, Leaf, Node
from tinygrad_cnn.core.modes import MODE, OBSERVED, Event, report
from tinygrad_cnn.core.registry import OPS
from tinygrad_cnn.errors import DTypeError, EditedInPlaceError, GradientError, GraphFreedError


class _Pull(Protocol):
    def __call__(self, g: Any, kept: Any, /) -> Sequence[Any]: ...


def sweep(
    roots: Sequence[Edge],
    seeds: Sequence[Any],
    *,
    inputs: Iterable[Edge] | None = None,
    record: bool = False,
    retain: bool = False,
) -> dict[Edge, Any]:
    """The cotangents that reach the leaves, or just `inputs` where they are given.

    roots, seeds: the outputs' edges and their cotangents (arrays; Tensors where `record`).
    record: run the rules on Tensors, so that the result can be differentiated again.
    retain: keep the graph's arrays for another sweep; without it each node is freed as soon as it has been used.
    """
    order = _topological_order(roots)
    wanted = None if inputs is None else frozenset(inputs)
    useful = None if wanted is None else _leading_to(wanted, order)  # node -> which of its inputs lead to a wanted edge
    observed = bool(MODE.flags & OBSERVED)

    cotangents: dict[Edge, Any] = {}
    found: dict[Edge, Any] = cotangents if wanted is None else {}
    for root, seed in zip(roots, seeds, strict=True):
        cotangents[root] = cotangents[root] + seed if root in cotangents else seed

    for edge in order:
        if type(edge) is Leaf:
            continue
        node: Node = edge  # type: ignore[assignment]
        g = cotangents.pop(node, None)
        if wanted is not None and node in wanted and g is not None:
            found[node] = g
        plan = node.plan
        if g is None or (useful is not None and node not in useful):
            continue
        kept = node.kept
        if kept is None:
            raise GraphFreedError(
                f"{plan.name}: an earlier backward pass freed this graph; pass retain_graph=True to it "
                "(a pass that failed has freed what it went through)"
            )
        if node.versions is not None and node.clock != EDITS.now and plan.edited(node.versions, node.clock):
            raise EditedInPlaceError(
                f"{plan.name}: an array that its rule needs was edited after the forward pass; run the forward pass "
                "again, or edit a copy"
            )
        pull: _Pull = plan.pull if useful is None else plan.pull_towards(useful[node])
        if record:
            pull, kept = plan.recorded(pull, node)
        if observed:
            pull = _Observed(pull, node)
        try:
            for parent, gradient in zip(node.parents, pull(g, kept)):  # noqa: B905  (the plan made both of one length)
                if gradient is None or parent is None:
                    continue
                try:
                    fits = gradient.shape == parent.shape and gradient.dtype is parent.dtype
                except AttributeError:  # a Python number, a list
                    fits = False
                if not fits:
                    gradient = _fit(node, parent, gradient)
                cotangents[parent] = cotangents[parent] + gradient if parent in cotangents else gradient
        except Exception as error:
            _explain(error, node)
            raise
        if not retain:
            node.kept = None
    if wanted is not None:
        found.update((leaf, cotangents[leaf]) for leaf in wanted if leaf in cotangents)
    return found


def _topological_order(roots: Sequence[Edge]) -> list[Edge]:
    """Every edge reachable from `roots`, each after all of its users (Kahn's algorithm)."""
    pending: dict[Edge, int] = dict.fromkeys(roots, 0)  # how many users have not been placed yet
    stack = list(pending)
    while stack:
        edge = stack.pop()
        if type(edge) is Leaf:
            continue
        for parent in edge.parents:  # type: ignore[union-attr]
            if parent in pending:
                pending[parent] += 1
            elif parent is not None:
                pending[parent] = 1
                stack.append(parent)
    order: list[Edge] = []
    ready = [root for root in dict.fromkeys(roots) if pending[root] == 0]
    while ready:
        edge = ready.pop()
        order.append(edge)
        if type(edge) is Leaf:
            continue
        for parent in edge.parents:  # type: ignore[union-attr]
            if parent is None:
                continue
            left = pending[parent] - 1
            if left:
                pending[parent] = left
            else:
                ready.append(parent)
    return order


def _leading_to(wanted: frozenset[Edge], order: list[Edge]) -> dict[Node, tuple[bool, ...]]:
    """The nodes with a wanted edge among their ancestors, and which of their inputs lead there."""
    leading: dict[Node, tuple[bool, ...]] = {}
    for edge in reversed(order):
        if type(edge) is Node:
            mask = tuple(parent in wanted or parent in leading for parent in edge.parents)
            if any(mask):
                leading[edge] = mask
    return leading


def _fit(node: Node, parent: Edge, gradient: Any) -> Any:
    """The cotangent in its input's shape and dtype: summed over broadcast axes where the primitive is elementwise."""
    plan = node.plan
    argument = plan.argument(next(i for i, p in enumerate(node.parents) if p is parent))
    if not hasattr(gradient, "dtype"):
        raise GradientError(f"{plan.name}: its rule for {argument} returned a {type(gradient).__name__}, no array")
    if plan.elementwise and gradient.shape == node.shape and gradient.dtype.kind == "f":
        # Broadcasting copied the input along those axes, and its gradient is the sum over the copies.
        if gradient.shape != parent.shape:
            gradient = OPS["sum_to"](gradient, parent.shape)
        return gradient if gradient.dtype == parent.dtype else OPS["cast"](gradient, parent.dtype)
    if gradient.shape != parent.shape:
        raise GradientError(
            f"{plan.name}: its rule for {argument} returned shape {gradient.shape}, {argument} has shape {parent.shape}"
        )
    if gradient.dtype != parent.dtype:
        raise DTypeError(
            f"{plan.name}: its rule for {argument} returned {gradient.dtype}, {argument} is {parent.dtype}; "
            "keep constants as Python scalars, which do not promote"
        )
    return gradient


def _explain(error: Exception, node: Node) -> None:
    """Say in `error` whose rule raised it and, where an observer watched, which line of the user's called it."""
    line = getattr(node, "trace", (None,))[0]
    place = f", called at {line}" if line else ""
    error.add_note(f"in the backward rule of {node.plan.name}, for an output of shape {node.shape}{place}")


class _Observed:
    """A pull that reports itself."""

    def __init__(self, pull: _Pull, node: Node) -> None:
        self.pull, self.node = pull, node

    def __call__(self, g: Any, kept: Any, /) -> Sequence[Any]:
        start = perf_counter()
        gradients = self.pull(g, kept)
        seconds = perf_counter() - start
        line, modules = getattr(self.node, "trace", (None, ()))
        plan = self.node.plan
        report(Event("rule", plan.primitive, (g,), tuple(gradients), self.node, seconds, line, modules))
        return gradients
