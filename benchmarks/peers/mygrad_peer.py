"""MyGrad, which keeps no running statistics of batch norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from benchmarks.processes import LeftOut
from benchmarks.workloads import Array, AvgPool, BatchNorm, Conv, Flatten, Linear, MaxPool, Relu, Workload

mg: Any = import_module("mygrad")
nnet: Any = import_module("mygrad.nnet")

EPS = 1e-5


def build(workload: Workload, arrays: Mapping[str, Array]) -> Callable[[], Any]:
    if workload.variant:
        raise LeftOut("the variants are Modules")
    images, labels, *values = arrays.values()
    parameters = [mg.tensor(value.copy()) for value in values]

    def step() -> Any:
        for parameter in parameters:
            parameter.null_grad()
        loss = nnet.losses.softmax_crossentropy(forward(workload, images, iter(parameters)), labels)
        loss.backward()
        for parameter in parameters:
            parameter.data -= workload.lr * parameter.grad
        return loss.data

    return step


def forward(workload: Workload, x: Any, parameters: Any) -> Any:
    """The scores. x: images (N, C, H, W)."""
    for layer in workload.layers:
        match layer:
            case Conv(_, _, kernel, stride, padding):
                if (x.shape[-1] + 2 * padding - kernel) % stride:
                    raise LeftOut("its convolution refuses strides that leave pixels unread")
                x = nnet.layers.conv_nd(x, next(parameters), stride=stride, padding=padding)
                x = x + next(parameters).reshape(1, -1, 1, 1)
            case Linear():
                x = mg.matmul(x, next(parameters).T) + next(parameters)
            case BatchNorm():
                x = nnet.layers.batchnorm(x, gamma=next(parameters), beta=next(parameters), eps=EPS)
            case MaxPool(size):
                height, width = (pixels // size * size for pixels in x.shape[2:])  # it refuses a rest
                x = nnet.layers.max_pool(x[:, :, :height, :width], (size, size), size)
            case AvgPool(size):
                if x.shape[2:] != (size, size):
                    raise LeftOut("has no average pooling")
                x = x.mean((2, 3))
            case Relu():
                x = nnet.activations.relu(x)
            case Flatten():
                x = x.reshape(len(x), -1)
    return x


def versions() -> dict[str, str]:
    return {name: import_module(name).__version__ for name in ("mygrad", "numpy")}
