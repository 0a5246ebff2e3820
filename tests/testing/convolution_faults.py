"""Faults in convolution."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from tests.testing.planting import Array, PlantedFault, numbers, slipped
from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.ops import convolution
from tinygrad_cnn.ops.convolution import _conv2d_input_grad, _conv2d_weight_grad

GENERATOR = np.random.default_rng(5)


def normal(*shape: int) -> Array:
    return GENERATOR.normal(size=shape)


def images(frame: Window, groups: int = 1, batch: int = 2) -> tuple[Any, ...]:
    """Arguments of conv2d: two channels and two filters in each group."""
    filters = normal(2 * groups, 2, *frame.kernel)
    return normal(batch, 2 * groups, *frame.size), filters, normal(2 * groups), frame, groups


def framed(size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Window:
    return window("conv2d", size, kernel, stride, padding, dilation)


PLAIN = framed((6, 6), 3, 1, 1)


def cropped_at_the_wrong_side(g: Any, w: Any, window: Window, groups: int) -> Any:
    (top, bottom), (left, right) = window.padding
    return _conv2d_input_grad(g, w, replace(window, padding=((bottom, top), (right, left))), groups)


def remainder_in_front(g: Any, w: Any, window: Window, groups: int) -> Any:
    """The gradient of what the windows read, with the rows and columns that they leave over put before it."""
    down, across = window.unread
    read = replace(window, size=(window.size[0] - down, window.size[1] - across))
    return tg.pad(_conv2d_input_grad(g, w, read, groups), (across, 0, down, 0))


def every_second_tap(g: Any, w: Any, window: Window, groups: int) -> Any:
    taken = np.zeros(window.kernel)
    taken[:: window.stride[0]] = 1.0
    return _conv2d_input_grad(g, w * taken, window, groups)


def last_position_skipped(g: Any, w: Any, window: Window, groups: int) -> Any:
    taken = np.ones(window.output_size)
    taken[-1, -1] = 0.0
    return _conv2d_input_grad(g * taken, w, window, groups)


def square_kernel(g: Any, x: Any, window: Window, groups: int) -> Any:
    taken = np.arange(window.kernel[1]) < window.kernel[0]
    return _conv2d_weight_grad(x, g, window, groups) * taken


def groups_mixed(g: Any, x: Any, window: Window, groups: int) -> Any:
    d = _conv2d_weight_grad(x, g, window, groups)
    count = d.shape[0] // groups
    return tg.cat([d[count:], d[:count]])


def dilation_ignored(g: Any, x: Any, window: Window, groups: int) -> Any:
    x, g = np.pad(numbers(x), ((0, 0), (0, 0), *window.padding)), numbers(g)
    (OH, OW), (SH, SW), (KH, KW) = window.output_size, window.stride, window.kernel
    d = np.zeros((g.shape[1], x.shape[1] // groups, KH, KW))
    for k in range(KH):
        for l in range(KW):  # noqa: E741
            read = x[:, :, k : k + SH * OH : SH, l : l + SW * OW : SW]
            d[:, :, k, l] = np.einsum("noij,ncij->oc", g, read)
    return d


def without_batch_sum(g: Any, x: Any, window: Window, groups: int) -> Any:
    return _conv2d_weight_grad(x[:1], g[:1], window, groups)


def detached_input_grad(g: Any, w: Any, window: Window, groups: int) -> Any:
    return kernels.conv2d_input_grad(numbers(g), numbers(w), window, groups)


INNER = slipped(
    convolution._conv2d_input_grad,
    {"w": lambda u, g, window, groups: -_conv2d_weight_grad(u, g, window, groups)},
)

CONVOLUTION_FAULTS = [
    PlantedFault(
        "conv2d: the kernel not turned",
        convolution._conv2d,
        {"x": lambda g, w, window, groups: _conv2d_input_grad(g, w[:, :, ::-1, ::-1], window, groups)},
        images(PLAIN),
        "as if w were reversed along the last two axes",
    ),
    PlantedFault(
        "conv2d: the padding cropped at the wrong side",
        convolution._conv2d,
        {"x": cropped_at_the_wrong_side},
        images(framed((5, 5), (2, 1), 1, ((0, 1), (0, 0)))),
        "shifted",
    ),
    PlantedFault(
        "conv2d: what the stride leaves over put in front",
        convolution._conv2d,
        {"x": remainder_in_front},
        images(framed((6, 5), (3, 3), 2)),
        "shifted",
        tags=("geometry",),
        plain=images(framed((5, 5), (3, 3), 2)),
    ),
    PlantedFault(
        "conv2d: only every second row of a strided kernel",
        convolution._conv2d,
        {"x": every_second_tap},
        images(framed((6, 4), (2, 2), 2)),
        "every second",
    ),
    PlantedFault(
        "conv2d: the last position of the kernel skipped",
        convolution._conv2d,
        {"x": last_position_skipped},
        images(framed((10, 10), (2, 2), 1), batch=1),
        "last",
        tags=("rare",),
    ),
    PlantedFault(
        "conv2d: KH for KW",
        convolution._conv2d,
        {"w": square_kernel},
        images(framed((6, 6), (2, 3))),
        "zero where one flows",
        tags=("geometry",),
        plain=images(PLAIN),
    ),
    PlantedFault(
        "conv2d: groups mixed",
        convolution._conv2d,
        {"w": groups_mixed},
        images(framed((4, 4), (2, 2)), groups=2),
        "shifted by 2 along axis 0",
        tags=("geometry",),
        plain=images(PLAIN),
    ),
    PlantedFault(
        "conv2d: dilation ignored",
        convolution._conv2d,
        {"w": dilation_ignored},
        images(framed((7, 7), (3, 3), 1, 0, 2)),
        "dilation",
        tags=("geometry",),
        plain=images(PLAIN),
    ),
    PlantedFault(
        "conv2d: the weight sees the first image only",
        convolution._conv2d,
        {"w": without_batch_sum},
        images(PLAIN, batch=3),
        "the sum over axis 0 (the batch)",
    ),
    PlantedFault(
        "conv2d: the mean over the batch for the weight",
        convolution._conv2d,
        {"w": lambda g, x, window, groups: _conv2d_weight_grad(x, g, window, groups) / x.shape[0]},
        images(PLAIN, batch=5),
        "mean where a sum belongs",
    ),
    PlantedFault(
        "conv2d: the mean over the positions for the bias",
        convolution._conv2d,
        {"b": lambda g: tg.mean(tg.sum(g, 0), (1, 2))},
        images(PLAIN),
        "mean where a sum belongs",
    ),
    PlantedFault(
        "conv2d: the bias summed over channels, one row left",
        convolution._conv2d,
        {"b": lambda g: tg.sum(g, (0, 1, 3))},
        images(framed((3, 3), 2)),
        "wrong axis",
    ),
    PlantedFault(
        "conv2d: the rule computed on arrays",
        convolution._conv2d,
        {"x": detached_input_grad},
        images(framed((3, 3), 2), batch=1),
        "not as a function",
        order=2,
        tags=("second",),
    ),
    PlantedFault(
        "conv2d: its input gradient has a wrong rule of its own",
        convolution._conv2d,
        {"x": lambda g, w, window, groups: INNER(g, w, window, groups)},
        images(framed((3, 3), 2), batch=1),
        "sign",
        operation="conv2d_input_grad",
        argument="w",
        order=2,
        tags=("second",),
    ),
]
