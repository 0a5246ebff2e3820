"""Every figure looks as it did when a person last looked at it.

After a change that is meant, write the pictures anew and look at them:

    python tests/viz/test_golden_figures.py
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("matplotlib")

import matplotlib
from PIL import Image

from tinygrad_cnn import nn, tensor, viz

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOLDEN = Path(__file__).parent / "golden"
DPI = 50  # small files; what a line means is still seen
BLOCK = 5  # pixels that are averaged, so that a letter may move by one
# Root mean square, of 255. Other versions of matplotlib have other fonts, and so place everything a little differently
# (3.9 and 3.11 differ by up to 24): beside them only a different picture is told from the same one.
TOLERANCE, TOLERANCE_OF_OTHERS = 1.5, 32.0


def network() -> nn.Sequential:
    generator = np.random.default_rng(3)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, generator=generator),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3, padding=1, generator=generator),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 3, generator=generator),
    )


def ring() -> NDArray[np.float32]:
    """A bright ring on 8 x 8 pixels."""
    y, x = np.mgrid[-3.5:4, -3.5:4]
    return np.asarray(np.exp(-((np.hypot(x, y) - 2.4) ** 2)), np.float32)


def history(last: float = 0.12) -> Figure:
    epochs = np.arange(1, 18)
    fall = 1 / epochs
    test = [*(0.1 + fall)[:-1], last + 0.05]
    curves: dict[str, Any] = {
        "train_loss": fall,
        "test_loss": test,
        "train_accuracy": 1 - fall / 2,
        "test_accuracy": 0.95 - fall / 2,
    }
    return viz.plot_history({name: list(map(float, curve)) for name, curve in curves.items()}, title="a run")


def filters(seed: int = 3) -> Figure:
    return viz.plot_filters(np.random.default_rng(seed).normal(size=(5, 3, 3, 3)))


def layer_filters(change: float = 1.0) -> Figure:
    model = network()
    start = model.state_dict()
    for layer in (model[0], model[3]):
        layer.weight.data = layer.weight.data + np.float32(change) * np.sin(np.arange(9, dtype=np.float32)).reshape(
            3, 3
        )
    return viz.plot_layer_filters(model, before=start)


def feature_maps(image: Any = None) -> Figure:
    return viz.plot_feature_maps(network(), ring() if image is None else image)


def saliency(target: int = 1) -> Figure:
    return viz.plot_saliency(network(), ring(), target)


def grad_cam(target: int = 1) -> Figure:
    return viz.plot_grad_cam(network(), ring(), target=target, layer="1")


def occlusion(target: int = 1) -> Figure:
    return viz.plot_occlusion(network(), ring(), target)


def activation_maximization(layer: str = "3") -> Figure:
    return viz.plot_activation_maximization(network(), (1, 8, 8), layer, steps=20)


def confusion_matrix(shift: int = 0) -> Figure:
    labels = np.arange(60) % 5
    scores = 3 * np.eye(5)[labels] + np.random.default_rng(0).normal(scale=1.2, size=(60, 5))
    images = np.stack([np.roll(ring(), label, axis=1) for label in labels])[:, None]
    return viz.plot_confusion_matrix(
        labels, np.roll(scores, shift, axis=1), images, ["ant", "bee", "cat", "dog", "elk"]
    )


def histograms(growth: float = 1.3) -> Figure:
    model = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))
    generator = np.random.default_rng(0)
    taken = viz.ParameterHistograms(model)
    for place in range(8):
        for layer in (model[0], model[1]):
            noise = generator.normal(size=layer.weight.shape).astype(np.float32)
            layer.weight.data = noise * np.float32(growth**place)
            layer.weight.grad = tensor(noise / np.float32(growth**place) + np.float32(0.5))
        taken.take(25 * place)
    return viz.plot_histograms(taken)


def decision_boundary(turn: float = 1.0) -> Figure:
    model: Any = nn.Linear(2, 3)
    model.weight.data = np.array([[turn, 1], [-1, 0.5], [0, -1]], np.float32)
    model.bias.data = np.zeros(3, np.float32)
    points = np.random.default_rng(1).normal(size=(60, 2))
    labels = (points @ np.array([[1, -1, 0], [1, 0.5, -1]])).argmax(axis=1)
    labels[:3] = (labels[:3] + 1) % 3
    return viz.plot_decision_boundary(model, points, labels)


# Each with a change that a person would see.
FIGURES: dict[str, tuple[Callable[[], Figure], Callable[[], Figure]]] = {
    "history": (history, lambda: history(last=0.8)),
    "filters": (filters, lambda: filters(seed=4)),
    "layer_filters": (layer_filters, lambda: layer_filters(change=-1.0)),
    "feature_maps": (feature_maps, lambda: feature_maps(np.eye(8, dtype=np.float32))),
    "saliency": (saliency, lambda: saliency(target=2)),
    "grad_cam": (grad_cam, lambda: grad_cam(target=2)),
    "occlusion": (occlusion, lambda: occlusion(target=2)),
    "activation_maximization": (activation_maximization, lambda: activation_maximization(layer="0")),
    "confusion_matrix": (confusion_matrix, lambda: confusion_matrix(shift=1)),
    "histograms": (histograms, lambda: histograms(growth=1.0)),
    "decision_boundary": (decision_boundary, lambda: decision_boundary(turn=-1.0)),
}


def _version() -> str:
    return "matplotlib " + ".".join(matplotlib.__version__.split(".")[:2])


def drawn_alike(golden: bytes) -> bool:
    """Whether the golden picture comes from this version of matplotlib."""
    return bool(Image.open(io.BytesIO(golden)).info["Software"] == _version())


def as_png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": _version()})
    return content.getvalue()


def coarse(png: bytes) -> NDArray[np.float64]:
    """(H, W) pixels -> (H / BLOCK, W / BLOCK, 3), from 0 to 255."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float64)
    rows, columns = (size // BLOCK for size in pixels.shape[:2])
    blocks = pixels[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, 3)
    return np.asarray(blocks.mean(axis=(1, 3)))


def difference(png: bytes, golden: bytes) -> float:
    """The root mean square of the coarse pixels' differences; infinite for pictures of another size."""
    drawn, expected = coarse(png), coarse(golden)
    return float(np.sqrt(((drawn - expected) ** 2).mean())) if drawn.shape == expected.shape else np.inf


@pytest.mark.parametrize("name", FIGURES)
def test_the_figure_looks_as_it_did(name: str, tmp_path: Path) -> None:
    drawn, golden = as_png(FIGURES[name][0]()), (GOLDEN / f"{name}.png").read_bytes()
    picture = tmp_path / f"{name}.png"
    picture.write_bytes(drawn)
    tolerance = TOLERANCE if drawn_alike(golden) else TOLERANCE_OF_OTHERS
    assert difference(drawn, golden) < tolerance, f"compare {picture} with {GOLDEN / picture.name}"


@pytest.mark.parametrize("name", FIGURES)
def test_control_a_change_that_a_person_sees_is_seen(name: str) -> None:
    golden = (GOLDEN / f"{name}.png").read_bytes()
    if not drawn_alike(golden):
        pytest.skip("the golden picture comes from another version of matplotlib")
    assert difference(as_png(FIGURES[name][1]()), golden) > TOLERANCE


def test_the_same_figure_is_drawn_to_the_bit_twice() -> None:
    assert as_png(grad_cam()) == as_png(grad_cam())


def test_no_golden_picture_is_left_over_and_none_is_large() -> None:
    sizes = {path.stem: path.stat().st_size for path in GOLDEN.glob("*.png")}
    assert set(sizes) == set(FIGURES)
    assert max(sizes.values()) < 25_000


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, (draw, _) in FIGURES.items():
        (GOLDEN / f"{name}.png").write_bytes(as_png(draw()))
