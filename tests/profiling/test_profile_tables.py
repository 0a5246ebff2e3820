"""A profile as text and as a trace file."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, DataNotFoundError
from tinygrad_cnn.profiling import Profile


@pytest.fixture(scope="module")
def step() -> Profile:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 4))
    with tg.profile() as p:
        for _ in range(2):
            tg.cross_entropy(model(tg.Tensor(np.ones((5, 1, 8, 8), np.float32))), np.arange(5) % 4).backward()
    return p


def number(cell: str) -> float:
    """As written in a table, with commas between thousands: a first call compiles its kernel."""
    return float(cell.replace(",", ""))


def cells(table: str) -> list[list[str]]:
    """The cells of each line, which two spaces or more keep apart."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table.splitlines()]


# ---- the table


def test_the_shares_add_up_to_everything(step: Profile) -> None:
    for by in ("operation", "module", "shape"):
        lines = cells(step.table(by))
        assert lines[0] == [by, "pass", "calls", "ms", "%", "GFLOP/s", "moved MB", "allocated MB"]
        *rows, between, profiler, total = lines[1:]
        assert (between[0], profiler[0], total[0]) == ("between operations", "the profiler itself", "total")
        shares = [number(row[4]) for row in rows] + [number(between[2]), number(profiler[2])]
        times = [number(cell) for cell in (*(row[3] for row in rows), between[1], profiler[1])]
        assert all(share >= 0 for share in shares)
        assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares))
        assert float(total[3]) == 100.0
        assert sum(times) == pytest.approx(number(total[2]), abs=0.005 * len(times))
        assert number(total[2]) == pytest.approx(step.seconds * 1e3, abs=0.006)
        assert sum(int(row[2]) for row in rows) == int(total[1])


def test_a_line_shows_its_row(step: Profile) -> None:
    (row,) = [row for row in step.rows() if (row.name, row.direction) == ("conv2d", "forward")]
    (line,) = [line for line in cells(step.table()) if line[:2] == ["conv2d", "forward"]]
    assert row.multiply_adds == 2 * 5 * 36 * 2 * 9
    assert row.gflops_per_second == pytest.approx(2 * row.multiply_adds / row.seconds / 1e9)
    assert line[2] == "2"
    assert number(line[3]) == pytest.approx(row.seconds * 1e3, abs=0.005)
    assert number(line[5]) == pytest.approx(row.gflops_per_second, rel=0.05, abs=0.001)
    assert number(line[6]) == pytest.approx(row.bytes / 1e6, abs=0.0005)


def test_columns_stand_below_each_other(step: Profile) -> None:
    lines = step.table("module").splitlines()
    assert len({len(line) for line in lines if line.split()[0] not in ("between", "the")}) == 1
    assert max(map(len, lines)) < 100


def test_printing_shows_operations_and_modules(step: Profile) -> None:
    assert str(step) == f"{step.table()}\n\n{step.table('module')}"
    assert repr(step).startswith(f"Profile({sum(row.calls for row in step.rows())} calls, ")


def test_rows_are_sorted(step: Profile) -> None:
    for sort, figure in [
        ("time", "seconds"),
        ("calls", "calls"),
        ("flops", "flops"),
        ("bytes", "bytes"),
        ("allocated", "allocated"),
    ]:
        values = [getattr(row, figure) for row in step.rows(sort=sort)]
        assert values == sorted(values, reverse=True)
    names = [(row.name, row.direction) for row in step.rows(sort="name")]
    assert [name for name, _ in names] == sorted(name for name, _ in names)
    assert names[:2] == [("conv2d", "forward"), ("conv2d", "backward")]
    order = [(row.name, row.direction) for row in step.rows(sort="order")]
    assert (order[0], order[-1]) == (("conv2d", "forward"), ("conv2d", "backward"))
    assert step.table(sort="order").splitlines()[1].startswith("conv2d")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "layer"}, "Profile: by expects one of 'operation', 'module', 'shape', got 'layer'"),
        ({"sort": "speed"}, "Profile: sort expects one of 'time', 'calls', .*, 'order', got 'speed'"),
    ],
)
def test_unknown_words_are_refused(step: Profile, options: Any, message: str) -> None:
    for read in (step.rows, step.table):
        with pytest.raises(ArgumentError, match=message):
            read(**options)


def test_long_names_are_cut() -> None:
    with tg.profile() as p:
        tg.cat([tg.Tensor(np.ones((1, 1, 2)))] * 20)
    assert max(map(len, p.table("shape").splitlines())) < 140


def test_a_block_without_operations_is_a_table_of_nothing() -> None:
    with tg.profile() as p:
        pass
    assert [line[0] for line in cells(p.table())] == ["operation", "between operations", "the profiler itself", "total"]
    assert "100.0" in p.table()


# ---- the trace


def test_the_trace_is_what_chrome_reads(step: Profile, tmp_path: Path) -> None:
    step.save(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text("utf-8"))
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(events) == sum(row.calls for row in step.rows())
    for event in events:
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == set(event)
        assert event["cat"] in ("forward", "backward")
        assert (event["pid"], event["tid"]) == (os.getpid(), threading.get_native_id())
        assert 0 <= event["ts"] <= event["ts"] + event["dur"] <= step.seconds * 1e6 + 0.01
    assert sum(event["dur"] for event in events) == pytest.approx(1e6 * sum(r.seconds for r in step.rows()), abs=0.1)
    starts = [event["ts"] for event in events]
    assert starts == sorted(starts)
    assert all(event["ph"] in "XM" for event in trace["traceEvents"])


def test_an_event_says_what_ran_on_what_and_where(step: Profile, tmp_path: Path) -> None:
    step.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text("utf-8"))["traceEvents"]
    forward = next(event for event in events if event["name"] == "conv2d")
    assert forward["cat"] == "forward"
    assert forward["args"] | {"called at": ""} == {
        "module": "0 (Conv2d)",
        "inputs": {"x": "float32 (5, 1, 8, 8)", "w": "float32 (2, 1, 3, 3)", "b": "float32 (2,)"},
        "output": "float32 (5, 2, 6, 6)",
        "multiply_adds": 5 * 36 * 2 * 9,
        "operations": 0,
        "bytes": 4 * (5 * 64 + 18 + 2 + 5 * 72),
        "allocated": 4 * 5 * 72,
        "called at": "",
    }
    assert forward["args"]["called at"].startswith(f"{__file__}:")
    backward = next(event for event in events if event["name"] == "conv2d backward")
    assert backward["cat"] == "backward"
    assert backward["args"]["gradients of"] == ["w", "b"]
    assert backward["args"]["inputs"] == forward["args"]["inputs"]


def test_a_measured_peak_is_a_curve(tmp_path: Path) -> None:
    with tg.profile(memory=True) as p:
        tg.Tensor(np.ones(1000)) * 2
    p.save(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text("utf-8"))["traceEvents"]
    (curve,) = [event for event in events if event["ph"] == "C"]
    assert (curve["name"], curve["args"]) == ("memory", {"bytes": p.rows()[0].peak})


def test_what_cannot_be_saved_is_said(step: Profile, tmp_path: Path) -> None:
    with tg.profile() as nothing:
        pass
    with pytest.raises(ArgumentError, match=r"Profile.save: no operation on Tensors ran in the block"):
        nothing.save(tmp_path / "trace.json")
    with pytest.raises(ArgumentError, match=r"Profile.save: writes a trace in JSON, got 'trace.png'"):
        step.save("trace.png")
    with pytest.raises(DataNotFoundError, match="there is no folder"):
        step.save(tmp_path / "nowhere" / "trace.json")
    assert list(tmp_path.iterdir()) == []
