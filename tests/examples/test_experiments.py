"""Every experiment runs on the 8x8 digits, and what its docstring claims holds over three seeds."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from examples.experiments import PICTURES, Experiment, Result
from examples.gallery import EXPERIMENTS, SECTIONS, entry, sections

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHARED = {"__init__", "__main__", "drawing", "experiments", "gallery", "learning", "toy_data"}
FIRST = {"custom_model", "figures"}
LONGEST = 120  # lines of a script


def run(name: str, *arguments: str) -> Experiment:
    found = importlib.import_module(f"examples.{name}").main(list(arguments))
    assert isinstance(found, Experiment)
    return found


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_claims_hold(name: str, tmp_path: Path) -> None:
    experiment = run(name, "--seeds", "3", "--out", str(tmp_path))
    assert experiment.complaint is None
    assert experiment.claims
    assert min(len(claim.values) for claim in experiment.claims) >= 3
    assert (tmp_path / PICTURES / f"{name}.png").stat().st_size > 10_000
    assert f"examples.{name}" in entry(Result.load(tmp_path / PICTURES, name))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_script_is_short_and_says_what_it_asks(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text("utf-8")
    assert len(text.splitlines()) < LONGEST
    doc = importlib.import_module(f"examples.{name}").__doc__ or ""
    assert doc.partition("\n")[0].endswith("?")
    assert set(sections(doc)) == set(SECTIONS)
    assert f"python -m examples.{name}" in sections(doc)["Run it"]


def test_no_example_is_left_out() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} - SHARED - FIRST == set(EXPERIMENTS)
