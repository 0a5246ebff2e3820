"""What in an image a model looks at, as arrays: saliency, Grad-CAM, occlusion; `viz.heatmaps` draws them.

None of these functions changes the model: its parameters, gradients, buffers and modes stay as they are, and it runs in
evaluation mode meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.gradients import grad
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn import Conv2d, Module
from tinygrad_cnn.viz.inspection import (
    LayerOutput,
    as_batch,
    class_score,
    find_layer,
    leaves,
    run_and_collect,
    undisturbed,
)

_BATCH = 64  # occluded images that run at once


def input_gradient(model: Module, image: ArrayLike | Tensor, target: int | None = None) -> NDArray[np.floating]:
    """The gradient of a class's score with respect to the pixels: ∂ score_target / ∂ image.

    target: a class; by default the one with the largest score.

    Shapes: image (C, H, W) or (H, W) -> (C, H, W); the model gives scores (1, classes).

    Raises: ShapeError, naming the layer, for an image that does not fit; DTypeError for one of integers.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> gradient = input_gradient(model, np.ones((2, 2)), target=1)
        >>> np.array_equal(gradient.ravel(), model[1].weight.data[1])
        True
    """
    return _input_gradient(model, image, target, "input_gradient")


def saliency(model: Module, image: ArrayLike | Tensor, target: int | None = None) -> NDArray[np.floating]:
    """How strongly each pixel can change a class's score: max over channels of |∂ score_target / ∂ pixel|.

    target: a class; by default the one with the largest score.

    Shapes: image (C, H, W) or (H, W) -> (H, W); the model gives scores (1, classes).

    Raises: as `input_gradient`.
    Source: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks: visualising image classification
    models and saliency maps", arXiv:1312.6034 (2013), section 3.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2))
        >>> saliency(model, np.ones((3, 3))).shape
        (3, 3)
    """
    gradient: NDArray[np.floating] = np.abs(_input_gradient(model, image, target, "saliency")).max(axis=0)
    return gradient


def _input_gradient(model: Module, image: ArrayLike | Tensor, target: int | None, feature: str) -> NDArray[np.floating]:
    with undisturbed(model, feature):
        pixels = Tensor(as_batch(image, model, feature), requires_grad=True)
        _, score = class_score(model(pixels), target, feature)
        (gradient,) = grad(score, pixels, allow_unused=True)
    return np.zeros(pixels.shape[1:], pixels.dtype) if gradient is None else gradient.data[0]


# ---- Grad-CAM


def grad_cam(
    model: Module, image: ArrayLike | Tensor, layer: str | Module | None = None, target: int | None = None
) -> NDArray[np.floating]:
    """Where a convolution found what speaks for a class.

    With A_k the maps of the layer, h x w:
    α_k = 1/(h w) Σ_ij ∂ score_target / ∂ A_kij, and the result is relu(Σ_k α_k A_k).

    layer: its path or the Module; by default the last layer whose maps are as large as those of the last convolution,
    which is the activation behind it. What is called several times counts with its last call.
    target: a class; by default the one with the largest score.

    Shapes: image (C, H, W) or (H, W) -> (h, w), of which each value stands for H/h x W/w pixels.

    Raises: ArgumentError for a layer that the model does not have (the names are offered), or that has no maps; and as
    `input_gradient`.
    Source: R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization",
    ICCV 2017, section 3, equations (1) and (2).

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> grad_cam(model, np.ones((8, 8)), layer="1").shape
        (6, 6)
    """
    with undisturbed(model, "grad_cam"):
        watched = leaves(model) if layer is None else [find_layer(model, layer, "grad_cam")]
        pixels = Tensor(as_batch(image, model, "grad_cam"), requires_grad=True)  # else frozen layers record nothing
        output, outputs = run_and_collect(model, pixels, watched)
        maps = _last_maps(outputs) if layer is None else _maps_of(watched[0], outputs)
        _, score = class_score(output, target, "grad_cam")
        (gradient,) = grad(score, maps, allow_unused=True)
    if gradient is None:
        raise ArgumentError("grad_cam: the score does not depend on that layer; choose one on the way to the output")
    weights = gradient.data[0].mean(axis=(1, 2))
    weighted: NDArray[np.floating] = np.maximum(np.tensordot(weights, maps.data[0], axes=1), 0)
    return weighted


def _last_maps(outputs: list[LayerOutput]) -> Tensor:
    convolved = [entry.output for entry in outputs if isinstance(entry.layer, Conv2d) and entry.output.ndim == 4]
    if not convolved:
        raise ArgumentError("grad_cam: the model has no Conv2d; name the layer whose maps are meant: layer=...")
    size = convolved[-1].shape[2:]
    return [entry.output for entry in outputs if entry.output.ndim == 4 and entry.output.shape[2:] == size][-1]


def _maps_of(layer: tuple[str, Module], outputs: list[LayerOutput]) -> Tensor:
    path, module = layer
    name = f"the layer {path!r} ({type(module).__name__})"
    if not outputs:
        raise ArgumentError(f"grad_cam: {name} did not run on this image; choose one that the forward pass calls")
    maps = outputs[-1].output
    if maps.ndim != 4:
        raise ArgumentError(f"grad_cam: {name} gives {maps.shape}, no maps (1, K, h, w); choose a convolution")
    return maps


# ---- occlusion


def occlusion(
    model: Module,
    image: ArrayLike | Tensor,
    target: int | None = None,
    window: int | None = None,
    stride: int = 1,
    value: float = 0.0,
) -> NDArray[np.floating]:
    """How much of a class's score is lost where a square of the image is hidden.

    Each pixel has the mean of score(image) - score(hidden) over the squares that cover it: positive where the pixels
    speak for the class, negative where they speak against it.

    target: a class; by default the one with the largest score.
    window: the side of the square in pixels, by default a quarter of the shorter side of the image.
    stride: how far it moves, in pixels; it always reaches the last row and column too.
    value: what hides; 0 is black, or grey where images are normalised to mean 0.

    Shapes: image (C, H, W) or (H, W) -> (H, W).

    Raises: ArgumentError for a window or a stride that does not fit; and as `input_gradient`.
    Source: M. D. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        >>> occlusion(model, np.ones((8, 8)), window=3, stride=2).shape
        (8, 8)
    """
    with undisturbed(model, "occlusion"), no_grad():
        batch = as_batch(image, model, "occlusion")
        height, width = batch.shape[2:]
        window = max(1, min(height, width) // 4) if window is None else window
        if not 1 <= window <= min(height, width) or not 1 <= stride <= window:
            raise ArgumentError(
                f"occlusion: window expects 1 to {min(height, width)} pixels on an image {height} x {width}, and "
                f"stride 1 to window, so that no pixel is left out; got window={window}, stride={stride}"
            )
        target, whole = class_score(model(Tensor(batch)), target, "occlusion")
        corners = [(top, left) for top in _starts(height, window, stride) for left in _starts(width, window, stride)]
        lost, covered = np.zeros((height, width)), np.zeros((height, width))
        for part in _parts(corners):
            hidden = np.repeat(batch, len(part), axis=0)
            for picture, (top, left) in zip(hidden, part, strict=True):
                picture[:, top : top + window, left : left + window] = value
            scores = model(Tensor(hidden)).data[:, target]
            for (top, left), score in zip(part, scores, strict=True):
                square = np.s_[top : top + window, left : left + window]
                lost[square] += whole.item() - float(score)
                covered[square] += 1
    return (lost / covered).astype(batch.dtype)


def _starts(size: int, window: int, stride: int) -> list[int]:
    last = size - window
    return [*range(0, last, stride), last]


def _parts(corners: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    return (corners[start : start + _BATCH] for start in range(0, len(corners), _BATCH))
