"""What each operation costs: arithmetic and bytes, told from shapes alone.

A cost is that of the operation's definition, whichever way a kernel goes about it: every tap of a window counts, also
over padding, and a convolution that Winograd's transform does with fewer multiplications costs the same. A sum of n
numbers takes n additions (it starts at 0, or at the bias), a maximum n comparisons.

The rules of a bilinear operation are bilinear too, so the rule for each input costs what the operation costs:

    conv2d    N OH OW (O C/groups KH KW)     y, x, w, and likewise conv2d_input_grad and conv2d_weight_grad
    linear    R O I                          y, x, w, with R the product of all leading dimensions
    matmul    B M N K                        y, a, b

Exact are convolution, products, pooling, normalisation, softmax and cross entropy. Of other functions an element counts
as one operation, however long an exponential takes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.plans import requests
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.ops import (
    activations,
    aggregates,
    arithmetic,
    classification,
    contractions,
    convolution,
    convolution_layers,
    functions,
    indexing,
    normalisation,
    padding,
    pooling,
    products,
    reductions,
    resampling,
    shapes,
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call, or its backward rule, has to do.

    multiply_adds: products that are added up.
    operations: all other arithmetic: an addition, a comparison, an exponential count one each.
    bytes: of the arrays read and written; None stands for each of them once.

    Example:
        >>> Cost(multiply_adds=10, operations=3).flops
        23
    """

    multiply_adds: int = 0
    operations: int = 0
    bytes: int | None = None

    @property
    def flops(self) -> int:
        """Floating-point operations, of which a multiply-add is two."""
        return 2 * self.multiply_adds + self.operations

    def __add__(self, other: Cost) -> Cost:
        moved = None if self.bytes is None or other.bytes is None else self.bytes + other.bytes
        return Cost(self.multiply_adds + other.multiply_adds, self.operations + other.operations, moved)


class Outline(NamedTuple):
    """What a cost may know of an array: its shape and its dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize


def outlined(value: Any) -> Any:
    """`value` with Outlines in place of Tensors and arrays, also inside tuples and lists."""
    if isinstance(value, (Tensor, np.ndarray)):
        return Outline(value.shape, value.dtype)
    return tuple(map(outlined, value)) if type(value) in (tuple, list) else value


def forward_cost(primitive: Primitive, arguments: Mapping[str, Any], y: Outline) -> Cost:
    """What a call costs, given all its arguments by name, outlined, and its output.

    Example:
        >>> x, y = (Outline(shape, np.dtype("float32")) for shape in [(2, 3), (2,)])
        >>> forward_cost(reductions._sum, {"x": x, "dims": (1,), "keepdim": False}, y)
        Cost(multiply_adds=0, operations=6, bytes=32)
    """
    cost = _declared(primitive, "y", {**arguments, "y": y})
    arrays = [*(arguments[name] for name in primitive.parameters), y]
    return cost if cost.bytes is not None else replace(cost, bytes=_nbytes(arrays))


def rule_cost(primitive: Primitive, arguments: Mapping[str, Any], y: Outline, served: Sequence[str]) -> Cost:
    """What the backward rules for the inputs `served` cost together.

    arguments: by name, outlined, at least those inputs and whatever their rules ask for, residuals included.
    """
    known = {**arguments, "y": y, "needs": tuple(name in served for name in primitive.differentiable)}
    cost = sum((_declared(primitive, name, known) for name in served), Cost(bytes=0))
    if cost.bytes is not None:
        return cost
    rules = [primitive.joint_rule] if primitive.joint_rule else [primitive.rules[name] for name in served]
    read = dict.fromkeys(name for rule in rules for name in requests(rule))
    return replace(cost, bytes=_nbytes([y, *map(known.get, read), *(arguments[name] for name in served)]))


def _declared(primitive: Primitive, name: str, known: Mapping[str, Any]) -> Cost:
    if name not in primitive.costs:
        return Cost(operations=known["y"].size if primitive.elementwise else 0)
    cost = primitive.costs[name]
    asked = list(inspect.signature(cost).parameters)
    unknown = [other for other in asked if other not in known]
    if unknown:
        raise ArgumentTypeError(
            f"{primitive.name}: its cost for {name} asks for {unknown[0]}, which is unknown there; "
            f"known are {', '.join(known)}"
        )
    result = cost(**{other: known[other] for other in asked})
    if not isinstance(result, Cost):
        raise ArgumentTypeError(f"{primitive.name}: its cost for {name} must be a Cost, got {result!r}")
    return result


def _nbytes(values: Sequence[Any]) -> int:
    """Of all Outlines among the values, and in tuples of them."""
    return sum(
        value.nbytes if isinstance(value, Outline) else _nbytes(value) if type(value) is tuple else 0
        for value in values
    )


# ---- one operation for each element


def _each(y):
    return Cost(operations=y.size)


def _each_of_x(x):
    return Cost(operations=x.size)


def _declare(primitives: Sequence[Primitive], cost: Callable[..., Cost]) -> None:
    """Give the calls of all of them, and all their rules, one cost."""
    for primitive in primitives:
        primitive.defcost(**dict.fromkeys(["y", *primitive.differentiable], cost))


_declare([functions._abs, functions._sign, functions._floor, functions._round, functions._relu], _each)
_declare([activations._elu, activations._softplus, activations._normal_cdf, activations._gelu_tanh], _each)
_declare([activations._gelu, activations._silu, activations._hardswish, arithmetic._neg, functions._relu_grad], _each)
_declare([reductions._shares, indexing._survivors], _each)
_declare([arithmetic._lt, arithmetic._le, arithmetic._gt, arithmetic._ge, arithmetic._eq, arithmetic._ne], _each)
_declare([arithmetic._and, arithmetic._or, arithmetic._xor, arithmetic._not], _each)

# ---- reductions and copies, which are each other's rules

_declare([reductions._amax, reductions._amin, aggregates._cumsum], _each_of_x)
_declare([reductions._argmax, reductions._argmin, reductions._any, reductions._all], _each_of_x)
reductions._sum.defcost(y=_each_of_x)
reductions._mean.defcost(y=lambda x, y: Cost(operations=x.size + y.size), x=_each)
shapes._sum_to.defcost(y=_each_of_x)
shapes._broadcast_to.defcost(x=_each)
aggregates._prod.defcost(y=_each_of_x, x=lambda x: Cost(operations=4 * x.size))
aggregates._norm.defcost(y=lambda x: Cost(multiply_adds=x.size), x=_each_of_x)
aggregates._logsumexp.defcost(y=lambda x: Cost(operations=4 * x.size), x=lambda x: Cost(operations=3 * x.size))
arithmetic._add.defcost(a=lambda: Cost(), b=lambda: Cost())  # they hand g on
arithmetic._sub.defcost(a=lambda: Cost())
for _spread in (aggregates._var, aggregates._std):
    _spread.defcost(y=lambda x: Cost(x.size, 2 * x.size), x=lambda x: Cost(operations=3 * x.size))

# ---- picking, which reads only what it picks, and putting back


def _picking(y, index):
    return Cost(bytes=2 * y.nbytes + index.nbytes)


def _adding(g):
    return Cost(operations=g.size)


def _adding_back(y):
    return Cost(operations=y.size)


indexing._take_along_dim.defcost(y=_picking, x=_adding_back)
indexing._put_along_dim.defcost(y=_adding)
indexing._put.defcost(y=_adding)
indexing._getitem.defcost(x=_adding_back)
padding._fold_border.defcost(y=_adding)
padding._pad_around.defcost(x=_adding_back)
resampling._sum_spans.defcost(y=lambda x, y: Cost(operations=max(x.size, y.size)), x=_each_of_x)
convolution._fold.defcost(y=lambda v: Cost(operations=v.size))
convolution._unfold.defcost(x=_each)

# ---- products


def _linear(y, w):
    return Cost(multiply_adds=y.size * w.shape[1])


def _matmul(a, y):
    return Cost(multiply_adds=y.size * a.shape[-1])


def _matmul_gradient(operand, y, inner):
    """Where a batch of matrices was copied along the other's, the gradients of the copies are added up."""
    copies = math.prod(y.shape[:-2]) * math.prod(operand.shape[-2:])
    return Cost(multiply_adds=y.size * inner, operations=copies if copies != operand.size else 0)


def _einsum(xs, equation):
    sizes: dict[str, int] = {}
    for name, x in zip(equation.partition("->")[0].split(","), xs, strict=True):
        sizes.update(zip(name, x.shape, strict=True))
    terms = math.prod(sizes.values())
    return Cost(multiply_adds=terms, operations=(len(xs) - 2) * terms)


def _einsum_gradients(xs, equation):
    return sum([_einsum(xs, equation)] * len(xs), Cost())


products._linear.defcost(y=_linear, x=_linear, w=_linear, b=_each)
products._matmul.defcost(
    y=_matmul,
    a=lambda a, y: _matmul_gradient(a, y, a.shape[-1]),
    b=lambda b, y: _matmul_gradient(b, y, b.shape[-2]),
)
contractions._einsum.defcost(y=_einsum, xs=_einsum_gradients)

# ---- convolution: at each of N OH OW places a product with every filter


def _filtering(images: Outline, window: Any, filters: Outline) -> Cost:
    """Of a convolution and of both its gradients, for the images and filters that it is between."""
    return Cost(multiply_adds=images.shape[0] * math.prod(window.output_size) * filters.size)


def _conv2d(x, w, window):
    return _filtering(x, window, w)


def _conv2d_input_grad(g, w, window):
    return _filtering(g, window, w)


def _conv2d_weight_grad(x, y, window):
    return _filtering(x, window, y)


convolution._conv2d.defcost(y=_conv2d, x=_conv2d, w=_conv2d, b=_each)
_declare([convolution._conv2d_input_grad], _conv2d_input_grad)
_declare([convolution._conv2d_weight_grad], _conv2d_weight_grad)

# ---- pooling


def _maximum(y, window):
    return Cost(operations=y.size * math.prod(window.kernel))


def _mean(y, window):  # and a division
    return Cost(operations=y.size * (math.prod(window.kernel) + 1))


def _mean_input_grad(g, window):
    return Cost(operations=g.size * (math.prod(window.kernel) + 1))


pooling._max_pool2d.defcost(y=_maximum, x=_each)
pooling._max_pool2d_gather.defcost(y=_picking, x=_each)
pooling._max_pool2d_scatter.defcost(y=_adding, g=lambda g, index: _picking(g, index))
_declare([pooling._avg_pool2d], _mean)
_declare([pooling._avg_pool2d_input_grad], _mean_input_grad)

# ---- layers fused with their relu and pooling: g passes back through those once, for the first input that is served


def _before_pooling(y, window, pool):
    return y.size // math.prod(pool.output_size) * math.prod(window.output_size)


def _back_through_relu(y, earlier):
    return Cost() if any(earlier) else _each(y)


def _back_through_pooling(y, earlier):
    return Cost() if any(earlier) else Cost(operations=2 * y.size)


products._linear_relu.defcost(
    y=lambda y, w: _linear(y, w) + _each(y),
    x=lambda y, w: _linear(y, w) + _each(y),
    w=lambda y, w, needs: _linear(y, w) + _back_through_relu(y, needs[:1]),
    b=lambda y, needs: _each(y) + _back_through_relu(y, needs[:2]),
)
convolution_layers._conv2d_relu.defcost(
    y=lambda x, w, window, y: _filtering(x, window, w) + _each(y),
    x=lambda x, w, window, y: _filtering(x, window, w) + _each(y),
    w=lambda x, w, window, y, needs: _filtering(x, window, w) + _back_through_relu(y, needs[:1]),
    b=lambda y, needs: _each(y) + _back_through_relu(y, needs[:2]),
)
convolution_layers._conv2d_relu_max_pool2d.defcost(
    y=lambda x, w, window, pool, y: (
        _filtering(x, window, w) + Cost(operations=_before_pooling(y, window, pool)) + _maximum(y, pool)
    ),
    x=lambda x, w, window, y: _filtering(x, window, w) + _back_through_pooling(y, ()),
    w=lambda x, w, window, y, needs: _filtering(x, window, w) + _back_through_pooling(y, needs[:1]),
    b=lambda y, window, pool, needs: (
        Cost(operations=_before_pooling(y, window, pool)) + _back_through_pooling(y, needs[:2])
    ),
)

# ---- normalisation, by the formulas at the top of kernels/numpy/normalisation.py; 3 operations for each inv_std


def _groups(x, layout):
    return x.size // (layout.group_size or 1)


def _normalise(x, w, b, layout):
    n, groups = x.size, _groups(x, layout)
    both, one = w is not None and b is not None, (w is None) != (b is None)
    return Cost(multiply_adds=n + n * both, operations=3 * n + n * one + 5 * groups)


def _normalise_input(x, w, layout):
    n, groups = x.size, _groups(x, layout)
    return Cost(multiply_adds=2 * n, operations=5 * n + n * (w is not None) + 5 * groups)


def _normalise_weight(x, layout, needs):
    n, groups = x.size, _groups(x, layout)
    return Cost(multiply_adds=n, operations=0 if needs[0] else 2 * n + 3 * groups)  # x^ is there if x needs it


normalisation._normalise.defcost(y=_normalise, x=_normalise_input, w=_normalise_weight, b=_each)
normalisation._normalise_relu.defcost(
    y=lambda x, w, b, layout: _normalise(x, w, b, layout) + _each(x),
    x=lambda x, w, layout: _normalise_input(x, w, layout) + _each(x),
    w=lambda x, layout, needs: _normalise_weight(x, layout, needs) + _back_through_relu(x, needs[:1]),
    b=lambda y, needs: _each(y) + _back_through_relu(y, needs[:2]),
)
normalisation._scale_channels.defcost(
    y=lambda x: Cost(multiply_adds=x.size), x=_each, scale=lambda x: Cost(multiply_adds=x.size), shift=_each
)

# ---- softmax and cross entropy: the largest score, differences to it, exponentials, their sum, quotients


def _softmax(x):
    return Cost(operations=5 * x.size)


def _log_softmax(x, dim):
    return Cost(operations=5 * x.size + x.size // (x.shape[dim] or 1))


def _cross_entropies(x, y):
    return Cost(operations=5 * x.size + 3 * y.size)


def _cross_entropy_soft(x, y):
    return Cost(multiply_adds=x.size, operations=6 * x.size + 2 * y.size)


classification._softmax.defcost(y=_softmax, x=lambda y: Cost(y.size, 2 * y.size))
classification._log_softmax.defcost(y=_log_softmax, x=lambda y: Cost(y.size, 2 * y.size))
classification._cross_entropy.defcost(
    y=lambda x: Cost(operations=5 * x.size + 4 * x.shape[0] + 1), x=lambda x: Cost(operations=x.size + x.shape[0] + 1)
)
classification._cross_entropies.defcost(y=_cross_entropies, x=lambda x, y: Cost(operations=x.size + y.size))
classification._cross_entropy_soft.defcost(
    y=_cross_entropy_soft,
    x=lambda x: Cost(x.size, 2 * x.size),
    target=lambda x, y: Cost(operations=6 * x.size + 2 * y.size),
)
