"""One pass of a compiled function over arrays of one shape, number by number, in whatever order they lie in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from tinygrad_cnn.kernels.jit.layouts import channels_last, contiguous
from tinygrad_cnn.kernels.jit.threads import run
from tinygrad_cnn.kernels.memory import empty

GRAIN = 1 << 18  # elements read or written that are worth a thread of its own

Array = NDArray[Any]
Reorder = Callable[[Array], Array]


def in_one_pass(
    function: Callable[..., None], arrays: tuple[Array, ...], *options: Any, into: Array | None = None
) -> Array:
    """A new array, laid out as the first, from arrays of one shape.

    function: `shared`, of (all arrays, the result, options). into: an array to write to instead, which lies so already.
    """
    in_order, back = _order(arrays[0])
    seen = [in_order(array) for array in arrays]
    result = empty(seen[0].shape, seen[0].dtype) if into is None else in_order(into)
    arguments = *(array.reshape(-1) for array in seen), result.reshape(-1), *options
    run(function, arguments, result.size, GRAIN // len(arguments))
    return back(result)


def _order(x: Array) -> tuple[Reorder, Reorder]:
    """How arrays of x's shape come into the order in which x lies in memory, or nearly so, and back."""
    if x.ndim == 4 and not x.flags.c_contiguous:
        return channels_last, _channels_first
    return contiguous, _as_it_is


def _channels_first(images: Array) -> Array:
    return images.transpose(0, 3, 1, 2)


def _as_it_is(a: Array) -> Array:
    return a
