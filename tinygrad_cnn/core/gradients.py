"""The two questions that users ask of a graph: fill the leaves' `grad`, or give me these gradients."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from tinygrad_cnn.core.edges import Leaf
from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.registry import OPS, register
from tinygrad_cnn.core.sweeps import sweep
from tinygrad_cnn.core.tensors import Tensor, wrap
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, GradientError, ShapeError

_ACCUMULATION = Lock()


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
    with enable_grad():
        found = sweep([output._edge], [seed], record=create_graph, retain=retain)  # type: ignore[list-item]
        taken = {id(getattr(gradient, "_data", gradient))}
        for leaf, cotangent in found.items():
            if not isinstance(leaf, Leaf):
                continue
            fresh = _own(cotangent, taken)
            with _ACCUMULATION:  # threads may share leaves
                grad = leaf.grad
                leaf.grad = fresh if grad is None else grad + fresh if create_graph else _sum(grad, fresh)


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
    with enable_grad():
        found = sweep(
            [y._edge for y in outputs if y._edge is not None],
            [_seed("grad", y, seed, create_graph) for y, seed in zip(outputs, seeds, strict=True)],
            inputs=[x._edge for x in inputs if x._edge is not None],
            record=create_graph,
            retain=retain,
        )
    taken = {id(getattr(seed, "_data", seed)) for seed in seeds}
    gradients = [found.get(x._edge) if x._edge is not None else None for x in inputs]
    for i, gradient in enumerate(gradients):
        if gradient is None and not allow_unused:
            raise GradientError(f"grad: no output depends on inputs[{i}]; pass allow_unused=True to get None for it")
    return tuple(None if g is None else _own(g, taken) for g in gradients)


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
        gradient = np.ones(edge.shape, edge.dtype)
    elif not isinstance(gradient, Tensor):
        gradient = np.asarray(gradient, edge.dtype)
    expected = f"{caller}: expects a cotangent of {output.dtype} {output.shape}"
    if gradient.shape != output.shape:
        raise ShapeError(f"{expected}, got shape {gradient.shape}")
    if gradient.dtype != output.dtype:
        raise DTypeError(f"{expected}, got {gradient.dtype}; convert it with .float() or .double()")
    if create_graph:
        return gradient if isinstance(gradient, Tensor) else wrap(gradient)
    return gradient._data if isinstance(gradient, Tensor) else gradient


def _own(cotangent: Any, taken: set[int]) -> Tensor:
    """The cotangent as a Tensor that nobody else holds: rules may return views, or hand one array to several inputs."""
    if isinstance(cotangent, Tensor):  # a recorded pass
        shared = cotangent._data.base is not None or id(cotangent._data) in taken
        fresh: Tensor = OPS["clone"](cotangent) if shared else cotangent
        taken.add(id(fresh._data))
        return fresh
    array = np.asarray(cotangent)
    if array.base is not None or id(array) in taken:
        array = array.copy()
    taken.add(id(array))
    return wrap(array, None, [0])


def _sum(old: Tensor, new: Tensor) -> Tensor:
    return wrap(np.asarray(old._data + new._data), None, [0]) if old._edge is None else old + new


register(backward=backward)
