"""`Tensor`: an array that may remember how it was computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_cnn.core.copies import Copied
from tinygrad_cnn.core.dtypes import as_array
from tinygrad_cnn.core.edges import EDITS, Edge, Leaf, Node, Version
from tinygrad_cnn.core.methods import Operations
from tinygrad_cnn.core.modes import MODE, SILENT
from tinygrad_cnn.core.numpy_protocol import call_function, call_ufunc
from tinygrad_cnn.core.registry import OPS
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, GradientError, ShapeError


class Tensor(Copied, Operations):
    """An array of numbers that records the operations applied to it, so that gradients can be computed.

    Made from an array it shares that array's memory; `tinygrad_cnn.tensor` copies. Operators, methods and NumPy's
    ufuncs (`np.exp(x)`, `array * x`) give Tensors again.

    data: numbers as an ndarray, or anything that `np.asarray` takes; Python floats become float32.
    requires_grad: whether `backward` leaves a gradient in `grad` (floating-point data only).

    Raises: DTypeError where the data are not real numbers, or a gradient is asked of integers or booleans.
    """

    __slots__ = ("__weakref__", "_data", "_edge", "_version")

    _data: NDArray[Any]
    _edge: Edge | None
    _version: Version | None  # [time of the last edit], shared with views; None where nothing can be edited

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = False) -> None:
        array, version = (data._data, data._version) if isinstance(data, Tensor) else (as_array(data), [0])
        if array.dtype.kind not in "biuf":
            raise DTypeError(f"Tensor: expects real numbers or booleans, got dtype {array.dtype}")
        self._data, self._version, self._edge = array, version, None
        self.requires_grad = requires_grad

    # ---- what it holds

    @property
    def data(self) -> NDArray[Any]:
        """The ndarray itself, not a copy.

        On a leaf it can be assigned to (the values are copied) or updated, `x.data -= step`; both count as edits, which
        a backward pass notices. Writing to its elements, `x.data[0] = 1`, is NumPy's business and goes unseen.
        """
        return self._data

    @data.setter
    def data(self, value: ArrayLike) -> None:
        if self._version is None or not self.is_leaf:
            raise GradientError(
                "data: assignable on leaves only, and this Tensor is the result of an operation; "
                "compute a new one, or edit a copy: tensor(x)"
            )
        array = np.asarray(value, dtype=self._data.dtype)
        if array.shape != self._data.shape:
            raise ShapeError(f"data: expects shape {self._data.shape}, got {array.shape}")
        EDITS.stamp(self._version)
        self._data = array.copy() if array is value and array is not self._data else array

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The dimensions in reverse order."""
        return OPS["permute"](self, tuple(range(self.ndim))[::-1])  # type: ignore[no-any-return]

    def numel(self) -> int:
        """How many elements it has."""
        return self._data.size

    def numpy(self) -> NDArray[Any]:
        """The ndarray, sharing memory. Raises: GradientError where that would leave a recorded graph silently."""
        return self.__array__()

    def item(self) -> Any:
        """The one element as a Python number. Raises: ShapeError where there are more."""
        if self._data.size != 1:
            raise ShapeError(f"item: expects one element, got shape {self.shape}; use .tolist()")
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    # ---- its place in the graph

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it. Assignable on leaves."""
        return self._edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            if not value:
                raise GradientError("requires_grad: only a leaf's can be cleared; use .detach()")
        elif not value:
            self._edge = None
        elif self._data.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad: only floating-point Tensors have one, this is {self.dtype}; convert it with .float()"
            )
        elif self._edge is None:
            if self._version is None:  # a result: a graph may have kept its array, which an edit would spoil
                self._data, self._version = self._data.copy(), [0]
            self._edge = Leaf(self._data.shape, self._data.dtype)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad`, and return the Tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return not isinstance(self._edge, Node)

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` left here, of the same shape and dtype; None before, and on what is no leaf."""
        return self._edge.grad if isinstance(self._edge, Leaf) else None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if not isinstance(self._edge, Leaf):
            raise GradientError("grad: only a leaf with requires_grad=True holds a gradient")
        if value is not None and not isinstance(value, Tensor):
            raise ArgumentTypeError(f"grad: expects a Tensor or None, got a {type(value).__name__}")
        if value is not None and (value.shape != self.shape or value.dtype != self.dtype):
            raise ShapeError(f"grad: expects {self.dtype} {self.shape}, got {value.dtype} {value.shape}")
        self._edge.grad = value

    def backward(
        self, gradient: Tensor | ArrayLike | None = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add the derivative of this scalar to `grad` of every leaf it was computed from."""
        OPS["backward"](self, gradient, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same values, sharing memory, as a constant."""
        return wrap(self._data, None, self._version)

    def clone(self) -> Tensor:
        """A copy through which gradients flow."""
        return OPS["clone"](self)  # type: ignore[no-any-return]

    # ---- NumPy

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if self._edge is not None and not MODE.flags & SILENT:
            raise GradientError(
                "a Tensor that requires a gradient does not turn into an array, which would cut the graph silently; "
                "use x.detach().numpy(), or x.data"
            )
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(function, args, kwargs)

    # ---- Python's protocols

    def __repr__(self) -> str:
        values = np.array2string(self._data, separator=", ", prefix="tensor(", threshold=100, edgeitems=3)
        facts = [f"shape={self.shape}", f"dtype={self.dtype}"]
        if isinstance(self._edge, Node):
            facts.append(f"op={self._edge.plan.name}")
        elif self._edge is not None:
            facts.append("requires_grad=True")
        return f"tensor({values}, {', '.join(facts)})"

    def __format__(self, spec: str) -> str:
        return format(self._data.item() if self._data.ndim == 0 else self._data, spec) if spec else repr(self)

    def __len__(self) -> int:
        if not self._data.ndim:
            raise ArgumentTypeError("len() of a 0-d Tensor")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            raise ArgumentTypeError("iteration over a 0-d Tensor")
        return (self[i] for i in range(len(self._data)))

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(f"bool: the truth of a Tensor of shape {self.shape} is ambiguous; use .any() or .all()")
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu" or self._data.size != 1:
            raise ArgumentTypeError(f"only a Tensor of one integer is an index, this is {self.dtype} {self.shape}")
        return int(self._data.item())

    __hash__ = object.__hash__

    def __setitem__(self, index: Any, value: Any) -> None:
        """Rebind this Tensor to a copy with `value` at `index`; what was recorded before keeps the old values."""
        recording = not MODE.flags & SILENT
        if recording and isinstance(self._edge, Leaf):
            raise GradientError(
                "x[i] = v: x is a leaf that requires a gradient, and would be one no longer; assign to a copy "
                "(y = x.clone(); y[i] = v), or inside no_grad() to change the leaf itself"
            )
        result: Tensor = OPS["setitem"](self, value, index)
        if self._version is not None and isinstance(self._edge, Leaf):
            EDITS.stamp(self._version)  # the leaf changes: a graph that kept its old values must not be pulled through
        else:
            self._version = [0] if result.is_leaf else None
            self._edge = result._edge
        self._data = result._data

    # ---- in-place operators: on a leaf they change the leaf, elsewhere they give the name a new value

    def __iadd__(self, other: Any) -> Self:
        return self._updated("add", other)  # type: ignore[no-any-return]

    def __isub__(self, other: Any) -> Self:
        return self._updated("sub", other)  # type: ignore[no-any-return]

    def __imul__(self, other: Any) -> Self:
        return self._updated("mul", other)  # type: ignore[no-any-return]

    def __itruediv__(self, other: Any) -> Self:
        return self._updated("div", other)  # type: ignore[no-any-return]

    def _updated(self, operation: str, other: Any) -> Any:
        result: Tensor = OPS[operation](self, other)
        if not isinstance(self._edge, Leaf):
            return result
        if not MODE.flags & SILENT:
            raise GradientError(
                f"{operation}: x is a leaf that requires a gradient, and would be one no longer; "
                "write x = x + ..., or update the leaf itself inside no_grad()"
            )
        self.data = result._data
        return self


_new = Tensor.__new__


def wrap(data: NDArray[Any], edge: Edge | None = None, version: Version | None = None) -> Tensor:
    """A Tensor around an array that the framework made, without the constructor's checks."""
    result = _new(Tensor)
    result._data = data
    result._edge = edge
    result._version = version
    return result


def tensor(data: ArrayLike | Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """A Tensor with a copy of `data`: Python floats become float32, arrays keep their dtype, unless `dtype` is given.

    Raises: DTypeError as in `Tensor`.

    Example:
        >>> tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        tensor([[1., 2.],
                [3., 4.]], shape=(2, 2), dtype=float32, requires_grad=True)
    """
    array = data._data if isinstance(data, Tensor) else as_array(data)
    return Tensor(np.array(array, dtype=dtype), requires_grad)
