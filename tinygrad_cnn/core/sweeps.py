"""The backward pass: one iterative sweep over the graph, from the outputs to the leaves.

For a node y = f(x_1, ..., x_n) the sweep knows the cotangent g = dJ/dy once every user of y has contributed, and its
plan turns it into the contributions (df/dx_i)^T g, which add up at the inputs' edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from tinygrad_cnn.core.edges import EDITS, Edge, Node
from tinygrad_cnn.core.modes import MODE, OBSERVED, Event, report
from tinygrad_cnn.core.ownership import is_sole
from tinygrad_cnn.core.registry import OPS
from tinygrad_cnn.errors import DTypeError, EditedInPlaceError, GradientError, GraphFreedError

_DONE = object()
_Pull: TypeAlias = Callable[[Any, Any], Sequence[Any]]


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
    order = _users_last(roots)
    wanted = None if inputs is None else frozenset(inputs)
    useful = None if wanted is None else _leading_to(wanted, order)  # node -> which of its inputs lead to a wanted edge
    observed = bool(MODE.flags & OBSERVED)

    cotangents: dict[Edge, Any] = {}
    found: dict[Edge, Any] = cotangents if wanted is None else {}
    for root, seed in zip(roots, seeds, strict=True):
        cotangents[root] = cotangents[root] + seed if root in cotangents else seed

    while order:
        node = order.pop()
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
            pull = _observed(pull, node)
        try:
            gradients = [*pull(g, kept)]
            g = kept = None  # from here on only those hold an array who still need it
            if not retain:
                node.kept = None
            gradients.reverse()
            for parent in node.parents:
                gradient = gradients.pop()
                if gradient is None or parent is None:
                    continue
                try:
                    fits = gradient.shape == parent.shape and gradient.dtype is parent.dtype
                except AttributeError:  # a Python number, a list
                    fits = False
                if not fits:
                    gradient = _fit(node, parent, gradient)
                if parent in cotangents:
                    gradient = _sum(cotangents.pop(parent), gradient)
                cotangents[parent] = gradient
        except Exception as error:
            _explain(error, node)
            raise
    if wanted is not None:
        found.update((leaf, cotangents[leaf]) for leaf in wanted if leaf in cotangents)
    return found


def _users_last(roots: Sequence[Edge]) -> list[Node]:
    """Every node reachable from `roots`, each before all of its users (a depth-first search, in postorder)."""
    order: list[Node] = []
    seen: set[Edge] = set()
    ahead: list[Any] = list(roots)
    while ahead:
        edge = ahead.pop()
        if edge is _DONE:  # with everything that the node below it depends on
            order.append(ahead.pop())
        elif type(edge) is Node and edge not in seen:
            seen.add(edge)
            ahead += (edge, _DONE, *edge.parents)
    return order


def _leading_to(wanted: frozenset[Edge], order: list[Node]) -> dict[Node, tuple[bool, ...]]:
    """The nodes with a wanted edge among their ancestors, and which of their inputs lead there."""
    leading: dict[Node, tuple[bool, ...]] = {}
    for node in order:
        mask = tuple(parent in wanted or parent in leading for parent in node.parents)
        if any(mask):
            leading[node] = mask
    return leading


def _sum(first: Any, second: Any) -> Any:
    """Of two contributions to one cotangent: in the place of the first, where nobody else can see that."""
    if isinstance(first, np.ndarray) and is_sole(first):
        OPS["add_to"](first, second)
        return first
    return first + second


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


def _observed(pull: _Pull, node: Node) -> _Pull:
    """`pull`, reporting itself."""

    def reporting(g: Any, kept: Any) -> Sequence[Any]:
        start = perf_counter()
        gradients = pull(g, kept)
        seconds = perf_counter() - start
        line, modules = getattr(node, "trace", (None, ()))
        report(Event("rule", node.plan.primitive, (g,), tuple(gradients), node, start, seconds, line, modules))
        return gradients

    return reporting
