"""`Parameter`: a Tensor that a Module learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from tinygrad_cnn.core.dtypes import as_array
from tinygrad_cnn.core.edges import EDITS
from tinygrad_cnn.core.tensors import Tensor


class Parameter(Tensor):
    """A Tensor that belongs to the Module it is assigned to, and that optimisers may edit in place.

    It copies its data, so that training never writes into an array of yours. To tie two layers assign one Parameter to
    both; it then counts once in `parameters()`.

    data: an array, a Tensor or numbers; Python floats become float32, arrays keep their dtype.
    requires_grad: False freezes it; it still belongs to the Module's state.

    Raises: DTypeError where a gradient is asked of integers or booleans.

    Example:
        >>> Parameter([1.0, 2.0])
        tensor([1., 2.], shape=(2,), dtype=float32, requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = True) -> None:
        array = data.data if isinstance(data, Tensor) else as_array(data)
        super().__init__(np.array(array, order="C"), requires_grad)


def cast_in_place(leaf: Tensor, dtype: DTypeLike) -> None:
    """Another dtype for a leaf and its gradient, while it stays the Tensor that optimisers and other Modules hold."""
    if leaf.dtype == dtype:
        return
    cast = Tensor(leaf.data.astype(dtype), leaf.requires_grad)
    if leaf.grad is not None:
        cast.grad = leaf.grad.detach().to(dtype)
    leaf._data, leaf._edge = cast._data, cast._edge
    if leaf._version is not None:
        EDITS.stamp(leaf._version)  # a graph that kept the old values must not be pulled through
