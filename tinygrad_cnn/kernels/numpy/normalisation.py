"""Normalisation: mean 0 and variance 1 over some axes, then a learned scale and shift.

Over the n elements of each normalised group, with w and b broadcast to x:

    mean = sum x / n        var = sum (x - mean)^2 / n        inv_std = 1 / sqrt(var + eps)
    x^   = (x - mean) inv_std
    y    = x^ w + b

Every x moves the mean and the variance of its group. With h = g w,

    gx = inv_std (h - mean of h - x^ (mean of h x^))        gw = sum of g x^        gb = sum of g

What one group does is nothing to the others: the work goes in parts of whole groups that fit the cache, so that x and g
come from memory once however many steps there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.kernels.numpy.activations import relu, relu_grad

PART = 1 << 21  # bytes of x in a part


@dataclass(frozen=True, slots=True)
class Layout:
    """Which elements are normalised together, and which share a weight.

    view: the shape in which x is seen. axes: those of it that a group extends along, in rising order.
    scale: the shape of w and b in that view, with 1 along the axes along which they are copied.
    """

    view: tuple[int, ...]
    axes: tuple[int, ...]
    scale: tuple[int, ...]

    @property
    def group_size(self) -> int:
        """n, the number of elements in a group."""
        return math.prod(self.view[axis] for axis in self.axes)

    @property
    def scales_groups(self) -> bool:
        """Whether w and b are the same for all elements of a group."""
        return all(self.scale[axis] == 1 for axis in self.axes)


def normalise(
    x: NDArray[Any], w: NDArray[Any] | None, b: NDArray[Any] | None, layout: Layout, eps: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """y, and mean and var of each group, with size 1 along the normalised axes.

    Shapes: x any of layout.view's size -> y as x; w and b of layout.scale's size. Dtype: that of x, w and b.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 6.0]])
        >>> y, mean, var = normalise(x, None, None, Layout((2, 2), (0,), (1, 2)), 0.0)
        >>> y.tolist(), mean.tolist(), var.tolist()
        ([[-1.0, -1.0], [1.0, 1.0]], [[2.0, 4.0]], [[1.0, 4.0]])
    """
    seen = x.reshape(layout.view)
    y = np.empty(layout.view, x.dtype)
    mean, var = (np.zeros(_group_shape(layout), x.dtype) for _ in range(2))
    weight, bias = (None if p is None else p.reshape(layout.scale) for p in (w, b))
    for part in _parts(layout, x):
        mean[part] = _sum(seen[part], layout.axes) / layout.group_size
        out = np.subtract(seen[part], mean[part], out=y[part])
        var[part] = _dot(out, out, layout.axes) / layout.group_size
        s = 1 / np.sqrt(var[part] + eps)
        if weight is not None and layout.scales_groups:
            out *= s * _of(weight, part)
        else:
            out *= s
            if weight is not None:
                out *= _of(weight, part)
        if bias is not None:
            out += _of(bias, part)
    return y.reshape(x.shape), mean, var


def normalise_grads(
    g: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any] | None,
    layout: Layout,
    eps: float,
    mean: NDArray[Any],
    var: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """gx, gw and gb, the last two in the shape layout.scale, for the mean and var that `normalise` returned."""
    seen, gy = x.reshape(layout.view), g.reshape(layout.view)
    gx = np.empty(layout.view, x.dtype)
    gw, gb = (np.zeros(layout.scale, x.dtype) for _ in range(2))
    weight = None if w is None else w.reshape(layout.scale)
    for part in _parts(layout, x):
        s, h = 1 / np.sqrt(var[part] + eps), gy[part]
        centred = seen[part] - mean[part]
        factor = s
        if layout.scales_groups:  # the sums over the groups are those of the weights too
            sums, products = _sum(h, layout.axes), _dot(h, centred, layout.axes) * s
            _of(gb, part)[...] += _sum_to(sums, layout.scale)
            _of(gw, part)[...] += _sum_to(products, layout.scale)
            if weight is not None:
                factor = s * _of(weight, part)
        else:
            _of(gb, part)[...] += _sum_to(h, layout.scale)
            _of(gw, part)[...] += _sum_to(h * centred * s, layout.scale)
            if weight is not None:
                h = h * _of(weight, part)
            sums, products = _sum(h, layout.axes), _dot(h, centred, layout.axes) * s
        centred *= products * s / layout.group_size
        out = np.subtract(h, centred, out=gx[part])
        out -= sums / layout.group_size
        out *= factor
    return gx.reshape(x.shape), gw, gb


def normalise_relu(
    x: NDArray[Any], w: NDArray[Any] | None, b: NDArray[Any] | None, layout: Layout, eps: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """relu(y), mean and var, as of `normalise`."""
    y, mean, var = normalise(x, w, b, layout, eps)
    return relu(y), mean, var


def normalise_relu_grads(
    g: NDArray[Any],
    x: NDArray[Any],
    w: NDArray[Any] | None,
    b: NDArray[Any] | None,
    layout: Layout,
    eps: float,
    mean: NDArray[Any],
    var: NDArray[Any],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """gx, gw and gb of `normalise_relu`: where y > 0 is found again from x."""
    y, _, _ = normalise(x, w, b, layout, eps)
    return normalise_grads(relu_grad(g, y), x, w, layout, eps, mean, var)


def scale_channels(x: NDArray[Any], scale: NDArray[Any], shift: NDArray[Any]) -> NDArray[Any]:
    """x scale + shift, with one number for each channel.

    Shapes: x (N, C, ...), scale and shift (C,) -> as x. Dtype: that of all three.

    Example:
        >>> scale_channels(np.ones((1, 2)), np.array([2.0, 3.0]), np.array([0.0, 1.0])).tolist()
        [[2.0, 4.0]]
    """
    shape = (len(scale), *(1 for _ in x.shape[2:]))
    y: NDArray[Any] = x * scale.reshape(shape)
    y += shift.reshape(shape)
    return y


# ---- parts -----------------------------------------------------------------------------------------------------------


def _parts(layout: Layout, x: NDArray[Any]) -> Iterator[tuple[slice, ...]]:
    """Slices of the view along its first axis that is not normalised; none where there is nothing to do."""
    if x.size == 0:
        return
    axis = 1 if 0 in layout.axes else 0
    size = layout.view[axis]
    step = max(1, PART * size // x.nbytes)
    for start in range(0, size, step):
        yield (slice(None),) * axis + (slice(start, start + step),)


def _of(parameter: NDArray[Any], part: tuple[slice, ...]) -> NDArray[Any]:
    """The values that belong to a part; all of them where they are the same along the axis that was cut."""
    return parameter if parameter.shape[len(part) - 1] == 1 else parameter[part]


def _group_shape(layout: Layout) -> tuple[int, ...]:
    return tuple(1 if axis in layout.axes else size for axis, size in enumerate(layout.view))


# ---- sums, with size 1 along the axes that were summed ---------------------------------------------------------------


def _sum(a: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    if 0 in axes:  # whole rows are added, which takes long vectors however short the other axes are
        a = a.sum(axis=0, keepdims=True)
        axes = axes[1:]
    result: NDArray[Any] = a.sum(axis=axes, keepdims=True) if axes else a
    return result


def _dot(a: NDArray[Any], b: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    """The sum of a b, along the last axis by products of vectors, which need no array of all a b."""
    if a.ndim - 1 not in axes or a.shape[-1] < 16:
        return _sum(a * b, axes)
    return _sum(np.vecdot(a, b)[..., None], axes[:-1])


def _sum_to(a: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    copied = tuple(axis for axis, size in enumerate(shape) if size == 1 and a.shape[axis] != 1)
    return _sum(a, copied) if copied else a
