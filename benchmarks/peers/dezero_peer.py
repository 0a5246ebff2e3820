"""DeZero, on NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.processes import LeftOut
from benchmarks.workloads import Array, AvgPool, BatchNorm, Conv, Flatten, Linear, MaxPool, Relu, Workload

vars(np).setdefault("int", int)  # DeZero 0.0.13 names it while it is imported; NumPy has it no more
dezero: Any = import_module("dezero")
F: Any = import_module("dezero.functions")

EPS = 1e-5


def build(workload: Workload, arrays: Mapping[str, Array]) -> Callable[[], Any]:
    if workload.variant:
        raise LeftOut("the variants are Modules")
    images, labels, *values = arrays.values()
    parameters = [dezero.Parameter(value.copy()) for value in values]
    statistics = [  # running mean and variance of each batch norm
        (np.zeros(layer.channels, np.float32), np.ones(layer.channels, np.float32))
        for layer in workload.layers
        if isinstance(layer, BatchNorm)
    ]

    def step() -> Any:
        for parameter in parameters:
            parameter.cleargrad()
        scores = forward(workload, images, iter(parameters), iter(statistics))
        loss = F.softmax_cross_entropy(scores, labels)
        loss.backward()
        for parameter in parameters:
            parameter.data -= workload.lr * parameter.grad.data
        return loss.data

    return step


def forward(workload: Workload, x: Any, parameters: Any, statistics: Any) -> Any:
    """The scores. x: images (N, C, H, W)."""
    for layer in workload.layers:
        match layer:
            case Conv(stride=stride, padding=padding):
                x = F.conv2d(x, next(parameters), next(parameters), stride, padding)
            case Linear():
                x = F.linear(x, next(parameters).T, next(parameters))
            case BatchNorm():
                x = F.batch_nrom(x, next(parameters), next(parameters), *next(statistics), eps=EPS)  # its spelling
            case MaxPool(size):
                x = F.pooling(x, size, size)
            case AvgPool(size):
                if x.shape[2:] != (size, size):
                    raise LeftOut("its average pooling with a stride is not used here")
                x = F.sum(F.sum(x, axis=3), axis=2) / size**2  # over both at once it has no gradient
            case Relu():
                x = F.relu(x)
            case Flatten():
                x = F.reshape(x, (x.shape[0], -1))
    return x


def versions() -> dict[str, str]:
    return {"dezero": version("dezero"), "numpy": np.__version__}
