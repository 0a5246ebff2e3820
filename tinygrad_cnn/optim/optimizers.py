"""`Optimizer`: which parameters are updated, with which hyper-parameters, and what is remembered between steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.edges import EDITS, Version
from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, GradientError
from tinygrad_cnn.optim.options import check_bool
from tinygrad_cnn.optim.states import Group, load, save

Array: TypeAlias = NDArray[Any]
Parameters: TypeAlias = Iterable[Tensor | dict[str, Any]]
Update: TypeAlias = Callable[[Array, Array, dict[str, Any]], None]  # of (parameter, gradient, state)


class Optimizer(ABC):
    """The base of all optimisers: a subclass names its hyper-parameters, checks them, and says how to update one array.

    params: the Tensors to update, or dicts `{"params": tensors, "lr": 0.01, ...}`, each a group with hyper-parameters
    of its own; `param_groups` holds the groups, whose values may be changed at any time. Every optimiser takes
    `maximize=True`, to climb instead of to descend.

    Raises: ArgumentError where there is no parameter, one comes twice, or a hyper-parameter is out of range or unknown;
    ArgumentTypeError for what is no Tensor; GradientError for a Tensor that an operation made.
    """

    def __init__(self, params: Parameters, defaults: Group) -> None:
        self.defaults = {**defaults, "maximize": defaults.get("maximize", False)}
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._check(self.defaults)
        for group in self._as_groups(params):
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a group: `{"params": tensors}`, and whichever hyper-parameters differ from the optimiser's own."""
        name = type(self).__name__
        unknown = [key for key in param_group if key != "params" and key not in self.defaults]
        if unknown or "params" not in param_group:
            wrong = f"got the unknown {unknown[0]!r}" if unknown else "'params' is missing"
            raise ArgumentError(f"{name}: a group takes 'params' and {', '.join(map(repr, self.defaults))}; {wrong}")
        group = {**self.defaults, **param_group, "params": self._as_parameters(param_group["params"])}
        self._check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients.

        set_to_none: False leaves zeros instead, so that a parameter out of reach of the next loss still decays.
        """
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad = None if set_to_none else Tensor(np.zeros_like(parameter.grad.data))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update, in place, every parameter that has a gradient.

        closure: computes the loss and its gradients first; what it returns, `step` returns.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        edited: list[Version] = []
        try:
            for group in self.param_groups:
                update, maximize = self._update(group), group["maximize"]
                for parameter in group["params"]:
                    grad = parameter.grad
                    if grad is None:
                        continue
                    gradient = grad._data
                    if maximize:
                        gradient = np.negative(gradient, out=np.empty_like(gradient))
                    if parameter._version is not None:
                        edited.append(parameter._version)
                    update(parameter._data, gradient, self.state.setdefault(parameter, {}))
        finally:
            EDITS.stamp(*edited)  # a graph that kept the old values must not be pulled through
        return loss

    def state_dict(self) -> dict[str, Any]:
        """What training goes on from, bit for bit: copies of what is remembered, and of the hyper-parameters.

        `{"state": {index: {name: array or number}}, "param_groups": [{"lr": ..., "params": [indices]}]}`, where the
        index counts the parameters through all groups, as in PyTorch.

        Example:
            >>> import tinygrad_cnn as tg
            >>> from tinygrad_cnn import optim
            >>> optimizer = optim.RMSprop([tg.tensor([1.0], requires_grad=True)], lr=0.5)
            >>> optimizer.state_dict()["param_groups"][0]["lr"]
            0.5
        """
        return save(self.param_groups, self.state)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where the optimiser that gave `state_dict` stood; where anything is wrong, nothing changes.

        Raises: ArgumentError where the groups do not fit, a hyper-parameter is missing, unknown or out of range;
        ShapeError where an array does not have its parameter's shape.
        """
        groups, state = load(type(self).__name__, self.param_groups, state_dict, self._check)
        self.state = state
        for own, given in zip(self.param_groups, groups, strict=True):
            own.update(given)

    @abstractmethod
    def _update(self, group: Group) -> Update:
        """What updates one parameter of this group: called with its array, to be edited in place, its gradient, which
        belongs to the user and stays as it is, and its state.
        """

    def _check(self, options: Group) -> None:
        check_bool(f"{type(self).__name__}: maximize", options["maximize"])
        self._check_options(options)

    @abstractmethod
    def _check_options(self, options: Group) -> None:
        """Raise: ArgumentError where a hyper-parameter is out of range."""

    def __repr__(self) -> str:
        groups = [", ".join(f"{key}={group[key]}" for key in self.defaults) for group in self.param_groups]
        counts = [len(group["params"]) for group in self.param_groups]
        lines = [f"{count} parameters, {options}" for count, options in zip(counts, groups, strict=True)]
        return f"{type(self).__name__}({'; '.join(lines)})"

    # ---- which parameters

    def _as_groups(self, params: Any) -> list[Mapping[str, Any]]:
        items = self._as_list(params)
        groups = [isinstance(item, Mapping) for item in items]
        if any(groups) and not all(groups):
            raise ArgumentTypeError(
                f"{type(self).__name__}: expects Tensors or groups (dicts), got both; use only groups"
            )
        return items if all(groups) else [{"params": items}]

    def _as_parameters(self, params: Any) -> list[Tensor]:
        known = {id(parameter) for group in self.param_groups for parameter in group["params"]}
        parameters = [params] if isinstance(params, Tensor) else self._as_list(params)
        for i, parameter in enumerate(parameters):
            self._check_parameter(f"{type(self).__name__}: parameter {i}", parameter)
            if id(parameter) in known:
                raise ArgumentError(
                    f"{type(self).__name__}: parameter {i} (shape {parameter.shape}) comes twice; pass each one once"
                )
            known.add(id(parameter))
        return parameters

    def _as_list(self, params: Any) -> list[Any]:
        name = type(self).__name__
        if isinstance(params, Tensor | Mapping) or not isinstance(params, Iterable):
            mend = "pass model.parameters()" if hasattr(params, "parameters") else "put it in a list"
            raise ArgumentTypeError(f"{name}: expects an iterable of Tensors, got {type(params).__name__}; {mend}")
        items = list(params)  # a generator gives its items only once
        if not items:
            raise ArgumentError(f"{name}: got no parameter; pass model.parameters() of a model that has some")
        return items

    def _check_parameter(self, where: str, parameter: Any) -> None:
        if not isinstance(parameter, Tensor):
            mend = "; pass parameters(), not named_parameters()" if isinstance(parameter, tuple) else ""
            raise ArgumentTypeError(f"{where}: expects a Tensor, got {type(parameter).__name__}{mend}")
        if not parameter.is_leaf:
            raise GradientError(
                f"{where}: is the result of an operation, which holds no gradient; pass the Tensor it was computed from"
            )
        if parameter.dtype.kind != "f":
            raise ArgumentTypeError(f"{where}: expects a floating-point Tensor, got {parameter.dtype}")
        if not parameter.data.flags.writeable:
            raise ArgumentError(f"{where}: its array is read-only, and is edited in place; pass a copy (tensor(array))")
