"""The comparison with PyTorch's gradcheck says what is missing where PyTorch is."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from benchmarks import gradcheck
from tests.testing.planted_faults import FAMILIES


def test_it_is_skipped_without_pytorch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def without_torch(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", without_torch)
    assert gradcheck.main([]) == 0
    assert "needs PyTorch" in capsys.readouterr().out


def test_it_counts_caught_missed_and_false_alarms() -> None:
    tally = gradcheck.Tally()
    tally.add("a", gradcheck.Verdict(True, "mul is wrong", 0.5), faulty=True, operation="mul")
    tally.add("b", gradcheck.Verdict(False, "", 0.5), faulty=True, operation="mul")
    tally.add("c", gradcheck.Verdict(True, "wrong", 0.5), faulty=False)
    tally.add("d", gradcheck.Verdict(False, "", 0.5), faulty=False)
    assert (tally.caught, tally.missed, tally.named) == (1, ["b"], 1)
    assert (tally.false_alarms, tally.right, tally.seconds) == (["c"], 2, 2.0)
    row = gradcheck.table("faults", {"ops": dict.fromkeys(gradcheck.CHECKERS, tally)}, with_names=True).splitlines()[2]
    assert row == "| ops | 1 | 1 | 1 | 1 of 2 | 1 | 1 | 1 | 1 of 2 |"


def test_ours_judges_functions_right_and_wrong() -> None:
    fault = FAMILIES["arithmetic"][0]
    assert gradcheck.ours(fault.faulty(), fault.inputs, fault.order).found
    assert not gradcheck.ours(fault.right(), fault.inputs, fault.order).found


def test_both_agree_on_a_plain_fault() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    fault = FAMILIES["arithmetic"][0]
    assert gradcheck.pytorchs(fault.faulty(), fault.inputs, 2).found
    assert not gradcheck.pytorchs(fault.right(), fault.inputs, 2).found
