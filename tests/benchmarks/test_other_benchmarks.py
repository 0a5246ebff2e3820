"""The other benchmarks run from end to end on something small, and write what they found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import ceilings, memory, mnist, ops, overhead, scaling
from benchmarks.operations import all_cases
from tests.benchmarks.conftest import Without

TRAIN, TEST = 300, 50


def written(folder: Path, name: str) -> dict[str, Any]:
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text("utf-8"))
    return found


@pytest.fixture(autouse=True)
def with_pictures() -> None:
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib")


def test_single_operations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without: Without, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("torch", "numba")
    monkeypatch.setattr(ceilings, "COPIED", 1 << 20)
    names = ["conv2d 10: 4x13", "max_pool2d both ways 10", "SGD, 2,4"]
    assert ops.main(["--only", *names, "--seconds", "0.005", "--threads", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "left out: PyTorch: not installed: hidden" in printed
    assert "| conv2d 10: 4x13x13 -> 4, 3x3, direct" in printed
    found = written(tmp_path, "ops")
    assert list(found["operations"]) == [name for name in all_cases() if name.startswith(tuple(names))]
    assert found["ceilings"]["GFLOP/s"] is None
    assert found["ceilings"]["GB/s"] > 0


def test_results_of_operations_that_differ_are_an_error() -> None:
    case = next(iter(all_cases().values()))
    ops.check_results(case, {"ours": {"NCHW": [10.0, -3.0]}, "torch": {"NCHW": [10.00001, -3.00001]}})
    with pytest.raises(SystemExit, match="conv2d 10: 1x28x28 -> 4, 3x3: the results differ"):
        ops.check_results(case, {"ours": {"NCHW": [10.0, -3.0]}, "torch": {"NCHW": [10.0, -2.9]}})


def test_peak_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--workloads", "note_mlp", "--peers", "ours", "--steps", "1", "--out", str(tmp_path)]
    assert memory.main(arguments) == 0
    assert "| note_mlp" in capsys.readouterr().out
    found = written(tmp_path, "memory")["workloads"]["note_mlp"]["MB"]["ours"]
    assert 5 < found["imported"] <= found["peak"] < 2000


def test_scaling(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "SIZES", {"depth": (1, 2)})
    monkeypatch.setattr(scaling, "NODES", (10, 1000))
    monkeypatch.setattr(scaling, "ON_THREADS", "note_mlp")
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert scaling.main(["--peers", "ours", "--seconds", "0.01", "--threads", "1", "--out", str(tmp_path)]) == 0
    assert "| nodes 1,000 |" in capsys.readouterr().out
    found = written(tmp_path, "scaling")["ms"]
    assert [size for size, _ in found["depth"]["tinygrad_cnn"]] == [1, 2]
    assert [size for size, _ in found["nodes"]["tinygrad_cnn"]] == [10, 1000]


def test_overhead(tmp_path: Path, capsys: pytest.CaptureFixture[str], without: Without) -> None:
    without("torch", "numba")
    assert overhead.main(["--length", "10", "--runs", "1", "--imports", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "left out: PyTorch: not installed: hidden" in printed
    found = written(tmp_path, "overhead")
    assert list(found["us per operation"]["tinygrad_cnn"]) == list(overhead.CHAINS)
    assert set(found["import s"]) == {"tinygrad_cnn", "NumPy"}
    assert found["bytes"]["tinygrad_cnn"] > found["bytes"]["NumPy"] > 1_000_000


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        images, labels = rng.integers(0, 256, (count, 28, 28)), np.arange(count) % 10
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
            (tmp_path / name).write_bytes(head + array.astype(np.uint8).tobytes())
    return tmp_path


def test_an_epoch_of_mnist(idx_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--data-dir", str(idx_folder), "--rounds", "1", "--peers", "ours", "--out", str(idx_folder)]
    assert mnist.main(arguments) == 0
    assert "| tinygrad_cnn |" in capsys.readouterr().out
    found = written(idx_folder, "mnist")
    assert len(found["runs"]["ours"][0]["losses"]) == 3
    assert found["ratio"] is None
