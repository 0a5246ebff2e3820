"""The benchmark of training steps: losses must agree, what is missing is said, table, JSON and picture are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import step
from benchmarks.processes import LeftOut
from benchmarks.rounds import Times
from benchmarks.step import Row, check_losses
from benchmarks.workloads import named
from tests.benchmarks.conftest import Without


def test_a_run_writes_table_json_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without: Without
) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    without("dezero")
    arguments = ["--workloads", "note_mlp", "--peers", "ours", "ours-numpy", "dezero", "--seconds", "0.02"]
    assert step.main([*arguments, "--threads", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "left out: DeZero: not installed: hidden" in printed
    head, _, row = (line for line in printed.splitlines() if line.startswith("|"))
    assert "| tinygrad_cnn, NumPy kernels |" in head
    assert "DeZero" not in head
    assert row.startswith("| note_mlp (10)")
    found = json.loads((tmp_path / "step.json").read_text())
    assert found["left out"] == {"dezero": "not installed: hidden"}
    assert found["machine"]["threads"] == 1
    assert found["machine"]["environment"]["OMP_NUM_THREADS"] == "1"
    assert found["versions"]["ours"]["numpy"]
    workload = found["workloads"]["note_mlp"]
    assert len(workload["losses"]["ours"]) == 3
    assert workload["losses"]["ours"] == workload["losses"]["ours-numpy"]
    assert 0 < workload["ms"]["ours"]["best"] <= workload["ms"]["ours"]["median"]
    assert workload["ratios"] == {"ours": None, "ours-numpy": None}
    assert (tmp_path / "step.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("other", [[2.0, 1.9, 1.83], [2.0, 1.9, float("nan")]], ids=["differs", "nan"])
def test_losses_that_differ_are_an_error(other: list[float]) -> None:
    check_losses("lenet", {"ours": [2.0, 1.9, 1.8], "jax": [2.001, 1.899, 1.8001]})
    with pytest.raises(SystemExit, match=r"lenet: the losses of the first 3 steps differ:\n  ours: 2.0, 1.9, 1.8\n"):
        check_losses("lenet", {"ours": [2.0, 1.9, 1.8], "jax": other})


class FakeWorker:
    """Answers as a peer's process does, and remembers whether it was timed."""

    def __init__(self, losses: list[float] | None) -> None:
        self.losses = losses
        self.timed = 0

    def call(self, method: str, *arguments: Any) -> list[float]:
        if method == "measure":
            self.timed += 1
            return [1.0, 3.0, 2.0]
        if self.losses is None:
            raise LeftOut("has no such layer")
        return self.losses


def measured(tmp_path: Path, **workers: Any) -> Row:
    return step.measure(named("note_mlp"), workers, 0.001, tmp_path)


def test_nothing_is_timed_where_losses_differ(tmp_path: Path) -> None:
    one, other = FakeWorker([2.0, 1.9, 1.8]), FakeWorker([2.0, 1.9, 1.7])
    with pytest.raises(SystemExit, match="differ"):
        measured(tmp_path, ours=one, jax=other)
    assert one.timed == other.timed == 0


def test_a_peer_without_a_layer_is_left_out_of_that_workload(tmp_path: Path) -> None:
    row = measured(tmp_path, ours=FakeWorker([2.0, 1.9, 1.8]), mygrad=FakeWorker(None))
    assert row.left_out == {"mygrad": "has no such layer"}
    times = row.times["ours"]
    assert (times.median, times.best, times.count) == (2.0, 1.0, 15)


def test_the_ratio_is_to_the_best_variant_of_pytorch() -> None:
    times = {"ours": Times(1.0, 0.5, 9, 0.0), "torch-eager": Times(4.0, 0.1, 9, 0.0)}
    row = Row(named("lenet"), times=times)
    assert row.ratio("ours") == 0.25
    row.times["torch-compile"] = Times(2.0, 1.0, 9, 0.0)
    assert row.best_torch == "torch-compile"
    assert row.ratio("ours") == 0.5
    assert step.mean_ratio([row, row], "ours") == pytest.approx(0.5)
    assert step.mean_ratio([row, Row(named("mlp"))], "ours") is None
    assert "0.50 (at most 0.8) |" in step.shown([row], ["ours"])
    row.times["ours"] = Times(1.7, 1.0, 9, 0.0)
    assert "0.85 (at most 0.8 above) |" in step.shown([row], ["ours"])
