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
from tinygrad_cnn.viz.drawing import Drawing
from tinygrad_cnn.viz.labels import facts, names_by_key
from tinygrad_cnn.viz.pictures import Graph
from tinygrad_cnn.viz.recordings import record
from tinygrad_cnn.viz.sketches import Sketch


def graph(
    model_or_tensor: Tensor | Callable[..., Any],
    input: Tensor | NDArray[Any] | Sequence[Any] | None = None,
    names: Mapping[str, Any] | None = None,
) -> Graph:
    """The picture of a computation.

    Of a Tensor: the graph recorded behind it, which holds whatever gradients flow through, and no constants. Of a
    module, or any function of Tensors: everything that one call with `input` runs, framed by module.

    input: what the model is called with, once, just as it is (in its mode, with its random numbers); a tuple or list
    holds several arguments.
    names: inputs, leaves and results by the name under which they are drawn.

    Raises: ArgumentError for a Tensor behind which nothing was recorded; ArgumentTypeError where the model has no input
    or the Tensor has one.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import viz
        >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> picture = viz.graph((w * w).sum(), names={"w": w})
        >>> picture
        Graph(4 boxes, 4 arrows)
        >>> print(picture.dot.splitlines()[-3].strip())
        B -> C [weight=8]
    """
    if isinstance(model_or_tensor, Tensor):
        if input is not None:
            raise ArgumentTypeError("graph: a Tensor is drawn without input; pass the model to draw it with an input")
        return Graph(_drawn_behind(model_or_tensor, names or {}))
    if not callable(model_or_tensor):
        raise ArgumentTypeError(f"graph: expects a Tensor or a model, got {type(model_or_tensor).__name__}")
    if input is None:
        raise ArgumentTypeError("graph: a model is drawn by running it, which needs an input: graph(model, input)")
    return _drawn_running(model_or_tensor, input, names or {})


# ---- the graph behind a Tensor


def _drawn_behind(tensor: Tensor, names: Mapping[str, Any]) -> Drawing:
    if tensor._edge is None:
        raise ArgumentError(
            "graph: nothing was recorded behind this Tensor (no input requires a gradient, or no_grad was on); "
            "pass the model and its input instead: graph(model, input)"
        )
    titles = names_by_key(names)
    sketch = Sketch()
    boxes: dict[Edge, int] = {}
    for edge in _inputs_first(tensor._edge):
        if isinstance(edge, Leaf):
            title = titles.get(id(edge), "leaf")
            boxes[edge] = sketch.drawing.add_box("parameter", title, (facts(edge.shape, edge.dtype),), None)
        else:
            plan = edge.plan
            operands = [(plan.argument(i), boxes[p]) for i, p in enumerate(edge.parents) if p is not None]
            modules = getattr(edge, "trace", (None, ()))[1]
            boxes[edge] = sketch.add_call(plan.primitive, operands, [facts(edge.shape, edge.dtype)], modules)
    sketch.add_output(boxes[tensor._edge], titles.get(id(tensor._edge), "output"))
    return sketch.drawing


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


def _drawn_running(model: Callable[..., Any], input: Any, names: Mapping[str, Any]) -> Graph:
    given = input if isinstance(input, tuple | list) else (input,)
    arguments = [_as_tensor(value) for value in given]
    with record() as recording:
        result = model(*arguments)
    titled = zip(_argument_names(model, len(arguments)), arguments, strict=True)
    inputs = {name: value for name, value in titled if name not in names and isinstance(value, Tensor)}
    return recording.graph(model, names={**names, **inputs}, outputs=list(_tensors_in(result)))


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
