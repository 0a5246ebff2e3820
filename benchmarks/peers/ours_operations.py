"""The operations of tinygrad_cnn, on images in either memory order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from benchmarks.operations import BOTH, FUNCTIONS, OPTIMIZERS, Case
from benchmarks.workloads import Array, Conv
from tinygrad_cnn import kernels, nn, optim
from tinygrad_cnn.geometry import window

Work = Callable[[], Any]


def prepare(options: dict[str, Any]) -> None:
    """Options of `kernels.use`."""
    kernels.use(**options)


def variants(case: Case) -> dict[str, Work]:
    """What to time, by the memory order of its images."""
    if case.operation in OPTIMIZERS:
        return {"default": update(case)}
    if len(case.inputs[0]) != 4:
        return {"default": work(case, as_made)}
    return {"NCHW": work(case, as_made), "channels-last": work(case, channels_last)}


def as_made(array: Array) -> Array:
    return array


def channels_last(array: Array) -> Array:
    """The same array, its channels side by side in memory; weights stay as they are kept."""
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if array.ndim == 4 else array


def work(case: Case, ordered: Callable[[Array], Array]) -> Work:
    inputs, g = case.arrays()
    if isinstance(case.layer, Conv):
        return convolution(case, case.layer, ordered)
    function = partial(FUNCTIONS[case.operation.removesuffix(BOTH)], tg, case.layer)
    constants = [case.labels()] if case.operation.startswith("cross_entropy") else []
    leaves = [tg.Tensor(ordered(array), requires_grad=True) for array in inputs]
    cotangent = ordered(g)

    def forward() -> Array:
        with tg.no_grad():
            return np.asarray(function(*leaves, *constants).data)

    def both() -> Any:
        for leaf in leaves:
            leaf.grad = None
        function(*leaves, *constants).backward(cotangent)
        return leaves[0].grad

    return both if case.operation.endswith(BOTH) else forward


def convolution(case: Case, layer: Conv, ordered: Callable[[Array], Array]) -> Work:
    """The bare kernel."""
    (first, second), _ = case.arrays()
    kernel = getattr(kernels, case.operation)
    lies = window(case.operation, case.image_size, layer.kernel, layer.stride, layer.padding)
    first = ordered(first)
    if case.operation == "conv2d_weight_grad":
        return partial(kernel, first, ordered(second), lies)
    return partial(kernel, first, second, *([None] if case.operation == "conv2d" else []), lies)


def update(case: Case) -> Work:
    """A step of the optimiser; it gives the first parameter."""
    parameters = [nn.Parameter(array) for array in case.arrays()[0]]
    for parameter in parameters:
        parameter.grad = tg.Tensor(np.ones_like(parameter.data))
    optimizer = getattr(optim, case.operation)(parameters, lr=1e-3)

    def step() -> Array:
        optimizer.step()
        return parameters[0].data

    return step
