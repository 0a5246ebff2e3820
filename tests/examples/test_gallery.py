"""What all experiments share: claims that can fail, and the page that shows them."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples import __main__ as gallery_command
from examples.experiments import PICTURES, Claim, Experiment, Result, markdown
from examples.gallery import EXPERIMENTS, entry, page, sections
from tinygrad_cnn import nn, viz

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

DOC = """Is water wet?

Set-up: a glass
of water.

Look for: wetness.

Claim: it is.

Run it: python -m examples.water
"""


def experiment(tmp_path: Path, *arguments: str) -> Experiment:
    return Experiment("examples/water.py", DOC, ["--out", str(tmp_path), *arguments], seeds=3)


@pytest.mark.parametrize(
    ("claim", "measured", "holds"),
    [
        (Claim("", [0.1, 0.5], "at least", 0.2), 0.1, False),
        (Claim("", [0.1, 0.5], "at least", 0.2, of="mean"), 0.3, True),
        (Claim("", [0.1, 0.5], "at most", 0.4), 0.5, False),
        (Claim("", [0.1, 0.5], "at most", 0.5), 0.5, True),
        (Claim("", [0.1, float("nan")], "at least", 0.05), float("nan"), False),
    ],
)
def test_a_claim_is_held_against_the_worst_value_or_the_mean(claim: Claim, measured: float, holds: bool) -> None:
    assert claim.measured == pytest.approx(measured, nan_ok=True)
    assert claim.holds is holds
    assert ("DOES NOT HOLD" in str(claim)) is not holds


def test_a_claim_that_fails_ends_the_process_with_a_complaint(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    found.claim("water is wet", [0.9, 0.8, 1.0], at_least=0.5)
    assert found.complaint is None
    found.claim("water is dry", [0.9, 0.8, 1.0], at_most=0.5)
    assert found.complaint == "water:\nwater is dry (worst of 3: 1, claimed: at most 0.5): DOES NOT HOLD"


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0.0, "at_most": 1.0}])
def test_a_claim_has_one_bound(tmp_path: Path, bounds: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either at_least or at_most"):
        experiment(tmp_path).claim("water is wet", [1.0], **bounds)


def test_seeds_are_as_many_as_were_asked_for(tmp_path: Path) -> None:
    assert list(experiment(tmp_path).seeds) == [0, 1, 2]
    assert list(experiment(tmp_path, "--seeds", "5").seeds) == [0, 1, 2, 3, 4]
    with pytest.raises(SystemExit):
        experiment(tmp_path, "--seeds", "0")


def test_the_setting_is_that_of_the_data(tmp_path: Path) -> None:
    assert experiment(tmp_path).choose(digits=1, mnist=2) == 1
    assert experiment(tmp_path, "--data", "mnist").choose(digits=1, mnist=2) == 2


def test_the_page_shows_question_numbers_and_claims(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    found.table(["glass", "wetness"], [["full", "90%"]], caption="Measured by hand.")
    found.claim("water is wet", [0.9, 0.8, 1.0], at_least=0.5)
    found.finish()
    text = page([Result.load(tmp_path / PICTURES, "water")])
    for line in (
        "- [Is water wet?](#water) `water`",
        "## Is water wet?",
        "**Set-up:** a glass of water.",
        "![Is water wet?](pictures/water.png)",
        "Measured by hand.",
        "| full  |     90% |",
        "- water is wet (worst of 3: 0.8, claimed: at least 0.5): holds",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_numbers_shown_are_of_the_script_as_it_is(name: str) -> None:
    result = Result.load(EXAMPLES / PICTURES, name)
    assert result.doc == importlib.import_module(f"examples.{name}").__doc__
    assert result.data == "mnist"
    assert all(claim.holds for claim in result.claims)
    assert (EXAMPLES / PICTURES / f"{name}.png").exists()


def test_the_page_shows_these_numbers() -> None:
    results = [Result.load(EXAMPLES / PICTURES, name) for name in EXPERIMENTS]
    assert (EXAMPLES / "README.md").read_text("utf-8") == page(results)


def test_all_that_the_page_links_to_is_there() -> None:
    files = linked(EXAMPLES / "README.md")
    assert {EXAMPLES / "residual.py", EXAMPLES / "figures.py", EXAMPLES / PICTURES / "custom_op.svg"} <= files
    assert [path for path in files if not path.exists()] == []


def test_a_graph_is_shown_below_the_picture_and_one_second_is_no_plural(tmp_path: Path) -> None:
    found = experiment(tmp_path)
    found.graph(viz.graph(nn.Linear(2, 1), np.zeros((1, 2), np.float32)))
    found.finish()
    result = Result.load(tmp_path / PICTURES, "water")
    assert "![The computation graph](pictures/water.svg)" in entry(result).splitlines()
    assert (tmp_path / PICTURES / "water.svg").exists()
    assert "water.svg" not in entry(replace(result, graph=False))
    assert entry(replace(result, seconds=1.2)).rstrip().endswith("· 3 seeds · 1 second")
    assert entry(replace(result, seconds=1.7)).rstrip().endswith("· 3 seeds · 2 seconds")


def linked(page: Path) -> set[Path]:
    """The files that a page of Markdown points to, its own headings left out."""
    return {(page.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))}


def test_a_docstring_without_its_sections_is_refused() -> None:
    with pytest.raises(ValueError, match="'Is water wet\\?' has no paragraph Look for, Claim"):
        sections(DOC.replace("Look for:", "Look:").replace("Claim:", "It is claimed:"))


def test_a_table_is_markdown() -> None:
    assert markdown(["a", "b"], [["|x|", "10"], ["[y]", "1"]]).splitlines() == [
        "| a     |  b |",
        "|-------|---:|",
        "| \\|x\\| | 10 |",
        "| [y]   |  1 |",
    ]


def test_the_command_runs_what_it_is_told_and_keeps_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert gallery_command.main(["--only", "padding_stride", "--jobs", "1", "--out", str(tmp_path)]) is None
    picture = tmp_path / PICTURES / "padding_stride.png"
    assert {picture, EXAMPLES / "padding_stride.py"} <= linked(tmp_path / "README.md")
    assert picture.exists()
    assert "written:" in capsys.readouterr().out


def test_the_command_tells_what_failed(tmp_path: Path) -> None:
    arguments = ["--data", "mnist", "--data-dir", str(tmp_path / "nowhere"), "--out", str(tmp_path)]
    complaint = gallery_command.main(["--only", "edge_filters", *arguments]) or ""
    assert complaint.startswith("edge_filters: ")
    assert "nowhere does not exist" in complaint
