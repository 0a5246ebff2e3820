"""The state of an optimiser as plain values, and back: first everything is checked, then everything is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError

Group: TypeAlias = dict[str, Any]
State: TypeAlias = dict[Tensor, dict[str, Any]]

INITIAL_RATE = "initial_lr"  # what a schedule remembers in each group: the learning rate that it began with


def buffer(state: dict[str, Any], name: str, like: NDArray[Any], value: float = 0) -> NDArray[Any]:
    """The array of that name in the state of a parameter, made, filled with `value`, at its first use."""
    if name not in state:
        state[name] = np.full_like(like, value)
    array: NDArray[Any] = state[name]
    return array


def save(groups: list[Group], state: State) -> dict[str, Any]:
    """See `Optimizer.state_dict`."""
    numbers = count()
    saved: dict[str, Any] = {"state": {}, "param_groups": []}
    for group in groups:
        indices = [next(numbers) for _ in group["params"]]
        options = {name: deepcopy(value) for name, value in group.items() if name != "params"}
        saved["param_groups"].append({**options, "params": indices})
        for index, parameter in zip(indices, group["params"], strict=True):
            if state.get(parameter):
                saved["state"][index] = deepcopy(state[parameter])
    return saved


def load(
    name: str, groups: list[Group], saved: Mapping[str, Any], check: Callable[[Group], None]
) -> tuple[list[Group], State]:
    """The hyper-parameters of each group, and the state of each parameter. See `Optimizer.load_state_dict`."""
    if not isinstance(saved, Mapping) or {"state", "param_groups"} - set(saved):
        raise ArgumentTypeError(
            f"{name}.load_state_dict: expects a dict with 'state' and 'param_groups', as state_dict() gives it"
        )
    given = saved["param_groups"]
    own_sizes, given_sizes = ([len(group.get("params", ())) for group in each] for each in (groups, given))
    if own_sizes != given_sizes:
        raise ArgumentError(
            f"{name}.load_state_dict: expects groups of {own_sizes} parameters, got {given_sizes}; "
            "make the optimiser for the model that was saved"
        )
    options = [_options(name, group, own, check) for group, own in zip(given, groups, strict=True)]
    owners = dict(zip(_indices(given), _indices(groups), strict=True))
    if unknown := [index for index in saved["state"] if index not in owners]:
        raise ArgumentError(f"{name}.load_state_dict: the state of parameter {unknown[0]!r} belongs to no group")
    return options, {
        owners[index]: {key: _value(name, index, key, value, owners[index]) for key, value in values.items()}
        for index, values in saved["state"].items()
    }


def _indices(groups: list[Group]) -> list[Any]:
    return [each for group in groups for each in group["params"]]


def _options(name: str, given: Group, own: Group, check: Callable[[Group], None]) -> Group:
    missing = [key for key in own if key not in given and key != INITIAL_RATE]
    unknown = [key for key in given if key not in own and key != INITIAL_RATE]
    if missing or unknown:
        fact = f"{missing[0]!r} is missing" if missing else f"got the unknown {unknown[0]!r}"
        raise ArgumentError(
            f"{name}.load_state_dict: a group has {', '.join(map(repr, own))}; {fact}; is it the state of another kind "
            "of optimiser?"
        )
    options = {key: deepcopy(value) for key, value in given.items() if key != "params"}
    check(options)
    return options


def _value(name: str, index: Any, key: str, value: Any, owner: Tensor) -> Any:
    """A number as it is; an array, copied, in its parameter's dtype."""
    if key == "step":
        return int(value)  # PyTorch keeps it in a Tensor
    if not isinstance(value, np.ndarray | Tensor):
        return deepcopy(value)
    array = np.array(value.data if isinstance(value, Tensor) else value, dtype=owner.dtype)
    if array.shape != owner.shape:
        raise ShapeError(
            f"{name}.load_state_dict: {key} of parameter {index} expects shape {owner.shape}, got {array.shape}"
        )
    return array
