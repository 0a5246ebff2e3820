"""The two questions that users ask of a graph: fill the leaves' `grad`, or give me these gradients."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

import numpy as np

from tinygrad_cnn.core.edges import Leaf
from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.ownership import is_sole
from tinygrad_cnn.core.registry import OPS, register
from tinygrad_cnn.core.sweeps import sweep
from tinygrad_cnn.core.tensors import Tensor, wrap
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, GradientError, ShapeError

_ACCUMULATION = RLock()
_RECORDING = enable_grad()  # one serves all passes


def backward(
    output: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False
) -> None:
    """Add dJ/dx to `grad` of every leaf x that `output` was computed from.

    gradient: the cotangent dJ/d(output), of the output's shape; may be left out for a scalar, where it is 1.
    retain_graph: keep the graph for another backward pass (by default only where `create_graph` is set).
    create_graph: record the backward pass itself, so that gradients can be differentiated again.

    Raises: GradientError where nothing was recorded or the graph was freed; ShapeError, DTypeError where `gradient`
    does not fit.
    """
    retain = create_graph if retain_graph is None else retain_graph
    seed = _seed("backward", output, gradient, create_graph)
    with _RECORDING:
        found = sweep([output._edge], [seed], record=create_graph, retain=retain)  # type: ignore[list-item]
        taken = {id(seed)}
        with _ACCUMULATION:  # threads may share leaves
            for leaf in [*found]:
                fresh = _own(found.pop(leaf), taken)
                if type(leaf) is Leaf:
                    leaf.grad = fresh if leaf.grad is None else _sum(leaf.grad, fresh, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of (the sum of) `outputs` with respect to each of `inputs`, which may lie anywhere in the graph.

    Only what leads to `inputs` is computed; no leaf's `grad` changes.

    grad_outputs: a cotangent for each output; may be left out for scalars.
    create_graph: record the computation, for derivatives of higher order.
    allow_unused: give None for an input that no output depends on, where it would be an error.

    Raises: GradientError where an input is unused or requires no gradient, or the graph was freed.

    Example:
        >>> x = Tensor([2.0], requires_grad=True)
        >>> (slope,) = grad((x**3).sum(), x, create_graph=True)
        >>> (curvature,) = grad(slope.sum(), x)
        >>> slope.item(), curvature.item()
        (12.0, 12.0)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    seeds = [None] * len(outputs) if grad_outputs is None else grad_outputs
    seeds = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    if len(seeds) != len(outputs):
        raise ArgumentTypeError(f"grad: {len(outputs)} outputs, {len(seeds)} grad_outputs")
    for x in [*outputs, *inputs]:
        if not isinstance(x, Tensor):
            raise ArgumentTypeError(f"grad: expects Tensors as outputs and inputs, got a {type(x).__name__}")
    for i, x in enumerate(inputs):
        if x._edge is None:
            raise GradientError(f"grad: inputs[{i}] requires no gradient; make it with requires_grad=True")
    retain = create_graph if retain_graph is None else retain_graph
    seeds = [_seed("grad", y, seed, create_graph) for y, seed in zip(outputs, seeds, strict=True)]
    with _RECORDING:
        found = sweep(
            [y._edge for y in outputs if y._edge is not None],
            seeds,
            inputs=[x._edge for x in inputs if x._edge is not None],
            record=create_graph,
            retain=retain,
        )
    gradients = [found.get(x._edge) for x in inputs]  # type: ignore[arg-type]
    found.clear()
    unused = [i for i, gradient in enumerate(gradients) if gradient is None]
    if unused and not allow_unused:
        where = f"inputs[{unused[0]}]"
        raise GradientError(f"grad: no output depends on {where}; pass allow_unused=True to get None for it")
    gradients.reverse()
    taken = set(map(id, seeds))
    return tuple([_own(gradients.pop(), taken) for _ in inputs])


def _seed(caller: str, output: Tensor, gradient: Any, create_graph: bool) -> Any:
    edge = output._edge
    if edge is None:
        raise GradientError(
            f"{caller}: nothing was recorded for this Tensor: none of what it was computed from requires a gradient, "
            "or it was computed inside no_grad()"
        )
    if gradient is None:
        if output.numel() != 1:
            raise ShapeError(
                f"{caller}: expects a scalar, got shape {output.shape}; reduce it (y.sum()) or give the cotangent"
            )
        gradient = np.array(1, edge.dtype, ndmin=len(edge.shape))
    elif not isinstance(gradient, Tensor):
        gradient = np.asarray(gradient, edge.dtype)
    if gradient.shape != edge.shape or gradient.dtype != edge.dtype:
        expected, got = f"{edge.dtype} {edge.shape}", f"{gradient.dtype} {gradient.shape}"
        raise (ShapeError if gradient.shape != edge.shape else DTypeError)(
            f"{caller}: expects a cotangent of {expected}, got {got}; convert with .reshape(), .float() or .double()"
        )
    if create_graph:
        return gradient if isinstance(gradient, Tensor) else wrap(gradient)
    return gradient._data if isinstance(gradient, Tensor) else gradient


def _own(cotangent: Any, taken: set[int]) -> Any:
    """The cotangent as a Tensor that nobody else holds: rules may return views, or hand one array to several inputs.

    taken: the Tensors of a recorded pass that were given out.
    """
    if isinstance(cotangent, Tensor):
        fresh = cotangent if is_sole(cotangent._data) and id(cotangent) not in taken else OPS["clone"](cotangent)
        taken.add(id(fresh))
        return fresh
    return None if cotangent is None else wrap(cotangent if is_sole(cotangent) else np.array(cotangent), None, [0])


def _sum(old: Tensor, fresh: Tensor, create_graph: bool) -> Tensor:
    if create_graph or old._edge is not None:
        return old + fresh
    fresh._data += old._data  # in the array that nobody has seen yet
    return fresh


register(backward=backward)
