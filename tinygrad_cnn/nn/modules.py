"""`Module`: a part of a network, made of Parameters and of smaller Modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygrad_cnn.core.modes import MODE, OBSERVED
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError
from tinygrad_cnn.nn.hooks import HookHandle
from tinygrad_cnn.nn.parameters import Parameter, cast_in_place
from tinygrad_cnn.nn.paths import locate
from tinygrad_cnn.nn.registration import Registering
from tinygrad_cnn.nn.states import LoadResult, entries, load

_T = TypeVar("_T")


class Module(Registering):
    """The base of all layers and models: assign Parameters and Modules to `self`, and say in `forward` what they do.

    They register themselves in the order of assignment, under the attribute's name; nothing else has to be declared.
    A Module is ready before its `__init__` runs, so `super().__init__()` is welcome, as in PyTorch, but not needed.

    Example:
        >>> import tinygrad_cnn as tg
        >>> from tinygrad_cnn import nn
        >>> class Scale(nn.Module):
        ...     def __init__(self, factor):
        ...         super().__init__()
        ...         self.factor = nn.Parameter([factor])
        ...
        ...     def forward(self, x):
        ...         return x * self.factor
        >>> model = nn.Sequential(Scale(3.0), nn.ReLU())
        >>> model(tg.tensor([-1.0, 2.0])).tolist()
        [0.0, 6.0]
        >>> [name for name, _ in model.named_parameters()]
        ['0.factor']
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the Module computes; call the Module itself, `model(x)`, which also runs hooks and locates errors."""
        name = type(self).__name__
        raise ArgumentTypeError(f"{name}: has no forward; define `def forward(self, x)` in class {name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._forward_hooks or self._forward_pre_hooks or MODE.flags & OBSERVED:
                return self._attended_call(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            locate(error, self)
            raise

    def _attended_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`forward` between its hooks, on the stack of running Modules where an observer watches."""
        running = MODE.modules if MODE.flags & OBSERVED else []
        running.append(self)
        try:
            for before in tuple(self._forward_pre_hooks.values()):
                changed = before(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            output = self.forward(*args, **kwargs)
            for after in tuple(self._forward_hooks.values()):
                changed = after(self, args, output)
                if changed is not None:
                    output = changed
            return output
        finally:
            running.pop()

    # ---- what it is made of

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """(path, Module) for this one, whose path is "", and all below it, parents first.

        remove_duplicate: give a Module that is used in several places once, under its first path.

        Raises: ArgumentTypeError where a list holds Modules, which would be missed.
        """
        seen: set[int] = set()
        ahead: list[tuple[str, Module]] = [("", self)]
        while ahead:
            path, module = ahead.pop()
            if remove_duplicate and id(module) in seen:
                continue
            seen.add(id(module))
            module._check_nothing_hidden()
            yield path, module
            prefix = f"{path}." if path else ""
            ahead += [(prefix + name, child) for name, child in module._own(Module)][::-1]

    def modules(self) -> Iterator[Module]:
        """All Modules, this one first and then those below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, Module) for those assigned to this one directly, each once."""
        return _once(self._own(Module))

    def children(self) -> Iterator[Module]:
        """The Modules assigned to this one directly, each once."""
        return (child for _, child in self.named_children())

    def named_parameters(self, recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """(path, Parameter) for all Parameters of this Module and those below it.

        recurse: False leaves out those below. remove_duplicate: give a shared Parameter once, under its first path.
        """
        found = (
            (f"{path}.{name}" if path else name, parameter)
            for path, module in self._named_reach(recurse, remove_duplicate)
            for name, parameter in module._own(Parameter)
        )
        return _once(found) if remove_duplicate else found

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All Parameters, each once: what an optimiser takes."""
        return (parameter for _, parameter in self.named_parameters(recurse))

    def named_buffers(self, recurse: bool = True, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """(path, Tensor) for all buffers, as `named_parameters` does."""
        found = (
            (f"{path}.{name}" if path else name, vars(module)[name])
            for path, module in self._named_reach(recurse, remove_duplicate)
            for name in module._buffers
            if vars(module)[name] is not None
        )
        return _once(found) if remove_duplicate else found

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse))

    def _named_reach(self, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Module]]:
        for path, module in self.named_modules(remove_duplicate) if recurse else iter([("", self)]):
            module._check_ready(path)
            yield path, module

    def _check_ready(self, path: str) -> None:
        """Raise where the Parameters do not exist yet; lazy Modules override it."""

    # ---- its state

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Copies of all Parameters and persistent buffers as ndarrays, by path: what a file of weights holds.

        A shared Parameter stands under each of its names. Later training does not change the copies.

        Example:
            >>> from tinygrad_cnn import nn
            >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
            {'weight': (2, 3), 'bias': (2,)}
        """
        return {entry.key: entry.tensor.data.copy() for entry in entries(self)}

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike | Tensor], strict: bool = True) -> LoadResult:
        """Copy the values of a state dict into this Module; all of them, or, where anything is wrong, none.

        strict: False allows missing and unexpected keys, and returns them.

        Raises: StateDictError that lists every missing and unexpected key and every wrong shape and dtype.
        """
        return load(self, state_dict, strict)

    def train(self, mode: bool = True) -> Self:
        """Set `training` here and below: whether Dropout drops."""
        if not isinstance(mode, bool):
            raise ArgumentTypeError(f"train: mode expects a bool, got {type(mode).__name__}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Clear `training` here and below."""
        return self.train(False)

    def to(self, dtype: DTypeLike) -> Self:
        """Change the dtype of all floating-point Parameters, their gradients and buffers, in place.

        Raises: DTypeError where `dtype` is not floating-point.
        """
        if np.dtype(dtype).kind != "f":
            raise DTypeError(f"{type(self).__name__}.to: expects a floating-point dtype, got {np.dtype(dtype)}")
        for parameter in list(self.parameters()):  # a lazy Module among them raises before anything changes
            cast_in_place(parameter, dtype)
        for module in self.modules():
            for name in module._buffers:
                buffer = getattr(module, name)
                if buffer is not None and buffer.dtype.kind == "f":
                    if buffer.is_leaf:
                        cast_in_place(buffer, dtype)
                    else:
                        setattr(module, name, buffer.to(dtype))
        return self

    def float(self) -> Self:
        """All floating-point Parameters and buffers as float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """All floating-point Parameters and buffers as float64."""
        return self.to(np.float64)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; set_to_none: False leaves zeros instead."""
        for parameter in list(self.parameters()):
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else Tensor(np.zeros_like(parameter.grad.data))

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all Parameters; False freezes them."""
        for parameter in list(self.parameters()):
            parameter.requires_grad_(requires_grad)
        return self

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every Module below this one, and then on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # ---- hooks

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple[Any, ...]], Any]) -> HookHandle:
        """Call `hook(module, args)` before every forward; what it returns, unless None, replaces the arguments."""
        return HookHandle(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> HookHandle:
        """Call `hook(module, args, output)` after every forward; what it returns, unless None, replaces the output.

        Example:
            >>> import tinygrad_cnn as tg
            >>> from tinygrad_cnn import nn
            >>> relu, shapes = nn.ReLU(), []
            >>> with relu.register_forward_hook(lambda module, args, output: shapes.append(output.shape)):
            ...     _ = relu(tg.tensor([1.0, 2.0]))
            >>> shapes
            [(2,)]
        """
        return HookHandle(self._forward_hooks, hook)

    # ---- how it is shown

    def extra_repr(self) -> str:
        """What stands between the parentheses of its `repr`, in front of the Modules it is made of."""
        return ""

    def __repr__(self) -> str:
        lines = [self.extra_repr()] if self.extra_repr() else []
        children = [f"({name}): " + repr(child).replace("\n", "\n  ") for name, child in self._own(Module)]
        if not children:
            return f"{type(self).__name__}({''.join(lines)})"
        return "\n  ".join([f"{type(self).__name__}(", *lines, *children]) + "\n)"


def _once(pairs: Iterator[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """The pairs whose second part has not come before."""
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
