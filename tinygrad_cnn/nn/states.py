"""Loading a state dict: first everything is checked, then everything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentTypeError, StateDictError
from tinygrad_cnn.nn.parameters import Parameter

if TYPE_CHECKING:
    from tinygrad_cnn.nn.modules import Module


class LoadResult(NamedTuple):
    """What `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Entry(NamedTuple):
    """One Tensor of a Module's state, and where it is held."""

    key: str
    owner: Module
    attribute: str
    tensor: Tensor


def entries(module: Module) -> Iterator[Entry]:
    """The Parameters and persistent buffers, under every name they have."""
    for path, owner in module._named_reach(recurse=True, remove_duplicate=False):
        prefix = f"{path}." if path else ""
        held = {name: value for name, value in vars(owner).items() if isinstance(value, Parameter)}
        held |= {name: vars(owner)[name] for name in owner._buffers if owner._buffers[name]}
        for name, tensor in held.items():
            if tensor is not None:
                yield Entry(prefix + name, owner, name, tensor)


def load(module: Module, state: Mapping[str, ArrayLike | Tensor], strict: bool) -> LoadResult:
    """See `Module.load_state_dict`."""
    if not isinstance(state, Mapping):
        raise ArgumentTypeError(
            f"load_state_dict: expects a dict of arrays, as state_dict() gives it, got {type(state).__name__}"
        )
    own = {entry.key: entry for entry in entries(module)}
    result = LoadResult([key for key in own if key not in state], [key for key in state if key not in own])
    arrays = {key: _as_array(state[key]) for key in own if key in state}
    faults = [fault for key, array in arrays.items() if (fault := _fault(key, own[key].tensor.data, array))]
    if strict and result.unexpected_keys:
        faults.insert(0, f"unexpected keys: {', '.join(map(str, result.unexpected_keys))}")
    if strict and result.missing_keys:
        faults.insert(0, f"missing keys: {', '.join(result.missing_keys)}")
    if faults:
        raise StateDictError(f"{type(module).__name__}.load_state_dict: {'; '.join(faults)}")
    copies = {key: np.array(array, order="C") for key, array in arrays.items()}  # before anything changes
    for key, copy in copies.items():
        _put(own[key], copy)
    return result


def _as_array(value: ArrayLike | Tensor) -> NDArray[Any]:
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def _fault(key: str, own: NDArray[Any], given: NDArray[Any]) -> str | None:
    if own.shape == given.shape and own.dtype == given.dtype:
        return None
    mend = f"; convert it with .astype(np.{own.dtype})" if own.shape == given.shape else ""
    return f"{key} expects {own.dtype} {own.shape}, got {given.dtype} {given.shape}{mend}"


def _put(entry: Entry, array: NDArray[Any]) -> None:
    if isinstance(entry.tensor, Parameter):
        entry.tensor.data = array  # the same Parameter, which optimisers hold
    else:
        setattr(entry.owner, entry.attribute, Tensor(array))  # a buffer may be a result, whose data cannot be assigned
