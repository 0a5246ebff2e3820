"""Modules that hold other Modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self, overload

from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.nn.modules import Module


class Sequential(Module):
    """Modules one after another, each applied to what the one before it returned.

    Takes the Modules themselves, which get the names "0", "1", ..., or one dict from names to Modules. A slice is a
    Sequential of the same Modules under the same names.

    Raises: ArgumentTypeError for what is no Module.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> len(model), model[-1].out_features
        (3, 2)
        >>> Sequential({"fc": nn.Linear(4, 8), "act": nn.ReLU()})
        Sequential(
          (fc): Linear(in_features=4, out_features=8, bias=True)
          (act): ReLU()
        )
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named: dict[str, Any] = dict(modules[0])
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            _check_module(module)
            setattr(self, name, module)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def append(self, module: Module) -> Self:
        """Add a Module at the end, and return the Sequential itself."""
        _check_module(module)
        number = len(self)
        while hasattr(self, str(number)):  # a slice keeps the numbers of the whole
            number += 1
        setattr(self, str(number), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter([value for value in vars(self).values() if isinstance(value, Module)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def __getitem__(self, index: int) -> Any: ...  # a Module of whichever class stands there
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        named = list(self._own(Module))
        if isinstance(index, slice):
            return Sequential(dict(named[index]))
        if not -len(named) <= index < len(named):
            raise IndexError(f"Sequential: no Module at {index}, it has {len(named)}")
        return named[index][1]


def _check_module(module: object) -> None:
    if isinstance(module, Module):
        return
    if isinstance(module, type) and issubclass(module, Module):
        mend = f"call the class: {module.__name__}(...)"
    elif isinstance(module, list | tuple):
        mend = "unpack it: Sequential(*modules)"
    else:
        mend = "define a Module whose forward calls it"
    raise ArgumentTypeError(f"Sequential: expects Modules, got {module!r:.60}; {mend}")
