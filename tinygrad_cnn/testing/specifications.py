"""The table of specifications: for every primitive, on what inputs and to what order its rules are proved.

A row is checked to second order, unless `constant` says why its primitive has no rule at all: only integer, boolean and
piecewise-constant operations may. A test fails when a primitive of `ops` has no row.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial, update_wrapper
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_cnn import kernels, ops
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.geometry import window
from tinygrad_cnn.ops import (
    activations,
    aggregates,
    arithmetic,
    arrangements,
    classification,
    contractions,
    convolution,
    convolution_layers,
    functions,
    indexing,
    losses,
    normalisation,
    padding,
    pooling,
    products,
    reductions,
    resampling,
    shapes,
)
from tinygrad_cnn.testing.gradient_checks import check_grad
from tinygrad_cnn.testing.layer_arguments import normalisations, probabilities, scores
from tinygrad_cnn.testing.reports import GradientReport
from tinygrad_cnn.testing.strategies import Strategy, arrays, broadcastable, convolutions, matrices, poolings, windows
from tinygrad_cnn.testing.strategies import shapes as any_shape


@dataclass(frozen=True, slots=True)
class Specification:
    """A primitive and the strategy of the arguments it is checked on."""

    primitive: Primitive
    arguments: Strategy  # of tuples
    constant: str = ""  # why it has no rule at all: its output is piecewise constant
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword arguments

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.primitive.name

    def check(self, arguments: tuple[Any, ...], primitive: Primitive | None = None, **options: Any) -> GradientReport:
        """Check the primitive (or another in its place) at `arguments`, to second order; options as in `check_grad`.

        Raises: GradientMismatch where a rule is wrong.
        """
        subject = self.primitive if primitive is None else primitive
        call = partial(subject, **self.options)
        update_wrapper(call, subject)
        return check_grad(call, arguments, **{"order": 2, **options})


def primitives() -> list[Primitive]:
    """Every primitive of `ops`, found by looking through its modules."""
    modules = [importlib.import_module(f"{ops.__name__}.{info.name}") for info in pkgutil.iter_modules(ops.__path__)]
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Primitive)}
    return list(found.values())


# ---- arguments that several rows share


def _masks(drawn: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(np.asarray(x > 0) for x in drawn)


def _one(values: str = "any") -> Strategy:
    return st.tuples(arrays(values=values))


@st.composite
def _reduction(draw: Any, values: str = "any") -> tuple[Any, ...]:
    x = draw(arrays(any_shape(1, 3), values=values))
    dims = draw(st.lists(st.integers(0, x.ndim - 1), min_size=1, unique=True))
    return x, tuple(dims), draw(st.booleans())


@st.composite
def _along(draw: Any, values: str = "any") -> tuple[Any, int, bool]:
    x = draw(arrays(any_shape(1, 3), values=values))
    return x, draw(st.integers(0, x.ndim - 1)), draw(st.booleans())


_DEVIATIONS = st.tuples(arrays((2, 3)), st.sampled_from([(1,), (0, 1)]), st.sampled_from([0, 1]), st.booleans())


@st.composite
def _softmax_arguments(draw: Any) -> tuple[Any, int]:
    x, dim, _ = draw(_along())
    return x, dim


_INDICES = [
    (slice(1, None), slice(None, None, -1)),
    (Ellipsis, 0),
    (1, None),
    (np.array([0, 0, 1]), slice(None)),
    (np.array([[1, 0], [1, 1]]), np.array([0, 2])),
    (slice(None), np.array([True, False, True])),
]


@st.composite
def _indexed(draw: Any) -> tuple[Any, Any]:
    return draw(arrays((2, 3))), draw(st.sampled_from(_INDICES))


@st.composite
def _put_arguments(draw: Any) -> tuple[Any, Any, Any]:
    index = draw(st.sampled_from(_INDICES))
    return draw(arrays(np.zeros((2, 3))[index].shape)), index, (2, 3)


@st.composite
def _assigned(draw: Any) -> tuple[Any, Any, Any]:
    index = draw(st.sampled_from(_INDICES))
    shape = np.zeros((2, 3))[index].shape
    return draw(arrays((2, 3))), draw(arrays(shape[draw(st.integers(0, len(shape))) :])), index


@st.composite
def _taken(draw: Any, adjoint: bool = False) -> tuple[Any, ...]:
    shape = draw(any_shape(1, 3))
    dim = draw(st.integers(0, len(shape) - 1))
    picked = (*shape[:dim], draw(st.integers(1, 3)), *shape[dim + 1 :])
    index = np.random.default_rng(draw(st.integers(0, 99))).integers(0, shape[dim], picked)
    return (draw(arrays(picked)), index, dim, shape) if adjoint else (draw(arrays(shape)), index, dim)


@st.composite
def _padded(draw: Any, crop: bool = False) -> tuple[Any, ...]:
    x = draw(arrays(any_shape(1, 3)))
    widths = tuple(draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in x.shape)
    return (np.pad(x, widths, mode="edge"), widths) if crop else (x, widths, draw(st.sampled_from([0.0, -1.5])))


@st.composite
def _broadcast(draw: Any, adjoint: bool = False) -> tuple[Any, Any]:
    small, large = draw(broadcastable(("any", "any")))
    shape = np.broadcast_shapes(small.shape, large.shape)
    return (draw(arrays(shape)), small.shape) if adjoint else (small, shape)


@st.composite
def _permuted(draw: Any) -> tuple[Any, Any]:
    x = draw(arrays())
    return x, tuple(draw(st.permutations(range(x.ndim))))


@st.composite
def _linear_arguments(draw: Any) -> tuple[Any, Any, Any]:
    lead, features, outputs = draw(any_shape(0, 2)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    bias = draw(st.one_of(st.none(), arrays((outputs,))))
    return draw(arrays((*lead, features))), draw(arrays((outputs, features))), bias


@st.composite
def _pooled_convolutions(draw: Any) -> tuple[Any, ...]:
    *arguments, frame, groups = draw(convolutions("xwb"))
    kernel = [draw(st.integers(1, min(2, size))) for size in frame.output_size]
    return *arguments, frame, groups, window("max_pool2d", frame.output_size, kernel, kernel, 0)


@st.composite
def _max_pooled(draw: Any, adjoint: bool = False) -> tuple[Any, ...]:
    x, frame = draw(poolings())
    y, index = kernels.max_pool2d(x, frame)
    return (draw(arrays(y.shape)), index, frame.size) if adjoint else (x, index)


@st.composite
def _avg_pooled(draw: Any, adjoint: bool = False) -> tuple[Any, ...]:
    x, frame = draw(poolings(dilated=False, outputs=adjoint))
    counts = np.arange(1, 1 + frame.output_size[0] * frame.output_size[1]).reshape(frame.output_size)
    return x, frame, draw(st.sampled_from([None, 3, counts]))


@st.composite
def _unfolded(draw: Any, adjoint: bool = False) -> tuple[Any, Any]:
    frame, batch, channels = draw(windows()), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    (KH, KW), (OH, OW) = frame.kernel, frame.output_size
    return draw(arrays((batch, channels * KH * KW, OH * OW) if adjoint else (batch, channels, *frame.size))), frame


@st.composite
def _bordered(draw: Any, adjoint: bool = False) -> tuple[Any, Any, str]:
    size = draw(any_shape(1, 3, min_side=2))
    widths = tuple(draw(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))) for n in size)
    bordered = tuple(n + before + after for n, (before, after) in zip(size, widths, strict=True))
    return draw(arrays(bordered if adjoint else size)), widths, draw(st.sampled_from(list(kernels.BORDERS)))


_SPANS = st.tuples(
    arrays((2, 4, 3)), st.sampled_from([([0, 1, 3], [2, 3, 4]), ([0, 0, 1, 3], [1, 4, 4, 4]), ([2, 2], [2, 4])])
).map(lambda drawn: (drawn[0], tuple(np.array(bound) for bound in drawn[1]), 1))
_NORMS = st.tuples(
    arrays((2, 3), values="positive"), st.sampled_from([2, 1, 3, 0.5, 1.5]), st.just((1,)), st.booleans()
)
_BOUNDED = st.tuples(arrays((2, 3), values="distinct"), arrays((3,)), arrays((2, 1), values="positive"))
_FRACTIONS = arrays(values="positive").map(lambda x: (np.asarray(x - 1.25),))  # -0.75 to 0.75
_CASTS = st.tuples(arrays(), st.just(np.dtype(np.float64)), st.just(np.dtype(np.float64)))
_PAIR = broadcastable(("any", "any"))
_STEPS = "piecewise constant: its derivative is 0 wherever it exists"

TABLE = [
    # arithmetic
    *(Specification(p, _PAIR) for p in (arithmetic._add, arithmetic._sub, arithmetic._mul)),
    Specification(arithmetic._div, broadcastable(("any", "positive"))),
    Specification(arithmetic._neg, _one()),
    Specification(arithmetic._pow, broadcastable(("positive", "any"))),
    *(Specification(p, broadcastable(("ties", "ties"))) for p in (arithmetic._maximum, arithmetic._minimum)),
    Specification(arithmetic._clamp, _BOUNDED),
    Specification(arithmetic._where, st.tuples(arrays((2, 3)), arrays((3,)), st.just(np.array([[True], [False]])))),
    *(
        Specification(p, _PAIR, constant=_STEPS)
        for p in (arithmetic._lt, arithmetic._le, arithmetic._gt, arithmetic._ge, arithmetic._eq, arithmetic._ne)
    ),
    *(
        Specification(p, broadcastable(("ties", "ties")).map(_masks), constant=_STEPS)
        for p in (arithmetic._and, arithmetic._or, arithmetic._xor)
    ),
    Specification(arithmetic._not, _one("ties").map(_masks), constant=_STEPS),
    # functions
    *(Specification(p, _one()) for p in (functions._exp, functions._expm1, functions._tanh, functions._sigmoid)),
    *(Specification(p, _one()) for p in (functions._sin, functions._cos, functions._atan)),
    *(Specification(p, _FRACTIONS) for p in (functions._tan, functions._asin, functions._acos)),
    *(Specification(p, _one("integers")) for p in (functions._relu, functions._abs)),
    Specification(functions._relu_grad, st.tuples(arrays((2, 3)), st.just(np.array([[0, 1, 2], [1, 0, 0]])))),
    *(
        Specification(p, _one("positive"))
        for p in (functions._log, functions._log1p, functions._sqrt, functions._rsqrt)
    ),
    *(Specification(p, _one(), constant=_STEPS) for p in (functions._sign, functions._floor)),
    Specification(functions._round, _one(), constant=_STEPS, options={"decimals": 0}),
    # shapes
    *(Specification(p, _one()) for p in (shapes._alias, shapes._clone)),
    Specification(shapes._cast, _CASTS),
    Specification(shapes._reshape, st.tuples(arrays((2, 6)), st.sampled_from([(12,), (3, 4), (2, 3, 2), (-1, 2)]))),
    Specification(shapes._permute, _permuted()),
    Specification(shapes._broadcast_to, _broadcast()),
    Specification(shapes._sum_to, _broadcast(adjoint=True)),
    Specification(shapes._pad, _padded()),
    Specification(shapes._crop, _padded(crop=True)),
    Specification(shapes._cat, st.tuples(arrays((2, 1)), arrays((2, 3))), options={"dim": 1}),
    Specification(shapes._stack, st.tuples(arrays((2, 3)), arrays((2, 3))), options={"dim": 1}),
    # arrangements
    Specification(arrangements._flip, st.tuples(arrays((2, 3)), st.sampled_from([(0,), (1, 0)]))),
    Specification(arrangements._roll, st.tuples(arrays((2, 3)), st.just((1, -2)), st.just((0, 1)))),
    *(
        Specification(p, st.tuples(arrays((2, 3, 4)), st.integers(-2, 2)))
        for p in (arrangements._tril, arrangements._triu)
    ),
    # indexing
    Specification(indexing._getitem, _indexed()),
    Specification(indexing._put, _put_arguments()),
    Specification(indexing._setitem, _assigned()),
    Specification(
        indexing._survivors,
        st.tuples(arrays((2, 3)), st.just((np.array([0, 0]),)), st.just((2, 3))),
        constant="depends on the index only",
    ),
    Specification(indexing._take_along_dim, _taken()),
    Specification(indexing._put_along_dim, _taken(adjoint=True)),
    # reductions
    *(Specification(p, _reduction()) for p in (reductions._sum, reductions._mean)),
    *(Specification(p, _reduction("ties")) for p in (reductions._amax, reductions._amin)),
    Specification(
        reductions._shares,
        arrays((2, 3), values="ties").map(lambda x: (x, x.max(axis=1), (1,))),
        constant=_STEPS,
    ),
    *(Specification(p, _along(), constant=_STEPS) for p in (reductions._argmax, reductions._argmin)),
    *(Specification(p, _reduction(), constant=_STEPS) for p in (reductions._any, reductions._all)),
    # aggregates
    Specification(aggregates._prod, _along("integers")),
    *(Specification(p, _DEVIATIONS) for p in (aggregates._var, aggregates._std)),
    Specification(
        aggregates._norm,
        st.tuples(
            arrays((2, 3), values="positive"), st.sampled_from([2, 1, 3, 0.5, 1.5]), st.just((1,)), st.booleans()
        ),
    ),
    Specification(aggregates._logsumexp, _reduction()),
    Specification(aggregates._cumsum, _along()),
    # products
    Specification(
        contractions._einsum,
        st.tuples(arrays((2, 3)), arrays((3, 2, 4)), arrays((4,))),
        options={"equation": "ij,jik,k->jk"},
    ),
    Specification(products._matmul, matrices()),
    Specification(products._mT, st.tuples(arrays(any_shape(2, 3)))),
    *(Specification(p, _linear_arguments()) for p in (products._linear, products._linear_relu)),
    # convolution
    Specification(convolution._conv2d, convolutions("xwb")),
    Specification(convolution._conv2d_input_grad, convolutions("gw")),
    Specification(convolution._conv2d_weight_grad, convolutions("xg")),
    Specification(convolution_layers._conv2d_relu, convolutions("xwb")),
    Specification(convolution_layers._conv2d_relu_max_pool2d, _pooled_convolutions()),
    Specification(convolution._unfold, _unfolded()),
    Specification(convolution._fold, _unfolded(adjoint=True)),
    # pooling
    Specification(pooling._max_pool2d, poolings("ties")),
    Specification(pooling._max_pool2d_gather, _max_pooled()),
    Specification(pooling._max_pool2d_scatter, _max_pooled(adjoint=True)),
    Specification(pooling._avg_pool2d, _avg_pooled()),
    Specification(pooling._avg_pool2d_input_grad, _avg_pooled(adjoint=True)),
    # resampling
    Specification(resampling._sum_spans, _SPANS),
    # padding
    Specification(padding._pad_around, _bordered()),
    Specification(padding._fold_border, _bordered(adjoint=True)),
    # classification
    *(Specification(p, _softmax_arguments()) for p in (classification._softmax, classification._log_softmax)),
    Specification(classification._cross_entropies, scores()),
    Specification(classification._cross_entropy, st.tuples(arrays((2, 3)), st.just(np.array([2, 0])))),
    Specification(classification._cross_entropy_soft, scores(soft=True)),
    # activations: "distinct" values are never at a kink
    Specification(activations._prelu, broadcastable(("distinct", "any"))),
    Specification(activations._elu, _one("distinct"), options={"alpha": 0.7}),
    Specification(activations._softplus, _one("distinct"), options={"beta": 1.5, "threshold": 2.0}),
    *(
        Specification(p, _one("distinct"))
        for p in (activations._normal_cdf, activations._gelu, activations._gelu_tanh, activations._silu)
    ),
    Specification(activations._hardswish, _one("distinct")),
    # normalisation
    Specification(normalisation._normalise, normalisations()),
    Specification(normalisation._normalise_relu, normalisations()),
    Specification(normalisation._scale_channels, st.tuples(arrays((2, 3, 2)), arrays((3,)), arrays((3,)))),
    # losses
    Specification(losses._squared_difference, _PAIR),
    Specification(losses._smooth_l1, _PAIR, options={"beta": 0.7}),
    Specification(losses._binary_cross_entropy, probabilities()),
    Specification(losses._binary_cross_entropy_with_logits, _PAIR, options={"pos_weight": 1.5}),
    Specification(losses._xlogx, _one("positive")),
]
