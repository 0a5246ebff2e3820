"""The image that a unit answers to most, found by gradient ascent; `viz.preferred_images` draws it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core.gradients import grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, GradientError, ShapeError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.inspection import LayerOutput, find_layer, float_dtype, run_and_collect, undisturbed

_STARTS = 10  # noise images to start from, at most


def maximize_activation(
    model: Module,
    image_shape: tuple[int, int, int],
    layer: str | Module | None = None,
    unit: int | tuple[int, ...] = 0,
    steps: int = 100,
    step_size: float = 0.1,
    norm: float | None = None,
    generator: np.random.Generator | None = None,
) -> NDArray[np.floating]:
    """The image of a given norm that a unit answers to most: argmax of a_unit(x) over ||x|| = norm, by gradient ascent.

    From noise, each step goes `step_size` of the norm along the gradient, and back to the norm. It finds a local
    maximum; another generator may find another one. Where the unit is silent on the noise (a dead or a rarely
    active ReLU), the start is drawn anew some times.

    layer: its path or the Module; by default the output of the model, the scores of the classes.
    unit: a number of a channel (the mean over its map), of a feature or of a class; or the whole index of one
    activation, e.g. (channel, row, column).
    norm: by default that of an image whose pixels are 0.5 in the root mean square.
    generator: draws the noise; by default a fixed one, so that the same call gives the same image.

    Shapes: image_shape (C, H, W) -> (C, H, W).

    Raises: ArgumentError for a layer or a unit that there is not; GradientError for a unit that stays silent;
    ShapeError, naming the layer, for an image that does not fit.
    Source: D. Erhan, Y. Bengio, A. Courville, P. Vincent, "Visualizing higher-layer features of a deep network",
    Université de Montréal, technical report 1341 (2009), section 3.2.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
        >>> weight = model[1].weight.data[0]
        >>> best = maximize_activation(model, (1, 3, 3), unit=0, norm=1.0)
        >>> bool(np.allclose(best.ravel(), weight / np.linalg.norm(weight), atol=1e-3))
        True
    """
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ShapeError(f"maximize_activation: image_shape expects (C, H, W), got {image_shape}")
    if steps < 1 or not step_size > 0 or not (norm is None or norm > 0):
        raise ArgumentError(
            "maximize_activation: steps, step_size and norm must be positive, "
            f"got steps={steps}, step_size={step_size}, norm={norm}"
        )
    radius = 0.5 * math.sqrt(math.prod(image_shape)) if norm is None else norm
    generator = np.random.default_rng(0) if generator is None else generator
    with undisturbed(model, "maximize_activation"):
        path, module = ("", model) if layer is None else find_layer(model, layer, "maximize_activation")
        image, slope = _responding_start(model, (path, module), unit, image_shape, radius, generator)
        for _ in range(steps):
            image = _to_length(image + step_size * radius * slope, radius)
            slope = _slope(model, (path, module), unit, image)
            if not slope.any():
                break  # a plateau: a saturated unit
    return image


def _responding_start(
    model: Module,
    layer: tuple[str, Module],
    unit: int | tuple[int, ...],
    shape: tuple[int, int, int],
    radius: float,
    generator: np.random.Generator,
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    dtype = float_dtype(model)
    for _ in range(_STARTS):
        image = _to_length(generator.normal(size=shape).astype(dtype), radius)
        slope = _slope(model, layer, unit, image)
        if slope.any():
            return image, slope
    raise GradientError(
        f"maximize_activation: the unit {unit} of layer {layer[0]!r} answers to none of {_STARTS} noise images; "
        "choose the layer in front of its activation"
    )


def _slope(
    model: Module, layer: tuple[str, Module], unit: int | tuple[int, ...], image: NDArray[np.floating]
) -> NDArray[np.floating]:
    """The direction of steepest ascent of the unit's activation, of length 1; zeros where there is none."""
    pixels = Tensor(image[None], requires_grad=True)
    _, outputs = run_and_collect(model, pixels, [layer])
    (gradient,) = grad(_activation(layer[0], outputs, unit), pixels, allow_unused=True)
    return np.zeros_like(image) if gradient is None else _to_length(gradient.data[0], 1.0)


def _activation(path: str, outputs: list[LayerOutput], unit: int | tuple[int, ...]) -> Tensor:
    if not outputs:
        raise ArgumentError(f"maximize_activation: the layer {path!r} does not run; choose one that forward calls")
    activations = outputs[-1].output[0]
    index = unit if isinstance(unit, tuple) else (unit,)
    size = activations.shape
    if len(index) not in (1, len(size)) or not all(0 <= i < n for i, n in zip(index, size, strict=False)):
        raise ArgumentError(f"maximize_activation: unit expects an index within {size}, got {unit}")
    return activations[index].mean()


def _to_length(vector: NDArray[np.floating], length: float) -> NDArray[np.floating]:
    norm = float(np.linalg.norm(vector))
    return vector * vector.dtype.type(length / norm) if norm else vector
