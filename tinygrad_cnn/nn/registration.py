"""How attributes of a Module register themselves: what may be assigned to it, and under which name.

The attributes are the register: a Module's Parameters and children are those of its attributes that are Parameters and
Modules, in the order of assignment. Only buffers, which are Tensors like any other, need a list of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import islice
from types import FunctionType
from typing import Any, Self, TypeVar

from numpy.typing import ArrayLike

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.nn.parameters import Parameter

_T = TypeVar("_T")
OWN_STATE = ("training", "_buffers", "_forward_pre_hooks", "_forward_hooks")


class Registering:
    """What `Module` is made on: attributes that register themselves, and refuse what would go wrong later."""

    training: bool  # what Dropout and its like ask; set by train() and eval()
    _buffers: dict[str, bool]  # name -> whether state_dict() holds it; the Tensors themselves are attributes
    _forward_pre_hooks: dict[int, Callable[..., Any]]
    _forward_hooks: dict[int, Callable[..., Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        vars(made).update(training=True, _buffers={}, _forward_pre_hooks={}, _forward_hooks={})
        return made

    def __init__(self) -> None:
        pass  # object.__init__ would swallow any argument here, because of __new__

    def __setattr__(self, name: str, value: Any) -> None:
        held = vars(self).get(name)
        if isinstance(value, _REGISTERED):
            self._check_name(name)
            self._check_no_cycle(name, value)
        elif isinstance(held, _REGISTERED) and value is not None:
            kind = _kind(held)
            raise self._unfit(name, f"is a {kind} and takes a {kind} or None", value, f"delete the {kind} first")
        if name in self._buffers and not _fits_buffer(value):
            raise self._unfit(name, "is a buffer and takes a Tensor or None", value, "delete the buffer first")
        self._check_not_hidden(name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._buffers.pop(name, None)

    def register_buffer(self, name: str, tensor: Tensor | ArrayLike | None, persistent: bool = True) -> None:
        """Make `self.name` a Tensor that belongs to the state but is not learned, such as a running mean.

        persistent: whether `state_dict()` holds it.

        Raises: ArgumentError where the name is taken; ArgumentTypeError for a Parameter.
        """
        self._check_name(name)
        if name in vars(self):
            raise ArgumentError(f"{type(self).__name__}.{name}: exists already; delete it before it becomes a buffer")
        buffer = tensor if tensor is None or isinstance(tensor, Tensor) else Tensor(tensor)
        if not _fits_buffer(buffer):
            raise self._unfit(name, "a buffer is not learned; it takes a Tensor or None", tensor, "pass p.detach()")
        self._buffers[name] = persistent
        setattr(self, name, buffer)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        vars(made).update(deepcopy(vars(self), memo))
        return made

    def __getstate__(self) -> dict[str, Any]:
        if self._forward_hooks or self._forward_pre_hooks:
            raise ArgumentTypeError(
                f"{type(self).__name__}: has forward hooks, which belong to this process and are not pickled; "
                "remove them first (handle.remove())"
            )
        return vars(self).copy()

    def _own(self, kind: type[_T]) -> Iterator[tuple[str, _T]]:
        return ((name, value) for name, value in vars(self).items() if isinstance(value, kind))

    # ---- refusals

    def _check_name(self, name: str) -> None:
        where = f"{type(self).__name__}.{name}"
        if not name or "." in name:
            raise ArgumentError(f"{where}: the name of a Parameter, Module or buffer is not empty and holds no dot")
        if name in OWN_STATE or isinstance(getattr(type(self), name, None), FunctionType):
            raise ArgumentError(f"{where}: the name belongs to the Module itself; choose another")

    def _check_no_cycle(self, name: str, value: Any) -> None:
        below, seen = [value], set()
        while below:
            module = below.pop()
            if module is self:
                raise ArgumentError(
                    f"{type(self).__name__}.{name}: the {type(value).__name__} holds this Module, and cannot be its "
                    "part too; pass what it needs as an argument of forward"
                )
            if isinstance(module, Registering) and id(module) not in seen:
                seen.add(id(module))
                below += [child for _, child in module._own(Registering)]

    def _check_nothing_hidden(self) -> None:
        for name, value in vars(self).items():
            if name not in OWN_STATE:
                self._check_not_hidden(name, value)

    def _check_not_hidden(self, name: str, value: Any) -> None:
        held = _inside(value)
        if held is None:
            return
        kind = _kind(held)
        container = "wrap it in nn.ModuleList, nn.ModuleDict or nn.Sequential"
        mend = container if kind == "Module" else "assign them one by one"
        raise ArgumentTypeError(
            f"{type(self).__name__}.{name}: a {type(value).__name__} of {kind}s does not register itself; {mend}"
        )

    def _unfit(self, name: str, fact: str, value: Any, mend: str) -> ArgumentTypeError:
        return ArgumentTypeError(f"{type(self).__name__}.{name}: {fact}, got {type(value).__name__}; {mend}")


_REGISTERED = (Registering, Parameter)


def _kind(value: Any) -> str:
    return "Parameter" if isinstance(value, Parameter) else "Module"


def _fits_buffer(value: Any) -> bool:
    return value is None or (isinstance(value, Tensor) and not isinstance(value, Parameter))


def _inside(value: Any) -> Any:
    """A Module or Parameter among the first items of a collection, or of one inside it; None where there is none."""
    if not isinstance(value, (list, tuple, set, frozenset, dict)):
        return None
    for item in islice(value.values() if isinstance(value, dict) else value, 100):
        held = item if isinstance(item, _REGISTERED) else _inside(item)
        if held is not None:
            return held
    return None
