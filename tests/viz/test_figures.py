from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tinygrad_cnn import nn, viz
from tinygrad_cnn.errors import ArgumentError, MissingDependencyError
from tinygrad_cnn.viz import plot_filters, plot_history, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WEIGHT = np.random.default_rng(0).normal(size=(4, 1, 3, 3))
NAMES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def history_figure() -> Figure:
    return plot_history({name: [0.5, 0.6] for name in NAMES})


def filters_figure() -> Figure:
    return plot_filters(WEIGHT)


def histograms_figure() -> Figure:
    histograms = viz.ParameterHistograms(MODEL)
    histograms.take(0)
    return viz.plot_histograms(histograms)


MODEL = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
IMAGE = np.ones((4, 4))
FIGURES: dict[str, Callable[[], Figure]] = {
    "plot_history": history_figure,
    "plot_filters": filters_figure,
    "plot_layer_filters": lambda: viz.plot_layer_filters(MODEL),
    "plot_feature_maps": lambda: viz.plot_feature_maps(MODEL, IMAGE),
    "plot_saliency": lambda: viz.plot_saliency(MODEL, IMAGE),
    "plot_grad_cam": lambda: viz.plot_grad_cam(MODEL, IMAGE),
    "plot_occlusion": lambda: viz.plot_occlusion(MODEL, IMAGE),
    "plot_activation_maximization": lambda: viz.plot_activation_maximization(MODEL, (1, 4, 4), steps=1),
    "plot_confusion_matrix": lambda: viz.plot_confusion_matrix([0, 1], np.eye(2)),
    "plot_histograms": histograms_figure,
    "plot_decision_boundary": lambda: viz.plot_decision_boundary(nn.Linear(2, 2), np.eye(2), [0, 1], resolution=5),
}


def test_no_figure_is_left_out() -> None:
    assert set(FIGURES) == {name for name in viz.__all__ if name.startswith("plot_")}


@pytest.mark.parametrize("figure", [history_figure, filters_figure])
@pytest.mark.parametrize(("name", "start"), [("f.png", b"\x89PNG"), ("f.svg", b"<?xml"), ("f.PDF", b"%PDF")])
def test_saved_files_are_what_their_suffix_says(
    tmp_path: Path, figure: Callable[[], Figure], name: str, start: bytes
) -> None:
    save_figure(figure(), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["figure.dot", "figure"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"must end in one of .*\.png.*\.svg.*; got '{name}'"):
        save_figure(history_figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_writer_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(draft: Path, **_: Any) -> None:
        draft.write_bytes(b"\x89PN")
        raise OSError("disk full")

    path = tmp_path / "figure.png"
    path.write_text("old")
    figure = history_figure()
    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure, path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


def test_a_notebook_can_show_a_figure() -> None:
    figure: Any = filters_figure()
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_nothing_global_is_touched() -> None:
    script = f"""
import sys
import matplotlib
before = dict(matplotlib.rcParams)
import numpy as np
from tinygrad_cnn import nn, viz
viz.plot_history({{name: [0.5] for name in {NAMES}}}).canvas.draw()
viz.plot_filters(np.ones((2, 2, 3, 3))).canvas.draw()
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
viz.plot_layer_filters(model).canvas.draw()
viz.plot_feature_maps(model, np.ones((4, 4))).canvas.draw()
viz.plot_grad_cam(model, np.ones((4, 4))).canvas.draw()
viz.plot_confusion_matrix([0, 1], np.eye(2)).canvas.draw()
viz.plot_decision_boundary(nn.Linear(2, 2), np.eye(2), [0, 1]).canvas.draw()
print("matplotlib.pyplot" in sys.modules, dict(matplotlib.rcParams) == before)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_importing_viz_does_not_import_matplotlib() -> None:
    script = "import sys, tinygrad_cnn.viz; print({'matplotlib', 'graphviz', 'wasmtime'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("name", FIGURES)
def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=rf"{name} needs matplotlib.*tinygrad_cnn\[viz\]"):
        FIGURES[name]()
