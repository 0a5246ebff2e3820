"""How Tensors are copied and pickled: leaves as leaves of their own, results of an operation not at all."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from tinygrad_cnn.core.edges import Edge, Leaf, Node, Version
from tinygrad_cnn.errors import GradientError


class Copied:
    """The base of Tensor that `copy` and `pickle` ask."""

    __slots__ = ()

    _data: NDArray[Any]
    _edge: Edge | None
    _version: Version | None

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy.deepcopy. Raises: GradientError for the result of a recorded operation."""
        if isinstance(self._edge, Node):
            raise GradientError(
                "copy: a Tensor that an operation made cannot be deep-copied or pickled, for its graph would stay "
                "behind; use .clone(), through which gradients flow, or copy .detach()"
            )
        return _restore, (type(self), self._data, self._edge is not None, getattr(self._edge, "grad", None))

    def __copy__(self) -> Any:
        """For copy.copy, which shares the array: an edit of either counts as one of both."""
        restore, arguments = self.__reduce__()
        made = restore(*arguments)
        made._version = self._version
        return made


def _restore(kind: type[Any], data: NDArray[Any], requires_grad: bool, grad: Any) -> Any:
    made: Any = object.__new__(kind)
    made._data = data
    made._version = [0]  # of its own: the time of an edit means nothing to another array, or in another process
    made._edge = Leaf(data.shape, data.dtype) if requires_grad else None
    if made._edge is not None:
        made._edge.grad = grad
    return made
