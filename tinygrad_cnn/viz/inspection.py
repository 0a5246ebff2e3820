"""A model looked at from inside, and left as it was: its layers by name, what they put out, the score of a class."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.nn import Module

_OFFERED = 12  # names of layers in an error message, at most


class LayerOutput(NamedTuple):
    """What one call of a layer gave, in the order of the calls."""

    path: str
    layer: Module
    output: Tensor


@contextmanager
def undisturbed(model: Module, feature: str) -> Iterator[None]:
    """The model in evaluation mode, operations recorded; every module is back in its own mode afterwards."""
    if not isinstance(model, Module):
        raise ArgumentTypeError(f"{feature}: expects a Module, got {type(model).__name__}")
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def float_dtype(model: Module) -> DTypeLike:
    """The dtype that the model computes in: that of its first Parameter."""
    return next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))


def as_batch(image: Any, model: Module, feature: str) -> NDArray[Any]:
    """One image, (C, H, W), (H, W) or (1, C, H, W), as (1, C, H, W) in the dtype of the model."""
    array = image.data if isinstance(image, Tensor) else np.asarray(image)
    if array.dtype.kind != "f":
        raise DTypeError(
            f"{feature}: the image expects fractions, scaled as the model was trained on them, got {array.dtype}; "
            "pass e.g. image / 255"
        )
    batch = array.reshape(1, *(1,) * (3 - array.ndim), *array.shape) if array.ndim in (2, 3) else array
    if batch.ndim != 4 or len(batch) != 1 or 0 in batch.shape:
        mend = "; pass one of them: images[0]" if array.ndim == 4 else ""
        raise ShapeError(f"{feature}: expects one image, (C, H, W) or (H, W), got shape {array.shape}{mend}")
    return np.array(batch, dtype=float_dtype(model))


# ---- layers


def find_layer(model: Module, layer: str | Module, feature: str) -> tuple[str, Module]:
    """The path and the Module of a layer given as either. Raises: ArgumentError that offers the names there are."""
    layers = dict(model.named_modules())
    if isinstance(layer, Module):
        found = next((path for path, module in layers.items() if module is layer), None)
        if found is None:
            raise ArgumentError(f"{feature}: {type(layer).__name__} is no layer of the model; {_offer(layers, '')}")
        return found, layer
    if not isinstance(layer, str):
        raise ArgumentTypeError(f"{feature}: layer expects a path or a Module, got {type(layer).__name__}")
    if layer not in layers:
        raise ArgumentError(f"{feature}: the model has no layer {layer!r}; {_offer(layers, layer)}")
    return layer, layers[layer]


def _offer(layers: dict[str, Module], wrong: str) -> str:
    names = [path for path in layers if path]
    if not names:
        return "it is a single layer"
    close = get_close_matches(wrong, names, n=3)
    named = [*close, *(name for name in names if name not in close)][:_OFFERED]
    more = f" and {len(names) - len(named)} more" if len(names) > len(named) else ""
    return f"it has {', '.join(named)}{more}"


def leaves(model: Module) -> list[tuple[str, Module]]:
    """(path, Module) of the layers that hold no others."""
    return [(path, module) for path, module in model.named_modules() if not any(True for _ in module.children())]


def run_and_collect(
    model: Module, batch: Tensor, layers: Sequence[tuple[str, Module]]
) -> tuple[Any, list[LayerOutput]]:
    """What the model gives, and what each call of these layers gave; a layer that ran twice stands there twice."""
    collected: list[LayerOutput] = []
    paths = {id(module): path for path, module in layers}

    def collect(module: Module, args: tuple[Any, ...], output: Any) -> None:
        if isinstance(output, Tensor):
            collected.append(LayerOutput(paths[id(module)], module, output))

    with ExitStack() as hooks:
        for _, module in layers:
            hooks.enter_context(module.register_forward_hook(collect))
        output = model(batch)
    return output, collected


# ---- classes


def class_score(output: Any, target: int | None, feature: str) -> tuple[int, Tensor]:
    """The class, by default the one with the largest score, and its score: a scalar Tensor, before any softmax."""
    shape = output.shape if isinstance(output, Tensor) else type(output).__name__
    if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != 1:
        raise ShapeError(f"{feature}: expects a model that turns one image into scores (1, classes), it gives {shape}")
    classes = output.shape[1]
    if target is None:
        target = int(output.data.argmax())
    try:
        target = operator.index(target)
    except TypeError:
        raise ArgumentTypeError(f"{feature}: target expects the number of a class, got {target!r}") from None
    if not 0 <= target < classes:
        raise ArgumentError(f"{feature}: target expects a class from 0 to {classes - 1}, got {target}")
    return target, output[0, target]


def predicted_class(model: Module, image: Any, feature: str) -> int:
    """The class that the model gives the largest score."""
    with undisturbed(model, feature):
        return class_score(model(Tensor(as_batch(image, model, feature))), None, feature)[0]
