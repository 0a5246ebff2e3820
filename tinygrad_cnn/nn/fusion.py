"""Layers that run faster together: neighbours in a Sequential that one operation computes at once.

Only layers of exactly the classes in the table are fused, and only where nothing could tell the difference: none has a
hook or a forward of its own, and no observer asked for every layer by itself. What a fused operation cannot take it
declines, and the layers run one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from tinygrad_cnn.core.modes import LAYERED, MODE, OBSERVED
from tinygrad_cnn.nn.activations import ReLU
from tinygrad_cnn.nn.convolution import Conv2d
from tinygrad_cnn.nn.layers import Linear
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.normalisation import BatchNorm2d
from tinygrad_cnn.nn.paths import locate
from tinygrad_cnn.nn.pooling import MaxPool2d
from tinygrad_cnn.ops.convolution_layers import conv2d_relu, conv2d_relu_max_pool2d
from tinygrad_cnn.ops.normalisation import batch_norm_relu
from tinygrad_cnn.ops.products import linear_relu

Kinds: TypeAlias = tuple[type[Module], ...]
Fused: TypeAlias = Callable[..., Any]

_TABLE: dict[Kinds, Fused] = {}


def fuses(*kinds: type[Module]) -> Callable[[Fused], Fused]:
    """Make the decorated function what runs neighbours of exactly these classes.

    It is called with the input and the layers, and returns their output, or None where it declines; then a shorter run
    from the same layer on is tried, and at last that layer by itself. What it raises counts as raised by the first
    layer: it declines whatever one of the others would refuse.
    """

    def enter(function: Fused) -> Fused:
        _TABLE[kinds] = function
        runs.cache_clear()
        return function

    return enter


@lru_cache(1024)
def runs(kinds: Kinds) -> tuple[tuple[tuple[int, Fused], ...], ...]:
    """For each of these layers, how many from it on may run together, and by what: the most first."""
    return tuple(_beginning(kinds[start:]) for start in range(len(kinds)))


def _beginning(kinds: Kinds) -> tuple[tuple[int, Fused], ...]:
    known = [entry for entry in _TABLE if kinds[: len(entry)] == entry]
    return tuple((len(entry), _TABLE[entry]) for entry in sorted(known, key=len, reverse=True))


def run(modules: Sequence[Module], input: Any) -> Any:
    """What the Modules compute one after another."""
    if MODE.flags & LAYERED:
        for module in modules:
            input = module(input)
        return input
    found = runs(tuple(map(type, modules)))
    place = 0
    while place < len(modules):
        for count, fused in found[place]:
            output = _together(fused, input, modules[place : place + count])
            if output is not None:
                break
        else:
            count, output = 1, modules[place](input)
        input = output
        place += count
    return input


def _together(fused: Fused, input: Any, modules: Sequence[Module]) -> Any:
    """What the Modules compute, or None where one of them is not plain, or `fused` declines."""
    for module in modules:
        own = vars(module)
        if own["_forward_hooks"] or own["_forward_pre_hooks"] or "forward" in own:  # somebody would notice
            return None
    running = MODE.modules if MODE.flags & OBSERVED else []
    running.append(modules[0])  # to an observer, too, it is the first layer's
    try:
        return fused(input, *modules)
    except Exception as error:
        locate(error, modules[0])
        raise
    finally:
        running.pop()


# ---- the table -------------------------------------------------------------------------------------------------------


@fuses(Linear, ReLU)
def _linear_relu(input: Any, linear: Linear, relu: ReLU) -> Any:
    return linear_relu(input, linear.weight, linear.bias)


@fuses(Conv2d, ReLU)
def _conv2d_relu(input: Any, conv: Conv2d, relu: ReLU) -> Any:
    if len(input.shape) != 4 or conv.padding_mode != "zeros":
        return None
    return conv2d_relu(input, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)


@fuses(Conv2d, ReLU, MaxPool2d)
def _conv2d_relu_max_pool2d(input: Any, conv: Conv2d, relu: ReLU, pool: MaxPool2d) -> Any:
    overlaps = pool.stride != pool.kernel_size or pool.dilation != (1, 1)
    if overlaps or pool.padding != (0, 0) or pool.ceil_mode or pool.return_indices:
        return None
    if len(input.shape) != 4 or conv.padding_mode != "zeros":
        return None
    KH, KW = pool.kernel_size
    options = conv.stride, conv.padding, conv.dilation, conv.groups
    return conv2d_relu_max_pool2d(input, conv.weight, conv.bias, *options, (KH, KW))


@fuses(BatchNorm2d, ReLU)
def _batch_norm_relu(input: Any, norm: BatchNorm2d, relu: ReLU) -> Any:
    return norm.normalised(input, batch_norm_relu)
