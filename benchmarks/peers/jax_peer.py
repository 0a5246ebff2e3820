"""JAX: the whole training step as one compiled function. It keeps no running statistics of batch norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from benchmarks.processes import LeftOut
from benchmarks.workloads import Array, AvgPool, BatchNorm, Conv, Flatten, Linear, MaxPool, Relu, Workload

jax: Any = import_module("jax")
jnp: Any = import_module("jax.numpy")
lax: Any = import_module("jax.lax")

CHANNELS_LAST = ("NHWC", "OIHW", "NHWC")
EPS = 1e-5


def build(workload: Workload, arrays: Mapping[str, Array]) -> Callable[[], Any]:
    if workload.variant:
        raise LeftOut("the variants are Modules")
    images, labels, *parameters = map(jnp.asarray, arrays.values())
    if workload.of_images:
        images = images.transpose(0, 2, 3, 1)  # as XLA's convolutions for CPUs want it

    def loss_of(parameters: Sequence[Any]) -> Any:
        scores = forward(workload, images, iter(parameters))
        return -jax.nn.log_softmax(scores)[jnp.arange(len(labels)), labels].mean()

    def update(parameters: Sequence[Any]) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        return loss, [p - workload.lr * g for p, g in zip(parameters, gradients, strict=True)]

    compiled = jax.jit(update)

    def step() -> Any:
        nonlocal parameters
        loss, parameters = jax.block_until_ready(compiled(parameters))
        return loss

    return step


def forward(workload: Workload, x: Any, parameters: Any) -> Any:
    """The scores. x: images (N, H, W, C)."""
    for layer in workload.layers:
        match layer:
            case Conv(stride=stride, padding=padding):
                weight, bias = next(parameters), next(parameters)
                around = ((padding, padding), (padding, padding))
                x = lax.conv_general_dilated(x, weight, (stride, stride), around, dimension_numbers=CHANNELS_LAST)
                x = x + bias
            case Linear():
                x = x @ next(parameters).T + next(parameters)
            case BatchNorm():
                mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
                x = (x - mean) * lax.rsqrt(variance + EPS) * next(parameters) + next(parameters)
            case MaxPool(size):
                window = (1, size, size, 1)
                x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
            case AvgPool(size):
                window = (1, size, size, 1)
                x = lax.reduce_window(x, 0.0, lax.add, window, window, "VALID") / size**2
            case Relu():
                x = jnp.maximum(x, 0)
            case Flatten():
                x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    return x


def versions() -> dict[str, str]:
    return {"jax": jax.__version__, "jaxlib": import_module("jaxlib").__version__}
