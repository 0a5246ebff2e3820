"""The words of the explanations, one language against the other, and the pages as text, LaTeX and Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.explanations.example_calls import CASES
from tinygrad_cnn import ops
from tinygrad_cnn.explanations import Explanation, explain
from tinygrad_cnn.explanations.blocks import Formula, Heading, Matrix, Paragraph, Table
from tinygrad_cnn.explanations.derivations import OPERATIONS
from tinygrad_cnn.explanations.english import ENGLISH
from tinygrad_cnn.explanations.japanese import JAPANESE
from tinygrad_cnn.explanations.pages import PLACEHOLDER
from tinygrad_cnn.explanations.plain_formulas import COMMANDS, plain
from tinygrad_cnn.explanations.renderings import columns

# ---- words


def test_every_operation_speaks_both_languages_with_the_same_placeholders_and_formulas() -> None:
    assert list(ENGLISH) == list(JAPANESE)
    for key, english in ENGLISH.items():
        japanese = JAPANESE[key]
        assert set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(japanese)), key
        assert set(re.findall(r"\$[^$]*\$", english)) == set(re.findall(r"\$[^$]*\$", japanese)), key


def test_every_sentence_is_said_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_cnn.explanations import pages

    said: set[str] = set()

    class Listening(dict[str, str]):
        def __getitem__(self, key: str) -> str:
            said.add(key)
            return super().__getitem__(key)

    monkeypatch.setitem(pages.PROSE, "en", Listening(ENGLISH))
    for case in CASES:
        operation, inputs, options = case.values
        explain(operation, *inputs, **options)
    explain("relu", np.zeros(1))
    assert set(ENGLISH) - said == {"common.disagree"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_both_languages_have_the_same_formulas_numbers_and_code(operation: str) -> None:
    english, japanese = (explain(operation, lang=lang).blocks for lang in ("en", "ja"))
    words = (Heading, Paragraph, Table)
    assert [type(block) for block in english] == [type(block) for block in japanese]
    assert [b for b in english if not isinstance(b, words)] == [b for b in japanese if not isinstance(b, words)]


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize(("operation", "inputs", "options"), CASES)
def test_nothing_is_left_unfilled_and_lines_stay_short(
    operation: str, inputs: tuple[Any, ...], options: dict[str, Any], lang: str
) -> None:
    explanation = explain(operation, *inputs, lang=lang, **options)
    paragraphs = [block.text for block in explanation.blocks if isinstance(block, Paragraph)]
    assert not any(PLACEHOLDER.search(text) or "None" in text or text.count("$") % 2 for text in paragraphs)
    assert not any("\\" in re.sub(r"\$[^$]*\$", "", text) for text in paragraphs)
    assert max(columns(line) for line in explanation.text.splitlines()) <= 130


@pytest.mark.parametrize("operation", OPERATIONS)
def test_parameters_and_defaults_are_those_of_the_operation(operation: str) -> None:
    ours = inspect.signature(OPERATIONS[operation]).parameters
    theirs = inspect.signature(getattr(ops, operation)).parameters
    names = [name for name in ours if name != "page"]
    assert set(names) <= set(theirs)
    for name in names:
        default = theirs[name].default
        if default is not inspect.Parameter.empty:
            assert ours[name].default == default, name


# ---- LaTeX, Markdown


def formulas(explanation: Explanation) -> Iterator[str]:
    """Everything that is LaTeX on a page, one line at a time, cases apart."""
    for block in explanation.blocks:
        if isinstance(block, Formula):
            for line in block.lines:
                yield from re.split(r"\\begin\{cases\}|\\end\{cases\}|\\\\|&", line)
        elif isinstance(block, Paragraph):
            yield from re.findall(r"\$([^$]*)\$", block.text)
        elif isinstance(block, Matrix):
            yield from (block.name, *(cell for row in block.rows for cell in row))
        elif isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row)


def test_formulas_have_known_commands_and_matplotlib_can_set_them() -> None:
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    channels = explain("conv2d", np.ones((1, 2, 3, 3)), np.ones((2, 2, 2, 2)), dilation=2)
    pages = [*map(explain, OPERATIONS), channels]
    # One number is as good as another, and one page has hundreds.
    for formula in sorted({re.sub(r"[\d.]+", "1", text).strip() for page in pages for text in formulas(page)} - {""}):
        assert formula.count("{") - formula.count(r"\{") == formula.count("}") - formula.count(r"\}"), formula
        assert set(re.findall(r"\\[A-Za-z]+", formula)) <= COMMANDS, formula
        parser.parse(f"${formula}$")


@pytest.mark.parametrize(("operation", "inputs", "options"), CASES)
def test_latex_nests_and_escapes(operation: str, inputs: tuple[Any, ...], options: dict[str, Any]) -> None:
    latex = explain(operation, *inputs, **options).latex()
    stack = []
    for mark, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", latex):
        if mark == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    outside = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", latex, flags=re.DOTALL)
    assert outside.isascii()
    outside = re.sub(r"\\begin\{(align\*|tabular)\}.*?\\end\{\1\}|\\\[.*?\\\]|\$[^$]*\$", "", outside, flags=re.DOTALL)
    assert re.search(r"(?<!\\)[_&%#^]", outside) is None


def test_a_formula_as_text() -> None:
    assert plain(r"\frac{\partial J}{\partial X_{2,3}} = \frac{1}{H_P W_P} \sum_{k=0}^{H_P-1} X_{k+iS,\,l}") == (
        "∂J/∂X_{2,3} = 1/(H_P W_P) Σ_{k=0}^{H_P-1} X_{k+iS, l}"
    )
    assert plain(r"\hat{X}_i^2 \leq e^{-x} \cdot 10^{-5}") == "X̂_i² ≤ e^(-x) · 10^(-5)"
    with pytest.raises(KeyError):
        plain(r"\unknown")


def test_a_notebook_shows_markdown_and_latex() -> None:
    explanation = explain("max_pool2d")
    markdown = explanation._repr_markdown_()
    assert markdown.startswith("## max\\_pool2d: its backward rule, derived\n")
    assert "$$\\begin{aligned}\nZ_{ij} = \\max R_{ij} = X_{k_{ij},\\,l_{ij}}\n\\end{aligned}$$" in markdown
    assert "```python\n@primitive" in markdown
    assert explanation._repr_latex_() == explanation.latex()
    assert str(explanation) == explanation.text
    assert repr(explanation) == "<Explanation of max_pool2d, lang='en'; print it>"
