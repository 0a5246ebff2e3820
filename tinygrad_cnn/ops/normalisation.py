"""Batch, layer, group and instance norm: one normalisation, over different axes.

    y = (x - mean) / sqrt(var + eps) weight + bias, with mean and var of the elements normalised together

For an image batch (N, C, H, W): batch norm takes N, H, W together (one mean for each channel), layer norm the last
dimensions (one for each image), group norm the channels of a group with H, W, instance norm H, W alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.kernels import Layout
from tinygrad_cnn.ops.functions import _relu, _sqrt
from tinygrad_cnn.ops.reductions import _sum
from tinygrad_cnn.ops.shapes import _reshape, refuse_integers


@primitive(saves=("mean", "var"))
def _normalise(x, w, b, layout, eps, track=None):
    y, mean, var = kernels.normalise(x, w, b, layout, eps)
    if track is not None:  # the running statistics want them too
        track(mean, var)
    return y, mean, var


@primitive(saves=("mean", "var"))
def _normalise_relu(x, w, b, layout, eps, track=None):
    y, mean, var = kernels.normalise_relu(x, w, b, layout, eps)
    if track is not None:
        track(mean, var)
    return y, mean, var


@primitive
def _scale_channels(x, scale, shift):
    return kernels.scale_channels(x, scale, shift)


def _normalise_rule(g, x, w, b, layout, eps, mean, var):
    gx, gw, gb = kernels.normalise_grads(g, x, w, layout, eps, mean, var)
    return gx, None if w is None else gw.reshape(w.shape), None if b is None else gb.reshape(b.shape)


def _normalise_relu_rule(g, x, w, b, layout, eps, mean, var):
    gx, gw, gb = kernels.normalise_relu_grads(g, x, w, b, layout, eps, mean, var)
    return gx, None if w is None else gw.reshape(w.shape), None if b is None else gb.reshape(b.shape)


_normalise.defvjp(_normalise_rule, inputs=("x", "w", "b"))
_normalise_relu.defvjp(_normalise_relu_rule, inputs=("x", "w", "b"))
_scale_channels.defvjp(
    x=lambda g, scale: g * _beside_channels(scale, g),
    scale=lambda g, x: _channel_sums(g * x),
    shift=lambda g: _channel_sums(g),
)


def _beside_channels(vector, x):
    """vector (C) in a shape that broadcasts to x (N, C, ...)."""
    return _reshape(vector, (x.shape[1], *(1 for _ in x.shape[2:])))


def _channel_sums(g):
    return _sum(g, (0, *range(2, len(g.shape))), False)


@_normalise.define
def _normalise_definition(x, w, b, layout, eps, track=None):
    seen = _reshape(x, layout.view)
    n = layout.group_size or 1  # there is nothing to sum in groups of nothing
    centred = seen - _sum(seen, layout.axes, True) / n
    y = centred / _sqrt(_sum(centred * centred, layout.axes, True) / n + eps)
    if w is not None:
        y = y * _reshape(w, layout.scale)
    if b is not None:
        y = y + _reshape(b, layout.scale)
    return _reshape(y, x.shape)


@_normalise_relu.define
def _normalise_relu_definition(x, w, b, layout, eps, track=None):
    return _relu(_normalise_definition(x, w, b, layout, eps))


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel normalised over the batch in training; by running statistics, which are constants, otherwise.

    Shapes: input (N, C, ...); running_mean, running_var, weight and bias (C), or None.

    In training, running = (1 - momentum) running + momentum batch, in place; of the variance with n - 1 for n.

    Gradient: in training through the batch's mean and variance; else g weight / sqrt(running_var + eps).

    Raises: ShapeError for one value per channel in training, whose variance is 0; ArgumentError where statistics are
    missing, or eps is not positive in training.

    Source: Ioffe & Szegedy 2015, "Batch normalization: accelerating deep network training".

    Example:
        >>> batch_norm(Tensor([[1.0], [3.0]]), None, None, training=True, eps=1e-12).tolist()
        [[-1.0], [1.0]]
    """
    y = _by_batch(_normalise, input, running_mean, running_var, weight, bias, training, momentum, eps)
    return _by_running("batch_norm", input, running_mean, running_var, weight, bias, eps) if y is None else y


def batch_norm_relu(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`relu(batch_norm(...))`, in training as one operation.

    Shapes and Raises: as `batch_norm` has them. Gradient: that of `batch_norm` for g where the result is above 0.
    """
    y = _by_batch(_normalise_relu, input, running_mean, running_var, weight, bias, training, momentum, eps)
    return _relu(_by_running("batch_norm", input, running_mean, running_var, weight, bias, eps)) if y is None else y


def _by_batch(
    normalise: Primitive,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor | None:
    """Batch norm in training, None otherwise."""
    running = {"running_mean": running_mean, "running_var": running_var}
    _check("batch_norm", input, 2, running | {"weight": weight, "bias": bias})
    if not training:
        return None
    N, C, P = _flat_size(input)
    if N * P == 1:
        raise ShapeError(
            f"batch_norm: expects more than 1 value per channel in training, got input {tuple(input.shape)}; "
            "take a larger batch, or call .eval()"
        )
    if eps <= 0:
        raise ArgumentError(f"batch_norm: eps must be positive in training, got {eps}")
    layout = Layout((N, C, P), (0, 2), (1, C, 1)) if P != 1 else Layout((N, C), (0,), (1, C))
    track = _tracking(running_mean, running_var, momentum, N, N * P) if running_mean is not None else None
    return normalise(input, weight, bias, layout, eps, track)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each example normalised by itself; by running statistics where `use_input_stats` is False.

    Shapes: input (N, C, L) or (N, C, H, W); running_mean, running_var, weight and bias (C), or None.

    Raises: ShapeError for one value per channel, ArgumentError where statistics are missing.

    Source: Ulyanov et al. 2016, "Instance normalization: the missing ingredient for fast stylization".
    """
    running = {"running_mean": running_mean, "running_var": running_var}
    _check("instance_norm", input, 2, running | {"weight": weight, "bias": bias})
    if not use_input_stats:
        return _by_running("instance_norm", input, running_mean, running_var, weight, bias, eps)
    N, C, P = _flat_size(input)
    if P == 1:
        raise ShapeError(f"instance_norm: expects more than 1 value per channel, got input {tuple(input.shape)}")
    track = _tracking(running_mean, running_var, momentum, N, P) if running_mean is not None else None
    return _normalise(input, weight, bias, Layout((N, C, P), (2,), (1, C, 1)), eps, track)


def layer_norm(
    input: Any, normalized_shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """Each example normalised over the last dimensions, whose sizes are `normalized_shape`.

    Shapes: input (..., *normalized_shape); weight and bias of normalized_shape, or None.

    Raises: ShapeError where the shapes do not fit.

    Source: Ba et al. 2016, "Layer normalization".

    Example:
        >>> layer_norm(Tensor([[1.0, 3.0], [5.0, 9.0]]), (2,), eps=1e-12).tolist()
        [[-1.0, 1.0], [-1.0, 1.0]]
    """
    refuse_integers("layer_norm", input)
    if isinstance(normalized_shape, int):
        raise ArgumentTypeError(f"layer_norm: normalized_shape expects sizes, got {normalized_shape}; pass a tuple")
    normalized = tuple(normalized_shape)
    if not normalized or tuple(input.shape[-len(normalized) :]) != normalized:
        raise ShapeError(
            f"layer_norm: expects input whose last dimensions are normalized_shape {normalized}, "
            f"at least one, got {tuple(input.shape)}"
        )
    _check_parameters("layer_norm", input, normalized, {"weight": weight, "bias": bias})
    size = math.prod(normalized)
    rows = math.prod(input.shape[: -len(normalized)])
    return _normalise(input, weight, bias, Layout((rows, size), (1,), (1, size)), eps)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """Each of `num_groups` groups of channels of each example normalised by itself.

    Shapes: input (N, C, ...); weight and bias (C), or None.

    Raises: ArgumentError where the channels do not fall into that many groups.

    Source: Wu & He 2018, "Group normalization".
    """
    _check("group_norm", input, 2, {"weight": weight, "bias": bias})
    N, C, P = _flat_size(input)
    if num_groups < 1 or C % num_groups:
        raise ArgumentError(f"group_norm: num_groups must divide the {C} channels, got {num_groups}")
    each = C // num_groups
    if N * each * P == 1:
        raise ShapeError(f"group_norm: expects more than 1 value per group, got input {tuple(input.shape)}")
    if P == 1:
        layout = Layout((N, num_groups, each), (2,), (1, num_groups, each))
    else:
        layout = Layout((N, num_groups, each, P), (2, 3), (1, num_groups, each, 1))
    return _normalise(input, weight, bias, layout, eps)


def _by_running(
    operation: str, input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, eps: float
) -> Tensor:
    if running_mean is None or running_var is None:
        raise ArgumentError(f"{operation}: expects running_mean and running_var, without which it needs the batch's")
    mean, var = (p.data if isinstance(p, Tensor) else p for p in (running_mean, running_var))
    scale = 1 / np.sqrt(var + eps)
    if weight is not None:
        scale = weight * scale
    shift = scale * -mean if bias is None else bias - scale * mean
    return _scale_channels(input, scale, shift)


def _tracking(
    running_mean: Any, running_var: Any, momentum: float, batch: int, count: int
) -> Callable[[Any, Any], None] | None:
    """What puts means and variances, of groups of `count` elements, into running statistics; None for no element."""

    def track(mean: Any, var: Any) -> None:
        channels = running_mean.shape[0]
        mean, var = (moment.reshape(-1, channels).mean(axis=0) for moment in (mean, var))
        _update(running_mean, mean, momentum)
        _update(running_var, var * (count / (count - 1)), momentum)

    return track if batch * count else None


def _update(running: Any, batch: Any, momentum: float) -> None:
    if isinstance(running, Tensor):
        running.data = running.data * (1 - momentum) + batch * momentum
    else:
        running *= 1 - momentum
        running += batch * momentum


def _flat_size(input: Any) -> tuple[int, int, int]:
    """(N, C, everything else)."""
    return input.shape[0], input.shape[1], math.prod(input.shape[2:])


def _check(operation: str, input: Any, ndim: int, vectors: dict[str, Any]) -> None:
    refuse_integers(operation, input)
    if len(input.shape) < ndim:
        raise ShapeError(f"{operation}: expects input (N, C, ...), got shape {tuple(input.shape)}")
    if "running_mean" in vectors and (vectors["running_mean"] is None) != (vectors["running_var"] is None):
        raise ArgumentError(f"{operation}: running_mean and running_var go together; pass both or neither")
    _check_parameters(operation, input, (input.shape[1],), vectors)


def _check_parameters(operation: str, input: Any, shape: tuple[int, ...], parameters: dict[str, Any]) -> None:
    for name, parameter in parameters.items():
        if parameter is None:
            continue
        if tuple(parameter.shape) != shape:
            raise ShapeError(f"{operation}: {name} must have shape {shape}, got {tuple(parameter.shape)}")
        if parameter.dtype != input.dtype:
            raise DTypeError(f"{operation}: {name} is {parameter.dtype}, input {input.dtype}; convert one of them")
