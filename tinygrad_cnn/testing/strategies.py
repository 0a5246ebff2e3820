"""Hypothesis strategies for arrays as operations meet them: awkward in shape and layout, and kind where it matters.

Elements come from a seed that Hypothesis draws, so that an example is cheap to make; shapes, layouts and options are
drawn one by one and shrink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.optional import require

require("hypothesis", feature="tinygrad_cnn.testing.strategies", extra="test")

import hypothesis.extra.numpy as hypothesis_numpy  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

Array: TypeAlias = NDArray[Any]
Strategy: TypeAlias = st.SearchStrategy[Any]


def shapes(min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4) -> Strategy:
    """Shapes with few, small, unequal dimensions."""
    return hypothesis_numpy.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


@st.composite
def arrays(
    draw: Any,
    shape: Any = None,
    *,
    values: str = "any",
    dtype: Any = np.float64,
) -> Array:
    """An array of `shape` (a tuple or a strategy), in memory order of any kind.

    values: 'any' (normal, no two equal), 'distinct' (a shuffled grid, no two closer than 0.1), 'positive' (0.5 to 2),
    'integers' (-3 to 3, with ties and exact zeros), 'ties' (few distinct values), 'near-kinks' (0 and what lies within
    1e-3 of it, down to 1e-12, both zeros signed), 'special' (with infinities, NaN and signed zeros among them).

    Raises: ArgumentError for values of another name.

    Example:
        >>> from hypothesis import find
        >>> find(arrays((2, 3), values="positive"), lambda x: True).shape
        (2, 3)
    """
    if values not in _VALUES:
        raise ArgumentError(f"arrays: values must be one of {', '.join(_VALUES)}, got {values!r}")
    size = draw(shape if isinstance(shape, st.SearchStrategy) else shapes() if shape is None else st.just(tuple(shape)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = np.asarray(_VALUES[values](generator, size), dtype)
    layout: Callable[[Array], Array] = draw(st.sampled_from(_LAYOUTS))
    return layout(made)


_NEAR_ZERO = [0.0, 1e-12, 1e-9, 1e-6, 1e-3, 0.5]
_VALUES = {
    "any": lambda generator, size: generator.normal(size=size),
    "distinct": lambda generator, size: generator.permutation(math.prod(size)).reshape(size) / 10 - 1.05,
    "positive": lambda generator, size: generator.uniform(0.5, 2.0, size),
    "integers": lambda generator, size: generator.integers(-3, 4, size),
    "ties": lambda generator, size: generator.choice([-1.0, 0.0, 0.5], size),
    "near-kinks": lambda generator, size: generator.choice(_NEAR_ZERO, size) * generator.choice([-1.0, 1.0], size),
    "special": lambda generator, size: np.where(
        generator.random(size) < 0.3,
        generator.choice([0.0, -0.0, np.inf, -np.inf, np.nan], size),
        generator.normal(size=size),
    ),
}


def _contiguous(x: Array) -> Array:
    return x


def _column_major(x: Array) -> Array:
    return np.asfortranarray(x) if x.ndim else x


def _every_second(x: Array) -> Array:
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]) if x.ndim else (), x.dtype)
    view = wide[..., ::2] if x.ndim else wide
    view[...] = x
    return view


def _backwards(x: Array) -> Array:
    return np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x


_LAYOUTS = [_contiguous, _column_major, _every_second, _backwards]


@st.composite
def broadcastable(draw: Any, values: Sequence[str] = ("any", "any")) -> tuple[Array, ...]:
    """Arrays whose shapes broadcast against each other, one for each kind of `values`."""
    found = draw(hypothesis_numpy.mutually_broadcastable_shapes(num_shapes=len(values), max_dims=3, max_side=3))
    return tuple(draw(arrays(shape, values=kind)) for shape, kind in zip(found.input_shapes, values, strict=True))


@st.composite
def matrices(draw: Any) -> tuple[Array, Array]:
    """Two arrays that `matmul` takes, with batch dimensions that broadcast."""
    batches = draw(hypothesis_numpy.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)).input_shapes
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    return draw(arrays((*batches[0], m, k))), draw(arrays((*batches[1], k, n)))


@st.composite
def windows(draw: Any, *, pooling: bool = False, dilated: bool = True) -> Window:
    """A valid window geometry: rectangular kernels, strides with remainders, borders, dilation.

    pooling: borders of at most half the kernel, windows that overhang (ceil mode), and no border where dilated, so that
    each window reads a pixel.
    """
    kernel = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    most = [k // 2 if pooling else 2 for k in kernel]
    padding = draw(st.tuples(st.integers(0, most[0]), st.integers(0, most[1])))
    may_dilate = dilated and not (pooling and any(padding))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) if may_dilate else (1, 1)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    size = tuple(draw(st.integers(low, low + 3)) for low in least)
    return window("windows", size, kernel, stride, padding, dilation, ceil_mode=pooling and draw(st.booleans()))


@st.composite
def convolutions(draw: Any, roles: str = "xwb") -> tuple[Any, ...]:
    """Arguments of the convolution primitives: the arrays named in `roles` (x, w, b, g), the window, the groups."""
    frame = draw(windows())
    groups = draw(st.integers(1, 2))
    batch, channels, filters = (
        draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
        groups * draw(st.integers(1, 2)),
    )
    shape = {
        "x": (batch, channels, *frame.size),
        "w": (filters, channels // groups, *frame.kernel),
        "b": (filters,),
        "g": (batch, filters, *frame.output_size),
    }
    return (*(draw(arrays(shape[role])) for role in roles), frame, groups)


def tensors(shape: Any = None, *, values: str = "any", dtype: Any = np.float32, requires_grad: bool = True) -> Strategy:
    """Leaf Tensors over `arrays`; also what Hypothesis draws for the type `Tensor`."""
    return arrays(shape, values=values, dtype=dtype).map(lambda array: Tensor(array, requires_grad))


@st.composite
def poolings(draw: Any, values: str = "any", *, dilated: bool = True, outputs: bool = False) -> tuple[Array, Window]:
    """An array (N, C, H, W) and a window of pooling over it; with `outputs` an array (N, C, OH, OW) in its place."""
    frame = draw(windows(pooling=True, dilated=dilated))
    lead = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    return draw(arrays((*lead, *(frame.output_size if outputs else frame.size)), values=values)), frame


def register_types() -> None:
    """Let Hypothesis draw Tensors and Windows by their types; it calls this itself, by an entry point."""
    st.register_type_strategy(Tensor, tensors())
    st.register_type_strategy(Window, windows())
