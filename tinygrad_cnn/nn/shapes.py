"""`infer_shapes`: the shapes of all layers, and what is wrong with them, before there are any data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.nn.misfits import misfit
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.trials import EMPTY, SMALL, Shape, Trial, batch_of, run_layers

InputShape: TypeAlias = Sequence[int] | Sequence[Sequence[int]]
Shapes: TypeAlias = Shape | tuple[Shape, ...]


def infer_shapes(model: Module, input_shape: InputShape) -> dict[str, Shapes]:
    """The shape of every layer's output, by path, found by running the model on an empty batch.

    Nothing is computed, and nothing in the model changes: neither its mode, its buffers or its gradients, nor a random
    generator. A model that cannot run an empty batch is run on two inputs of zeros, in evaluation mode.

    input_shape: of one input, without the batch, (3, 32, 32) for example; for a model of several inputs a list of them.
    Shapes: the result's have no batch either; the model's own stands under "". A tuple of shapes stands for a layer
    that returns several Tensors, and of a layer that is called several times the last call counts.

    Raises: ShapeError that names the layer that does not fit, whence its input comes, and the number to change;
    ArgumentError for a lazy layer, whose sizes nobody knows before its first call, and for a shape that is none.

    Example:
        >>> from tinygrad_cnn import nn
        >>> features = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
        >>> model = nn.Sequential({"features": features, "flat": nn.Flatten(), "head": nn.Linear(400, 10)})
        >>> infer_shapes(features, (3, 28, 28))
        {'': (16, 13, 13), '0': (16, 26, 26), '1': (16, 26, 26), '2': (16, 13, 13)}
        >>> infer_shapes(model, (3, 28, 28))
        Traceback (most recent call last):
        ...
        tinygrad_cnn.errors.ShapeError: head: Linear expects 400 features,
        Flatten gives 2704 (16 x 13 x 13 from features.2): in_features=2704
    """
    trial = tried(model, input_shape, "infer_shapes")
    found: dict[str, Shapes] = {}
    for step in trial.steps:
        if not step.is_operation:
            shapes = tuple(trial.without_batch(tensor.shape) for tensor in step.outputs)
            found[step.path] = shapes[0] if len(shapes) == 1 else shapes
    return {path: found[path] for path, _ in model.named_modules() if path in found}


def tried(model: Module, input_shape: InputShape | None, caller: str) -> Trial:
    """A finished trial of the model; `caller` is whom its errors name. Raises: as `infer_shapes`."""
    if not isinstance(model, Module):
        raise ArgumentTypeError(f"{caller}: expects a Module, got {type(model).__name__}")
    shapes = input_shapes(input_shape, caller)
    for path, module in model.named_modules():
        module._check_ready(path)
    trial, error = _attempt(model, shapes, EMPTY)
    if error is not None:  # perhaps only because the batch is empty
        trial, error = _attempt(model, shapes, SMALL)
    if error is None:
        return trial
    if len(shapes) == 1 and len(shapes[0]) > 1 and _attempt(model, [shapes[0][1:]], EMPTY)[1] is None:
        raise ShapeError(
            f"{caller}: input_shape is that of one input, without the batch; got {shapes[0]}, pass {shapes[0][1:]}"
        ) from error
    found = misfit(model, trial, error)
    if found is not None:
        raise found from error
    raise error


def input_shapes(given: InputShape | None, caller: str) -> list[Shape]:
    """The shape of each input. Raises: ArgumentTypeError, ArgumentError."""
    if given is None:
        raise ArgumentTypeError(
            f"{caller}: needs the shape of one input, without the batch: {caller}(model, (3, 32, 32))"
        )
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ArgumentTypeError(f"{caller}: input_shape expects a tuple such as (3, 32, 32), got {given!r}")
    several = bool(given) and all(isinstance(part, Sequence) for part in given)
    parts: Any = given if several else [given]
    return [_checked(part, given, caller) for part in parts]


def _checked(shape: Sequence[Any], given: InputShape, caller: str) -> Shape:
    if not shape or not all(isinstance(size, int | np.integer) and not isinstance(size, bool) for size in shape):
        raise ArgumentTypeError(f"{caller}: input_shape expects whole numbers such as (3, 32, 32), got {given!r}")
    if min(shape) < 1:
        raise ArgumentError(f"{caller}: input_shape expects sizes of at least 1, got {given!r}")
    return tuple(int(size) for size in shape)


def _attempt(model: Module, shapes: Sequence[Shape], batch: int) -> tuple[Trial, Exception | None]:
    trial = batch_of(model, shapes, batch)
    try:
        run_layers(model, trial)
    except Exception as error:
        return trial, error
    return trial, None
