"""The operations of PyTorch, on images in either memory order, and its optimisers as they are and fused."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.operations import BOTH, DIRECTIONS, FUNCTIONS, OPTIMIZERS, Case
from benchmarks.workloads import Conv

torch: Any = import_module("torch")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

Work = Callable[[], Any]


def prepare(options: dict[str, Any]) -> None:
    """It takes none."""


def variants(case: Case) -> dict[str, Work]:
    """What to time, by the memory order of its images."""
    if case.operation in OPTIMIZERS:
        return {"default": update(case), "fused": update(case, fused=True)}
    if len(case.inputs[0]) != 4:
        return {"default": work(case, torch.contiguous_format)}
    return {"NCHW": work(case, torch.contiguous_format), "channels-last": work(case, torch.channels_last)}


def ordered(array: Any, order: Any) -> Any:
    tensor = torch.from_numpy(array)
    return tensor.contiguous(memory_format=order) if array.ndim == 4 else tensor


def work(case: Case, order: Any) -> Work:
    arrays, g = case.arrays()
    inputs, cotangent = [ordered(array, order) for array in arrays], ordered(g, order)
    if isinstance(case.layer, Conv):
        return convolution(case, case.layer, inputs)
    function = partial(FUNCTIONS[case.operation.removesuffix(BOTH)], torch.nn.functional, case.layer)
    constants = [torch.from_numpy(case.labels())] if case.operation.startswith("cross_entropy") else []
    leaves = [tensor.requires_grad_() for tensor in inputs]

    def forward() -> Any:
        with torch.no_grad():
            return function(*leaves, *constants)

    def both() -> Any:
        for leaf in leaves:
            leaf.grad = None
        function(*leaves, *constants).backward(cotangent)
        return leaves[0].grad

    return both if case.operation.endswith(BOTH) else forward


def convolution(case: Case, layer: Conv, operands: list[Any]) -> Work:
    """The bare kernel."""
    stride, padding = [layer.stride] * 2, [layer.padding] * 2
    first, second = operands
    if case.operation == "conv2d":
        return partial(torch.conv2d, first, second, None, stride, padding)
    wants = [case.operation == direction for direction in DIRECTIONS[1:]]
    if wants[0]:  # of x it reads the shape and the memory order
        g, w = first, second
        order = torch.contiguous_format if g.is_contiguous() else torch.channels_last
        x = torch.empty(case.output).contiguous(memory_format=order)
    else:
        (x, g), w = operands, torch.empty(case.output)
    arguments = (g, x, w, None, stride, padding, [1, 1], False, [0, 0], 1, [*wants, False])
    place = wants.index(True)
    return lambda: torch.ops.aten.convolution_backward(*arguments)[place]


def update(case: Case, fused: bool | None = None) -> Work:
    """A step of the optimiser; it gives the first parameter."""
    parameters = [torch.nn.Parameter(torch.from_numpy(array)) for array in case.arrays()[0]]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer = getattr(torch.optim, case.operation)(parameters, lr=1e-3, fused=fused)

    def step() -> Any:
        optimizer.step()
        return parameters[0].detach()

    return step
