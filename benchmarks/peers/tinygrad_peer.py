"""tinygrad: the training step under its just-in-time compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any

from benchmarks.processes import LeftOut
from benchmarks.workloads import Array, AvgPool, BatchNorm, Conv, Flatten, Linear, MaxPool, Relu, Workload

tinygrad: Any = import_module("tinygrad")
try:
    tinygrad.Tensor.zeros(1).contiguous().realize()
except Exception as error:  # it needs a compiler, and each kind of device has errors of its own
    raise LeftOut(f"does not run here: {error}") from error


def build(workload: Workload, arrays: Mapping[str, Array]) -> Callable[[], Any]:
    if workload.variant:
        raise LeftOut("the variants are Modules")
    Tensor = tinygrad.Tensor
    images, labels, *parameters = (Tensor(array) for array in arrays.values())
    layers = modules(workload, iter(parameters))
    optimizer = tinygrad.nn.optim.SGD(tinygrad.nn.state.get_parameters(layers), lr=workload.lr)

    def update() -> Any:
        optimizer.zero_grad()
        loss = images.sequential(layers).sparse_categorical_crossentropy(labels).backward()
        return loss.realize(*optimizer.schedule_step())

    compiled = tinygrad.TinyJit(update)

    def step() -> Any:
        return compiled().item()

    return step


def modules(workload: Workload, parameters: Any) -> list[Any]:
    nn = tinygrad.nn
    made: list[Any] = []
    for layer in workload.layers:
        match layer:
            case Conv(inputs, outputs, kernel, stride, padding):
                made.append(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding))
            case Linear(inputs, outputs):
                made.append(nn.Linear(inputs, outputs))
            case BatchNorm(channels):
                made.append(nn.BatchNorm2d(channels))
            case MaxPool(size):
                made.append(lambda x, size=size: x.max_pool2d(size))
            case AvgPool(size):
                made.append(lambda x, size=size: x.avg_pool2d(size))
            case Relu():
                made.append(lambda x: x.relu())
            case Flatten():
                made.append(lambda x: x.flatten(1))
        if isinstance(layer, Conv | Linear | BatchNorm):
            made[-1].weight, made[-1].bias = next(parameters), next(parameters)
    return made


def versions() -> dict[str, str]:
    return {"tinygrad": version("tinygrad"), "device": tinygrad.Device.DEFAULT}
