"""Modules that hold other Modules, and `Identity`, which holds a place among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, MutableSequence
from typing import Any, Self, overload

from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.nn.fusion import run
from tinygrad_cnn.nn.modules import Module


class Identity(Module):
    """Returns its input: takes the place of a Module that is left out. Its arguments, if any, are ignored.

    Example:
        >>> Identity()(3)
        3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Sequential(Module):
    """Modules one after another, each applied to what the one before it returned.

    Neighbours such as Linear and ReLU run as one operation where nothing but the time can tell (see fusion.py).

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
            _check(self, module)
            setattr(self, name, module)

    def forward(self, input: Any) -> Any:
        return run([*iter(self)], input)  # list(self) would count them first

    def append(self, module: Module) -> Self:
        """Add a Module at the end, and return the Sequential itself."""
        _check(self, module)
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
        if isinstance(index, slice):
            return Sequential(dict(list(self._own(Module))[index]))
        return getattr(self, self._name(index))

    def __setitem__(self, index: int, module: Module) -> None:
        """Put another Module into that place, under the same name."""
        _check(self, module)
        setattr(self, self._name(index), module)

    def _name(self, index: int) -> str:
        names = [name for name, _ in self._own(Module)]
        if not -len(names) <= index < len(names):
            raise IndexError(f"Sequential: no Module at {index}, it has {len(names)}")
        return names[index]


class ModuleList(Module, MutableSequence[Any]):
    """A list of Modules, which thereby belong to the Module that it is assigned to. It has no forward of its own.

    It takes whatever a Python list takes: append, extend, insert, pop, slices, +. The Modules have the names "0", "1",
    ..., which follow the order of the list.

    Raises: ArgumentTypeError for what is no Module.

    Example:
        >>> from tinygrad_cnn import nn
        >>> blocks = ModuleList(nn.Linear(4, 4) for _ in range(3))
        >>> del blocks[0]
        >>> [name for name, _ in blocks.named_parameters()]
        ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self._write(list(modules or ()))

    @overload
    def __getitem__(self, index: int) -> Any: ...  # a Module of whichever class stands there
    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    def __getitem__(self, index: int | slice) -> Any:
        return ModuleList(self._held()[index]) if isinstance(index, slice) else self._held()[index]

    def __setitem__(self, index: int | slice, module: Any) -> None:
        modules = self._held()
        modules[index] = module
        self._write(modules)

    def __delitem__(self, index: int | slice) -> None:
        modules = self._held()
        del modules[index]
        self._write(modules)

    def __len__(self) -> int:
        return len(self._held())

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def insert(self, index: int, module: Module) -> None:
        """Add a Module before the one at `index`."""
        modules = self._held()
        modules.insert(index, module)
        self._write(modules)

    def _held(self) -> list[Any]:
        return [module for name, module in self._own(Module) if name.isdecimal()]

    def _write(self, modules: list[Any]) -> None:
        for i, module in enumerate(modules):  # before anything changes
            _check(self, module)
            self._check_no_cycle(str(i), module)
        for i in range(len(self)):
            delattr(self, str(i))
        for i, module in enumerate(modules):
            setattr(self, str(i), module)


class ModuleDict(Module, MutableMapping[str, Any]):
    """A dict of Modules, which thereby belong to the Module that it is assigned to. It has no forward of its own.

    It takes whatever a Python dict takes: `in`, keys, items, update, pop. The keys are names of attributes: they hold
    no dots, and none is that of a method.

    Raises: ArgumentTypeError for what is no Module; ArgumentError for a key that cannot be a name.

    Example:
        >>> from tinygrad_cnn import nn
        >>> heads = ModuleDict({"kind": nn.Linear(8, 3), "size": nn.Linear(8, 1)})
        >>> list(heads), heads["kind"].out_features
        (['kind', 'size'], 3)
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Any:
        held = vars(self).get(key)
        if not isinstance(held, Module):
            raise KeyError(f"ModuleDict: no Module {key!r}, it has {', '.join(map(repr, self)) or 'none'}")
        return held

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(key, str):
            raise ArgumentTypeError(f"ModuleDict: expects strings as keys, got {key!r}")
        _check(self, module)
        setattr(self, key, module)

    def __delitem__(self, key: str) -> None:
        self[key]  # its KeyError, where there is none
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._own(Module)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    # Two Modules are equal only where they are one, also those that hold the same.
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _check(container: Module, module: object) -> None:
    if isinstance(module, Module):
        return
    name = type(container).__name__
    if isinstance(module, type) and issubclass(module, Module):
        mend = f"call the class: {module.__name__}(...)"
    elif isinstance(module, list | tuple):
        mend = f"unpack it: {name}(*modules)" if isinstance(container, Sequential) else "pass its Modules one by one"
    else:
        mend = "define a Module whose forward calls it"
    raise ArgumentTypeError(f"{name}: expects Modules, got {module!r:.60}; {mend}")
