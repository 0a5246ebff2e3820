"""Which layer of a model does not fit what it gets, from whom it gets that, and the number to change."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.nn.convolution import Conv1d, Conv2d, ConvTranspose2d
from tinygrad_cnn.nn.layers import Linear
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d
from tinygrad_cnn.nn.trials import Shape, Step, Trial


class _Expectation(NamedTuple):
    """Which argument of a layer says how many of what it takes, in which dimension of how many with the batch."""

    argument: str
    what: str
    dimension: int
    dims: tuple[int, ...] = ()  # any number


_EXPECTATIONS: dict[type[Any], _Expectation] = {
    Linear: _Expectation("in_features", "features", -1),
    Conv1d: _Expectation("in_channels", "channels", 1, (3,)),
    Conv2d: _Expectation("in_channels", "channels", 1, (4,)),
    ConvTranspose2d: _Expectation("in_channels", "channels", 1, (4,)),
    BatchNorm1d: _Expectation("num_features", "channels", 1, (2, 3)),
    BatchNorm2d: _Expectation("num_features", "channels", 1, (4,)),
    InstanceNorm2d: _Expectation("num_features", "channels", 1, (4,)),
    GroupNorm: _Expectation("num_channels", "channels", 1),
}
_LETTERS = {2: "C", 3: "C x L", 4: "C x H x W"}


def misfit(model: Module, trial: Trial, error: Exception) -> ShapeError | None:
    """What `error`, which ended the trial, comes from, where that is a layer of another number of inputs."""
    if not isinstance(error, ShapeError | ArgumentError) or not trial.running:
        return None
    layer, args = trial.running[-1]
    kind = next((kind for kind in type(layer).__mro__ if kind in _EXPECTATIONS), None)
    if kind is None or not args or not isinstance(args[0], Tensor) or len(args[0].shape) < 2:
        return None
    found = _complaint(trial, layer, _EXPECTATIONS[kind], args[0])
    path = next((path for path, module in model.named_modules() if module is layer), "")
    where = f"{path}: {type(layer).__name__}" if path else type(layer).__name__
    return None if found is None else ShapeError(f"{where} expects {found}")


def _complaint(trial: Trial, layer: Module, expectation: _Expectation, input: Tensor) -> str | None:
    """What the layer expects, what it gets, and the mend; None where that fits."""
    shape, giver = trial.without_batch(input.shape), _giver(trial, input)
    dims = expectation.dims
    if dims and len(input.shape) not in dims:
        letters = " or ".join(_LETTERS[n] for n in dims)
        mend = f": pass an input_shape of {letters}" if _is_among(trial.inputs, input) else ""
        return f"{letters}, {giver} {by(shape)}{mend}"
    expected, got = getattr(layer, expectation.argument), input.shape[expectation.dimension]
    if expected == got:
        return None
    features = math.prod(shape)
    if expectation.dimension == -1 and len(shape) > 1:  # nobody has flattened it
        change = "" if features == expected else f", in_features={features}"
        return f"{expected} features, {giver} {by(shape)}: put nn.Flatten() in front of it{change}"
    return f"{expected} {expectation.what}, {giver} {got}{_origin(trial, input)}: {expectation.argument}={got}"


def by(shape: Shape) -> str:
    """A shape as it is spoken: 16 x 4 x 4."""
    return " x ".join(map(str, shape)) if shape else "a single number"


def _giver(trial: Trial, tensor: Tensor) -> str:
    """Who made the Tensor, and a verb."""
    step = _maker(trial.steps, tensor)
    if step is None:
        return "the input has" if _is_among(trial.inputs, tensor) else "it gets"
    if step.is_operation or _flattened(step):
        return f"{step.kind} gives"
    return f"{step.path} ({step.kind}) gives"


def _origin(trial: Trial, tensor: Tensor) -> str:
    """What was flattened, and who made that."""
    step = _maker(trial.steps, tensor)
    if step is None or not _flattened(step):
        return ""
    before = step.inputs[0]
    maker = _maker(trial.steps, before)
    source = maker.path or maker.kind if maker else "the input"
    return f" ({by(trial.without_batch(before.shape))} from {source})"


def _flattened(step: Step) -> bool:
    return len(step.inputs) == 1 and len(step.inputs[0].shape) > len(step.outputs[0].shape)


def _maker(steps: Iterable[Step], tensor: Tensor) -> Step | None:
    """The first whose result it was: those who hand on what they got come later, and containers last."""
    return next(
        (step for step in steps if _is_among(step.outputs, tensor) and not _is_among(step.inputs, tensor)), None
    )


def _is_among(tensors: Iterable[Any], tensor: Tensor) -> bool:
    return any(other is tensor for other in tensors)
