"""What can be written on a Tensor, `x + y`, `x.sum(dim=1)`: each is the registered operation of its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_cnn.core.registry import OPS

if TYPE_CHECKING:
    from tinygrad_cnn.core.tensors import Tensor

Dims: TypeAlias = int | tuple[int, ...] | None
_Number: TypeAlias = float  # inside the class `float` is the method


class Operations:
    """The base of Tensor that holds its operators and methods; PyTorch's names, arguments and meaning."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def shape(self) -> tuple[int, ...]: ...

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

    def __and__(self, other: Any) -> Tensor:
        return OPS["logical_and"](self, other)

    def __rand__(self, other: Any) -> Tensor:
        return OPS["logical_and"](other, self)

    def __or__(self, other: Any) -> Tensor:
        return OPS["logical_or"](self, other)

    def __ror__(self, other: Any) -> Tensor:
        return OPS["logical_or"](other, self)

    def __xor__(self, other: Any) -> Tensor:
        return OPS["logical_xor"](self, other)

    def __invert__(self) -> Tensor:
        return OPS["logical_not"](self)

    def __getitem__(self, index: Any) -> Tensor:
        return OPS["getitem"](self, index)

    # ---- functions of each element

    def exp(self) -> Tensor:
        """e**x."""
        return OPS["exp"](self)

    def expm1(self) -> Tensor:
        """e**x - 1, exact near 0."""
        return OPS["expm1"](self)

    def log(self) -> Tensor:
        """The natural logarithm."""
        return OPS["log"](self)

    def log1p(self) -> Tensor:
        """log(1 + x), exact near 0."""
        return OPS["log1p"](self)

    def sqrt(self) -> Tensor:
        """The square root."""
        return OPS["sqrt"](self)

    def rsqrt(self) -> Tensor:
        """1 / sqrt(x)."""
        return OPS["rsqrt"](self)

    def sin(self) -> Tensor:
        """The sine."""
        return OPS["sin"](self)

    def cos(self) -> Tensor:
        """The cosine."""
        return OPS["cos"](self)

    def tan(self) -> Tensor:
        """The tangent."""
        return OPS["tan"](self)

    def asin(self) -> Tensor:
        """The angle whose sine this is."""
        return OPS["asin"](self)

    def acos(self) -> Tensor:
        """The angle whose cosine this is."""
        return OPS["acos"](self)

    def atan(self) -> Tensor:
        """The angle whose tangent this is."""
        return OPS["atan"](self)

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

    def sign(self) -> Tensor:
        """-1, 0 or 1."""
        return OPS["sign"](self)

    def floor(self) -> Tensor:
        """The largest integer that is not above x."""
        return OPS["floor"](self)

    def round(self, *, decimals: int = 0) -> Tensor:
        """The nearest number of `decimals` places, halves to even."""
        return OPS["round"](self, decimals=decimals)

    def clamp(self, min: Any = None, max: Any = None) -> Tensor:
        """Not below `min`, not above `max`."""
        return OPS["clamp"](self, min, max)

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        """Another name of `clamp`."""
        return OPS["clamp"](self, min, max)

    def pow(self, exponent: Any) -> Tensor:
        """x ** exponent."""
        return OPS["pow"](self, exponent)

    def maximum(self, other: Any) -> Tensor:
        """The larger of each pair of elements."""
        return OPS["maximum"](self, other)

    def minimum(self, other: Any) -> Tensor:
        """The smaller of each pair of elements."""
        return OPS["minimum"](self, other)

    def where(self, condition: Any, other: Any) -> Tensor:
        """The elements where `condition` holds, those of `other` elsewhere."""
        return OPS["where"](condition, self, other)

    def softmax(self, dim: int) -> Tensor:
        """e**x normalised to sum 1 along `dim`."""
        return OPS["softmax"](self, dim)

    def log_softmax(self, dim: int) -> Tensor:
        """The logarithm of softmax, computed stably."""
        return OPS["log_softmax"](self, dim)

    # ---- reductions

    def sum(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The sum over `dim` (all by default)."""
        return OPS["sum"](self, dim, keepdim)

    def mean(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The mean over `dim` (all by default)."""
        return OPS["mean"](self, dim, keepdim)

    def prod(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """The product along `dim` (of everything by default)."""
        return OPS["prod"](self, dim, keepdim)

    def var(
        self,
        dim: Dims = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: _Number | None = None,
    ) -> Tensor:
        """The variance over `dim` (all by default), n - 1 in its denominator."""
        return OPS["var"](self, dim, unbiased, keepdim, correction=correction)

    def std(
        self,
        dim: Dims = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: _Number | None = None,
    ) -> Tensor:
        """The standard deviation over `dim` (all by default), n - 1 in its denominator."""
        return OPS["std"](self, dim, unbiased, keepdim, correction=correction)

    def norm(self, p: _Number | str | None = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
        """(sum |x|**p)**(1/p) over `dim` (all by default)."""
        return OPS["norm"](self, p, dim, keepdim)

    def logsumexp(self, dim: int | tuple[int, ...], keepdim: bool = False) -> Tensor:
        """log sum e**x over `dim`, computed stably."""
        return OPS["logsumexp"](self, dim, keepdim)

    def cumsum(self, dim: int) -> Tensor:
        """The running sum along `dim`."""
        return OPS["cumsum"](self, dim)

    def amax(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The largest element along `dim`; ties share the gradient."""
        return OPS["amax"](self, dim, keepdim)

    def amin(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """The smallest element along `dim`; ties share the gradient."""
        return OPS["amin"](self, dim, keepdim)

    def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The largest element; along `dim` the pair (values, indices)."""
        return OPS["max"](self, dim, keepdim)

    def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
        """The smallest element; along `dim` the pair (values, indices)."""
        return OPS["min"](self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """The index of the (first) largest element."""
        return OPS["argmax"](self, dim, keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """The index of the (first) smallest element."""
        return OPS["argmin"](self, dim, keepdim)

    def any(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether any element is true."""
        return OPS["any"](self, dim, keepdim)

    def all(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Whether all elements are true."""
        return OPS["all"](self, dim, keepdim)

    # ---- shape

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """The same elements in another shape; one size may be -1."""
        return OPS["reshape"](self, _sequence(shape))

    def view(self, *shape: int | tuple[int, ...]) -> Tensor:
        """Another name of `reshape`; it shares memory where that is possible."""
        return OPS["reshape"](self, _sequence(shape))

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """The dimensions from `start_dim` to `end_dim` as one."""
        return OPS["flatten"](self, start_dim, end_dim)

    def permute(self, *dims: int | tuple[int, ...]) -> Tensor:
        """The dimensions in another order."""
        return OPS["permute"](self, _sequence(dims))

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Two dimensions exchanged."""
        return OPS["transpose"](self, dim0, dim1)

    def squeeze(self, dim: Dims = None) -> Tensor:
        """Without dimensions of size 1 (those in `dim`)."""
        return OPS["squeeze"](self, dim)

    def unsqueeze(self, dim: int) -> Tensor:
        """With a new dimension of size 1 at `dim`."""
        return OPS["unsqueeze"](self, dim)

    def expand(self, *sizes: int | tuple[int, ...]) -> Tensor:
        """Copies along dimensions of size 1, as a view; -1 keeps a size."""
        return OPS["expand"](self, _sequence(sizes))

    def repeat(self, *repeats: int | tuple[int, ...]) -> Tensor:
        """The whole Tensor so many times along each dimension."""
        return OPS["repeat"](self, _sequence(repeats))

    def flip(self, *dims: int | tuple[int, ...]) -> Tensor:
        """In reverse order along `dims`."""
        return OPS["flip"](self, _sequence(dims))

    def roll(self, shifts: int | tuple[int, ...], dims: Dims = None) -> Tensor:
        """Moved around along `dims`."""
        return OPS["roll"](self, shifts, dims)

    def tril(self, diagonal: int = 0) -> Tensor:
        """The lower triangles of matrices."""
        return OPS["tril"](self, diagonal)

    def triu(self, diagonal: int = 0) -> Tensor:
        """The upper triangles of matrices."""
        return OPS["triu"](self, diagonal)

    def split(self, split_size: int | tuple[int, ...] | list[int], dim: int = 0) -> tuple[Tensor, ...]:
        """Parts along `dim`, of one size or of the sizes given."""
        return OPS["split"](self, split_size, dim)

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """At most so many parts of equal size along `dim`."""
        return OPS["chunk"](self, chunks, dim)

    # ---- picking

    def gather(self, dim: int, index: Any) -> Tensor:
        """The elements at `index` along `dim`."""
        return OPS["gather"](self, dim, index)

    def scatter_add(self, dim: int, index: Any, src: Any) -> Tensor:
        """With `src` added at `index` along `dim`."""
        return OPS["scatter_add"](self, dim, index, src)

    def take_along_dim(self, indices: Any, dim: int | None = None) -> Tensor:
        """The elements at `indices` along `dim`; the rest broadcasts."""
        return OPS["take_along_dim"](self, indices, dim)

    def masked_fill(self, mask: Any, value: Any) -> Tensor:
        """With `value` wherever `mask` holds."""
        return OPS["masked_fill"](self, mask, value)

    def masked_select(self, mask: Any) -> Tensor:
        """The elements where `mask` holds."""
        return OPS["masked_select"](self, mask)

    def matmul(self, other: Any) -> Tensor:
        """The matrix product."""
        return OPS["matmul"](self, other)

    # ---- dtype

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
