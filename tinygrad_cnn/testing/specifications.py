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
from tinygrad_cnn.ops import (
    arithmetic,
    classification,
    convolution,
    functions,
    indexing,
    pooling,
    products,
    reductions,
    shapes,
)
from tinygrad_cnn.testing.gradient_checks import check_grad
from tinygrad_cnn.testing.reports import GradientReport
from tinygrad_cnn.testing.strategies import Strategy, arrays, broadcastable, convolutions, matrices, windows
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


def _one(values: str = "any") -> Strategy:
    return st.tuples(arrays(values=values))


@st.composite
def _reduction(draw: Any, values: str = "any") -> tuple[Any, ...]:
    x = draw(arrays(any_shape(1, 3), values=values))
    dims = draw(st.lists(st.integers(0, x.ndim - 1), min_size=1, unique=True))
    return x, tuple(dims), draw(st.booleans())


@st.composite
def _along(draw: Any) -> tuple[Any, int, bool]:
    x = draw(arrays(any_shape(1, 3)))
    return x, draw(st.integers(0, x.ndim - 1)), draw(st.booleans())


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
def _scored(draw: Any, soft: bool = False) -> tuple[Any, Any]:
    batch, classes = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    x = draw(arrays((batch, classes)))
    if soft:
        return x, draw(arrays((batch, classes), values="positive"))
    return x, np.random.default_rng(draw(st.integers(0, 99))).integers(0, classes, batch)


@st.composite
def _pooled(draw: Any, values: str = "any", adjoint: bool = False) -> tuple[Any, Any]:
    frame = draw(windows(pooling=True))
    lead = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    return draw(arrays((*lead, *(frame.output_size if adjoint else frame.size)), values=values)), frame


@st.composite
def _max_pooled(draw: Any, adjoint: bool = False) -> tuple[Any, ...]:
    x, frame = draw(_pooled())
    y, index = kernels.max_pool2d(x, frame)
    return (draw(arrays(y.shape)), index, frame.size) if adjoint else (x, index)


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
    Specification(arithmetic._where, st.tuples(arrays((2, 3)), arrays((3,)), st.just(np.array([[True], [False]])))),
    *(
        Specification(p, _PAIR, constant=_STEPS)
        for p in (arithmetic._lt, arithmetic._le, arithmetic._gt, arithmetic._ge, arithmetic._eq, arithmetic._ne)
    ),
    # functions
    *(Specification(p, _one()) for p in (functions._exp, functions._tanh, functions._sigmoid)),
    *(Specification(p, _one("integers")) for p in (functions._relu, functions._abs)),
    *(Specification(p, _one("positive")) for p in (functions._log, functions._sqrt)),
    Specification(functions._sign, _one(), constant=_STEPS),
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
    # products
    Specification(products._matmul, matrices()),
    Specification(products._mT, st.tuples(arrays(any_shape(2, 3)))),
    Specification(products._linear, _linear_arguments()),
    # convolution
    Specification(convolution._conv2d, convolutions("xwb")),
    Specification(convolution._conv2d_input_grad, convolutions("gw")),
    Specification(convolution._conv2d_weight_grad, convolutions("xg")),
    # pooling
    Specification(pooling._max_pool2d, _pooled("ties")),
    Specification(pooling._max_pool2d_gather, _max_pooled()),
    Specification(pooling._max_pool2d_scatter, _max_pooled(adjoint=True)),
    Specification(pooling._avg_pool2d, _pooled()),
    Specification(pooling._avg_pool2d_input_grad, _pooled(adjoint=True)),
    # classification
    *(Specification(p, _softmax_arguments()) for p in (classification._softmax, classification._log_softmax)),
    Specification(classification._cross_entropy, _scored()),
    Specification(classification._cross_entropy_soft, _scored(soft=True)),
]
