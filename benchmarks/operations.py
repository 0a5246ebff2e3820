"""The operations that are measured one by one: what the seven workloads consist of, with shapes they meet there.

Convolutions are measured as bare kernels in all three directions, all else by the functions that a user calls, forward
alone and `both ways`, forward and backward. Both frameworks have these functions under the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from benchmarks.workloads import (
    CLASSES,
    SEVEN,
    Array,
    AvgPool,
    BatchNorm,
    Conv,
    Flatten,
    Layer,
    Linear,
    MaxPool,
    Relu,
    Workload,
)

Shape = tuple[int, ...]
BOTH = " both ways"
DIRECTIONS = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")
OPTIMIZERS = ("SGD", "Adam")

# From the framework's functions, the layer and the inputs: the output.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "linear": lambda F, layer, x, w, b: F.linear(x, w, b),
    "max_pool2d": lambda F, layer, x: F.max_pool2d(x, layer.size),
    "avg_pool2d": lambda F, layer, x: F.avg_pool2d(x, layer.size),
    "batch_norm": lambda F, layer, x, w, b: F.batch_norm(x, None, None, w, b, training=True),
    "relu": lambda F, layer, x: F.relu(x),
    "cross_entropy": lambda F, layer, x, labels: F.cross_entropy(x, labels),
    "add": lambda F, layer, x, other: x + other,
}
NAMES: dict[type[Any], str] = {
    Linear: "linear",
    MaxPool: "max_pool2d",
    AvgPool: "avg_pool2d",
    BatchNorm: "batch_norm",
    Relu: "relu",
}


@dataclass(frozen=True)
class Case:
    """An operation and the shapes it runs on. inputs: by position, without labels; output: also that of the cotangent.

    flops: two for a multiply-add; 0 where arithmetic is not what costs. floats: what it must read and write, each once.
    """

    operation: str
    layer: Layer | None
    inputs: tuple[Shape, ...]
    output: Shape
    flops: int
    floats: int

    @property
    def name(self) -> str:
        shape = f"{self.inputs[0][0]}: " + "x".join(map(str, self.inputs[0][1:]))
        if self.operation in OPTIMIZERS:
            return f"{self.operation}, {sum(map(prod, self.inputs)):,} parameters"
        match self.layer:
            case Conv(_, outputs, kernel, stride, _):
                return f"{self.operation} {shape} -> {outputs}, {kernel}x{kernel}{f' s{stride}' * (stride > 1)}"
            case Linear(_, outputs):
                return f"{self.operation} {shape} -> {outputs}"
            case MaxPool(size) | AvgPool(size):
                return f"{self.operation} {shape}, {size}x{size}"
        return f"{self.operation} {shape}"

    @property
    def by_winograd(self) -> bool:
        """Whether a faster algorithm than the direct one may run."""
        return isinstance(self.layer, Conv) and (self.layer.kernel, self.layer.stride) == (3, 1)

    @property
    def is_wide(self) -> bool:
        """Whether it is a convolution between 64 channels or more, for which there are limits."""
        return isinstance(self.layer, Conv) and min(self.layer.inputs, self.layer.outputs) >= 64

    @property
    def image_size(self) -> Shape:
        """(H, W) of a convolution's input."""
        return (self.output if self.operation == "conv2d_input_grad" else self.inputs[0])[2:]

    def arrays(self) -> tuple[list[Array], Array]:
        """The inputs and the cotangent."""
        rng = np.random.default_rng(len(self.name))
        made = [rng.standard_normal(shape, dtype=np.float32) for shape in self.inputs]
        return made, np.asarray(rng.standard_normal(self.output, dtype=np.float32))

    def labels(self) -> Array:
        return np.arange(self.inputs[0][0]) % CLASSES


def layers_of(workload: Workload) -> Iterator[tuple[Layer, Shape, Shape]]:
    """Its layers with the shapes of their inputs and outputs."""
    shape = workload.shape
    for layer in workload.layers:
        before, n = shape, shape[0]
        match layer:
            case Conv(_, outputs, kernel, stride, padding):
                shape = (n, outputs, *((size + 2 * padding - kernel) // stride + 1 for size in shape[2:]))
            case Linear(_, outputs):
                shape = (n, outputs)
            case MaxPool(size) | AvgPool(size):
                shape = (*shape[:2], *(pixels // size for pixels in shape[2:]))
            case Flatten():
                shape = (n, prod(shape[1:]))
        yield layer, before, shape


def worth_measuring(workload: Workload) -> list[tuple[Layer, Shape, Shape]]:
    """All convolutions, and of the other layers the largest of each kind."""
    parts = list(layers_of(workload))
    largest: dict[type[Any], int] = {}
    for layer, x, _ in parts:
        largest[type(layer)] = max(largest.get(type(layer), 0), prod(x))
    return [part for part in parts if isinstance(part[0], Conv) or prod(part[1]) == largest[type(part[0])]]


def of_layer(layer: Layer, x: Shape, y: Shape) -> list[Case]:
    """What a layer runs: a convolution on the images themselves needs no gradient in its input."""
    weights: tuple[Shape, ...] = ()
    match layer:
        case Conv(inputs, outputs, kernel):
            w = (outputs, inputs, kernel, kernel)
            flops, floats = 2 * prod(y) * prod(w[1:]), prod(x) + prod(w) + prod(y)
            operands = {"conv2d": (x, w), "conv2d_input_grad": (y, w), "conv2d_weight_grad": (x, y)}
            results = {"conv2d": y, "conv2d_input_grad": x, "conv2d_weight_grad": w}
            needed = DIRECTIONS if inputs > 3 else (DIRECTIONS[0], DIRECTIONS[2])
            return [Case(name, layer, operands[name], results[name], flops, floats) for name in needed]
        case Linear(inputs, outputs):
            weights = ((outputs, inputs), (outputs,))
        case BatchNorm(channels):
            weights = ((channels,), (channels,))
        case Flatten():
            return []
    flops = 2 * prod(y) * x[1] if isinstance(layer, Linear) else 0
    return both_ways(NAMES[type(layer)], layer, (x, *weights), y, flops)


def both_ways(operation: str, layer: Layer | None, inputs: tuple[Shape, ...], output: Shape, flops: int) -> list[Case]:
    """Forward, and forward and backward, which reads the inputs and the cotangent and writes their gradients."""
    floats = sum(map(prod, inputs)) + prod(output)
    return [
        Case(operation, layer, inputs, output, flops, floats),
        Case(operation + BOTH, layer, inputs, output, 3 * flops, 3 * floats),
    ]


def all_cases() -> dict[str, Case]:
    """By name; a layer that several workloads have, once."""
    found = [case for workload in SEVEN for parts in worth_measuring(workload) for case in of_layer(*parts)]
    for rows in (10, 128):
        found += both_ways("cross_entropy", None, ((rows, CLASSES),), (), 0)
    for shape in ((10, 4, 26, 26), (32, 64, 32, 32)):
        found += both_ways("add", None, (shape, shape), shape, 0)
    for workload in (SEVEN[0], SEVEN[5]):
        parameters = tuple(parameters_of(workload))
        floats = sum(map(prod, parameters))
        found += [
            Case(name, None, parameters, (), 0, floats * arrays)
            for name, arrays in zip(OPTIMIZERS, (3, 7), strict=True)
        ]
    order = [*DIRECTIONS, *(name + way for name in FUNCTIONS for way in ("", BOTH)), *OPTIMIZERS]
    found.sort(key=lambda case: order.index(case.operation))
    return {case.name: case for case in found}


def parameters_of(workload: Workload) -> Iterator[Shape]:
    for layer in workload.layers:
        match layer:
            case Conv(inputs, outputs, kernel):
                yield from ((outputs, inputs, kernel, kernel), (outputs,))
            case Linear(inputs, outputs):
                yield from ((outputs, inputs), (outputs,))
