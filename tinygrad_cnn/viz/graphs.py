"""Drawing a computation: of a Tensor that remembers it, or of a model by running it once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core import Tensor
from tinygrad_cnn.core.edges import Edge, Leaf
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.viz.descriptions import Description
from tinygrad_cnn.viz.gradient_flows import gradient_flow
from tinygrad_cnn.viz.labels import names_by_key
from tinygrad_cnn.viz.measures import KeptBytes, kept_arrays, multiply_adds_of
from tinygrad_cnn.viz.pictures import Graph
from tinygrad_cnn.viz.recordings import record
from tinygrad_cnn.viz.sketches import WITH_USERS, Outcome, Sketch


def graph(
    model_or_tensor: Tensor | Callable[..., Any],
    input: Tensor | NDArray[Any] | Sequence[Any] | None = None,
    names: Mapping[str, Any] | None = None,
    *,
    depth: int | None = None,
    backward: bool = False,
    statistics: bool = False,
    fold: bool = True,
) -> Graph:
    """The picture of a computation.

    Of a Tensor: the graph recorded behind it, which holds whatever gradients flow through, and no constants. Of a
    module, or any function of Tensors: everything that one call with `input` runs, framed by module.

    input: what the model is called with, once, just as it is (in its mode, with its random numbers); a tuple or list
    holds several arguments.
    names: inputs, leaves and results by the name under which they are drawn.
    depth: modules that lie deeper are one box each: 0 draws the model as one box, 1 its children, and so on.
    backward: draw the gradients of the sum of all results, each with its norm, coloured by health: vanishing below
    1e-5 and exploding above 1e4 times the norm at the results, zero, NaN. No `grad` changes.
    statistics: note how values (of a model) and gradients are spread, for the page `graph.html`; it takes time.
    fold: draw equal modules that follow one another once, with their number.

    Raises: ArgumentError for a Tensor behind which nothing was recorded, or a depth below 0; ArgumentTypeError where
    the model has no input or the Tensor has one; GradientError where gradients are asked for and there are none; and
    what the model raises for an input that does not fit, which names the layer.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import viz
        >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> picture = viz.graph((w * w).sum(), names={"w": w})
        >>> picture
        Graph(4 boxes, 4 arrows)
        >>> print(picture.dot.splitlines()[-3].strip())
        "mul" -> "sum" [label=" 2 ", weight=8]
    """
    if depth is not None and depth < 0:
        raise ArgumentError(f"graph: depth expects 0 (the model as one box) or more, got {depth}")
    if isinstance(model_or_tensor, Tensor):
        if input is not None:
            raise ArgumentTypeError("graph: a Tensor is drawn without input; pass the model to draw it with an input")
        return Graph(_described_behind(model_or_tensor, names or {}, depth, backward, statistics), fold)
    if not callable(model_or_tensor):
        raise ArgumentTypeError(f"graph: expects a Tensor or a model, got {type(model_or_tensor).__name__}")
    if input is None:
        raise ArgumentTypeError(
            "graph: a drawing shows one run, and this model was not run; pass what it takes, graph(model, input), "
            "or draw what it gave, graph(model(images))"
        )
    arguments = [_as_tensor(value) for value in (input if isinstance(input, tuple | list) else (input,))]
    with record(statistics) as recording:
        result = model_or_tensor(*arguments)
    titled = zip(_argument_names(model_or_tensor, len(arguments)), arguments, strict=True)
    given = dict(names or {})
    inputs = {name: value for name, value in titled if name not in given and isinstance(value, Tensor)}
    return recording.graph(
        model_or_tensor,
        names={**given, **inputs},
        outputs=list(_tensors_in(result)),
        depth=depth,
        backward=backward,
        fold=fold,
    )


# ---- the graph behind a Tensor


def _described_behind(
    tensor: Tensor, names: Mapping[str, Any], depth: int | None, backward: bool, statistics: bool
) -> Description:
    root = tensor._edge
    if root is None:
        raise ArgumentError(
            "graph: nothing was recorded behind this Tensor (no input requires a gradient, or no_grad was on); "
            "pass the model and its input instead: graph(model, input)"
        )
    titles = names_by_key(names)
    sketch = Sketch()
    kept = KeptBytes()
    numbers: dict[int, int] = {}  # by id of an edge
    for edge in _inputs_first(root):
        outcome = Outcome(edge.shape, str(edge.dtype), int(np.prod(edge.shape)))
        if isinstance(edge, Leaf):
            title = titles.get(id(edge), "leaf")
            numbers[id(edge)] = sketch.add_source("parameter", title, outcome, WITH_USERS, learned=True)
        else:
            plan = edge.plan
            operands = [(plan.argument(i), numbers[id(p)]) for i, p in enumerate(edge.parents) if p is not None]
            modules = getattr(edge, "trace", (None, ()))[1]
            size = kept.count(kept_arrays(edge))
            cost = multiply_adds_of(edge)
            numbers[id(edge)] = sketch.add_call(plan.primitive, operands, outcome, modules, cost, size)
    title = titles.get(id(root), "output")
    sketch.add_output(numbers[id(root)], title)
    flow = [gradient_flow([root], numbers, statistics)] if backward else []
    return sketch.description(title, depth, *flow)


def _inputs_first(root: Edge) -> Iterator[Edge]:
    """Every edge behind `root`, each after its inputs; without recursion, for graphs as deep as they may be."""
    done: set[Edge] = set()
    stack = [root]
    while stack:
        edge = stack[-1]
        parents = [] if isinstance(edge, Leaf) else edge.parents
        waiting = [parent for parent in parents if parent is not None and parent not in done]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if edge not in done:
            done.add(edge)
            yield edge


# ---- one call of a model


def _as_tensor(value: Any) -> Any:
    return Tensor(value) if isinstance(value, np.ndarray) else value


def _argument_names(model: Callable[..., Any], count: int) -> list[str]:
    """What the model calls its arguments; `input 1` and so on where it does not say."""
    try:
        parameters = list(inspect.signature(getattr(model, "forward", model)).parameters.values())
    except (TypeError, ValueError):  # some built-in callables have no signature
        parameters = []
    positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [positional[i] if i < len(positional) else f"input {i + 1}" for i in range(count)]


def _tensors_in(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from _tensors_in(value)
    elif isinstance(result, tuple | list):
        for value in result:
            yield from _tensors_in(value)
