"""What a model looks at, drawn beside and upon the image: saliency, Grad-CAM, occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.viz.attributions import grad_cam, occlusion, saliency
from tinygrad_cnn.viz.figures import figure_of, new_figure
from tinygrad_cnn.viz.images import bare, draw_image, shown_pixels
from tinygrad_cnn.viz.inspection import as_batch, predicted_class

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STRONGEST = 0.95  # how opaque a heat map is upon an image, where it is largest


class _Heat(NamedTuple):
    """Values on an image, and how they are to be read."""

    values: NDArray[np.floating]
    title: str
    scale: str  # what the colours measure
    colours: str
    signed: bool = False
    smooth: bool = False  # coarser than the image
    over: bool = False  # the image shows through where the values are small


def plot_saliency(
    model: Module,
    image: ArrayLike | Tensor,
    target: int | None = None,
    class_names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The image, and beside it how strongly each of its pixels can change a class's score: `saliency`.

    target: a class; by default the one with the largest score. class_names: what the classes are called.
    ax: draws the map there alone, and returns the Figure that it belongs to.

    Raises: as `saliency`; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        >>> figure = plot_saliency(model, np.ones((8, 8)), target=1)
        >>> [axes.get_title() for axes in figure.axes]
        ['image', 'saliency for class 1', '']
    """
    shown, name = _image_and_class(model, image, target, class_names, "plot_saliency")
    values = saliency(model, image, target)
    heat = _Heat(values, f"saliency for {name}", "|∂ score / ∂ pixel|", "viridis")
    return _draw(shown, heat, ax, "plot_saliency")


def plot_grad_cam(
    model: Module,
    image: ArrayLike | Tensor,
    layer: str | Module | None = None,
    target: int | None = None,
    class_names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The image, and upon it where a convolution found what speaks for a class: `grad_cam`.

    layer, target: as for `grad_cam`. class_names: what the classes are called.
    ax: draws the map there alone, and returns the Figure that it belongs to.

    Raises: as `grad_cam`; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
        >>> figure = plot_grad_cam(model, np.ones((8, 8)), target=1, class_names=["cat", "dog"])
        >>> figure.axes[1].get_title()
        'Grad-CAM for dog'
    """
    shown, name = _image_and_class(model, image, target, class_names, "plot_grad_cam")
    values = grad_cam(model, image, layer, target)
    heat = _Heat(values, f"Grad-CAM for {name}", "evidence for the class", "plasma", smooth=True, over=True)
    return _draw(shown, heat, ax, "plot_grad_cam")


def plot_occlusion(
    model: Module,
    image: ArrayLike | Tensor,
    target: int | None = None,
    window: int | None = None,
    stride: int = 1,
    value: float = 0.0,
    class_names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The image, and beside it how much of a class's score is lost where a square is hidden: `occlusion`.

    Red pixels speak for the class, blue ones against it.

    target, window, stride, value: as for `occlusion`. class_names: what the classes are called.
    ax: draws the map there alone, and returns the Figure that it belongs to.

    Raises: as `occlusion`; MissingDependencyError without matplotlib.

    Example:
        >>> from tinygrad_cnn import nn
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
        >>> plot_occlusion(model, np.ones((8, 8)), target=1).axes[2].get_ylabel()
        'score lost when hidden'
    """
    shown, name = _image_and_class(model, image, target, class_names, "plot_occlusion")
    values = occlusion(model, image, target, window, stride, value)
    heat = _Heat(values, f"occlusion for {name}", "score lost when hidden", "RdBu_r", signed=True)
    return _draw(shown, heat, ax, "plot_occlusion")


def class_label(number: int, class_names: Sequence[str] | None) -> str:
    """What the class is called: its name, or "class 3"."""
    return f"class {number}" if class_names is None else str(class_names[number])


def _image_and_class(
    model: Module, image: Any, target: int | None, class_names: Sequence[str] | None, feature: str
) -> tuple[NDArray[Any], str]:
    predicted = predicted_class(model, image, feature)
    number = predicted if target is None else target
    if class_names is not None and not 0 <= number < len(class_names):
        raise ArgumentError(f"{feature}: class_names has {len(class_names)} names, none for class {number}")
    role = " (predicted)" if target is None else ""
    return as_batch(image, model, feature)[0], class_label(number, class_names) + role


def _draw(image: NDArray[Any], heat: _Heat, ax: Axes | None, feature: str) -> Figure:
    if ax is not None:
        _draw_heat(ax, image, heat)
        return figure_of(ax)
    figure = new_figure(6.4, 3.0, feature)
    plain, marked = figure.subplots(1, 2)
    draw_image(plain, image)
    plain.set_title("image", fontsize="medium")
    _draw_heat(marked, image, heat)
    return figure


def _draw_heat(axes: Axes, image: NDArray[Any], heat: _Heat) -> None:
    height, width = image.shape[1:]
    top = float(np.abs(heat.values).max(initial=0.0)) or 1.0
    if heat.over:
        draw_image(
            axes, shown_pixels(image).reshape(height, width, -1).mean(axis=-1)[None]
        )  # grey, to leave colour free
    drawn = axes.imshow(
        heat.values,
        cmap=heat.colours,
        vmin=-top if heat.signed else 0,
        vmax=top,
        alpha=_STRONGEST * np.sqrt(heat.values / top) if heat.over else None,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="bilinear" if heat.smooth else "nearest",
    )
    bare(axes)
    axes.set_title(heat.title, fontsize="medium")
    scale = figure_of(axes).colorbar(drawn, ax=axes, shrink=0.9, label=heat.scale)
    scale.outline.set_linewidth(0.5)
