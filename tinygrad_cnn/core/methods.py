"""What can be written on a Tensor, `x + y`, `x.sum(dim=1)`: each is the registered operation of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.registry import OPS

if TYPE_CHECKING:
    from tinygrad_cnn.core.tensors import Tensor

Dims: TypeAlias = int | tuple[int, ...] | None


class Operations:
    """The base of Tensor that holds its operators and methods; PyTorch's names, arguments and meaning."""

    __slots__ = ()

    # ---- operators

    def __add__(self, other: Any) -> Tensor:
        return OPS["add"](self, other)

    def __radd__(self, other: Any) -> Tensor:
        return OPS["add"](other, self)

    def __sub__(self, other: Any) -> Tensor:
        return OPS["sub"](self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return OPS["sub"](other, self)

    def __mul__(self, other: Any) -> Tensor:
        return OPS["mul"](self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return OPS["mul"](other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return OPS["div"](self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return OPS["div"](other, self)

    def __pow__(self, other: Any) -> Tensor:
        return OPS["pow"](self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return OPS["pow"](other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return OPS["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return OPS["matmul"](other, self)

    def __neg__(self) -> Tensor:
        return OPS["neg"](self)

    def __pos__(self) -> Tensor:
        return self  # type: ignore[return-value]  # a Tensor is all that this can be

    def __abs__(self) -> Tensor:
        return OPS["abs"](self)

    def __lt__(self, other: Any) -> Tensor:
        return OPS["lt"](self, other)

    def __le__(self, other: Any) -> Tensor:
        return OPS["le"](self, other)

    def __gt__(self, other: Any) -> Tensor:
        return OPS["gt"](self, other)

    def __ge__(self, other: Any) -> Tensor:
        return OPS["ge"](self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return OPS["eq"](self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return OPS["ne"](self, other)

    def __getitem__(self, index: Any) -> Tensor:
        return OPS["getitem"](self, index)

    # ---- methods

    def exp(self) -> Tensor:
        """e**x."""
        return OPS["exp"](self)

    def log(self) -> Tensor:
        """The natural logarithm."""
        return OPS["log"](self)

    def sqrt(self) -> Tensor:
        """The square root."""
        return OPS["sqrt"](self)

    def tanh(self) -> Tensor:
        """The hyperbolic tangent."""
        return OPS["tanh"](self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + e**-x)."""
        return OPS["sigmoid"](self)

    def relu(self) -> Tensor:
        """max(x, 0)."""
        return OPS["relu"](self)

    def abs(self) -> Tensor:
        """The absolute value."""
        return OPS["abs"](self)

    def pow(self, exponent: Any) -> Tensor:
        """x ** exponent."""
        return OPS["pow"](self, exponent)

    def maximum(self, other: Any) -> Tensor:
        """The larger of each pair of elements."""
        return OPS["maximum"](self, other)

    def minimum(self, other: Any) -> Tensor:
        """The smaller of each pair of elements."""
        return OPS["minimum"](self, other)

    def sum(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The sum over `dim` (all by default)."""
        return OPS["sum"](self, dim, keepdim)

    def mean(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The mean over `dim` (all by default)."""
        return OPS["mean"](self, dim, keepdim)

    def amax(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The largest element along `dim`; ties share the gradient."""
        return OPS["amax"](self, dim, keepdim)

    def amin(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The smallest element along `dim`; ties share the gradient."""
        return OPS["amin"](self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """The index of the (first) largest element."""
        return OPS["argmax"](self, dim, keepdim)

    def any(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether any element is true."""
        return OPS["any"](self, dim, keepdim)

    def all(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether all elements are true."""
        return OPS["all"](self, dim, keepdim)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """The dimensions from `start_dim` to `end_dim` as one."""
        return OPS["flatten"](self, start_dim, end_dim)

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Two dimensions exchanged."""
        return OPS["transpose"](self, dim0, dim1)

    def softmax(self, dim: int) -> Tensor:
        """e**x normalised to sum 1 along `dim`."""
        return OPS["softmax"](self, dim)

    def log_softmax(self, dim: int) -> Tensor:
        """The logarithm of softmax, computed stably."""
        return OPS["log_softmax"](self, dim)

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """The same elements in another shape; one size may be -1."""
        return OPS["reshape"](self, _sequence(shape))

    def permute(self, *dims: int | tuple[int, ...]) -> Tensor:
        """The dimensions in another order."""
        return OPS["permute"](self, _sequence(dims))

    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The largest element; along `dim` the pair (values, indices)."""
        return OPS["max"](self, dim, keepdim)

    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The smallest element; along `dim` the pair (values, indices)."""
        return OPS["min"](self, dim, keepdim)

    def to(self, dtype: DTypeLike) -> Tensor:
        """The same values in another dtype; the gradient comes back in this one."""
        return OPS["cast"](self, np.dtype(dtype))

    def float(self) -> Tensor:
        """As float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """As float64."""
        return self.to(np.float64)


def _sequence(sizes: tuple[Any, ...]) -> Any:
    """The sizes, whether they came one by one or as one tuple."""
    return sizes[0] if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
