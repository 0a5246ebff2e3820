"""The public checks at their boundary: what they refuse, what each verdict means, and what a report shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, GradientError
from tinygrad_cnn.geometry import Window
from tinygrad_cnn.testing import GradientMismatch, check_grad, check_op, gradient_report
from tinygrad_cnn.testing.reports import GradientReport
from tinygrad_cnn.testing.strategies import register_types

X = np.array([0.5, -1.0, 2.0])


def made(forward: Callable[..., Any], rule: Callable[..., Any]) -> Any:
    primitive = tg.primitive(forward)
    primitive.defvjp(x=rule)
    return primitive


def forward(x: Any) -> Any:
    return x**2


# ---- what is refused


@pytest.mark.parametrize(
    ("f", "inputs", "error", "words"),
    [
        (tg.relu, [np.array([1, 2])], DTypeError, "expects at least one floating-point array"),
        (tg.relu, [], DTypeError, "got none"),
        (tg.relu, [tg.tensor([1.0])], GradientError, "make one with requires_grad=True"),
        (lambda x: 3.0, [X], ArgumentTypeError, "expects a function that returns a Tensor, it returned float"),
        (lambda x: x.data, [X], ArgumentTypeError, "it returned ndarray"),
        (lambda x: tg.argmax(x), [X], DTypeError, "returns a floating-point Tensor"),
        (tg.relu, X, ArgumentTypeError, "expects a list of inputs"),
    ],
    ids=["integers", "nothing", "no gradient", "a number", "an array", "no slope", "no list"],
)
def test_bad_input_is_refused(f: Any, inputs: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        check_grad(f, inputs)


def test_unknown_and_negative_options_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="no option dim; there are order, coordinates"):
        check_op(tg.softmax, X, dim=0)
    with pytest.raises(ArgumentError, match="directions must not be negative"):
        check_grad(tg.relu, [X], directions=-1)


@pytest.mark.parametrize("options", [{"order": 3}, {"order": 0}])
def test_only_first_and_second_order_exist(options: Any) -> None:
    with pytest.raises(ArgumentError, match="order must be 1 or 2"):
        check_grad(tg.relu, [X], **options)


# ---- verdicts


def verdicts(f: Any, inputs: Any, order: int = 1) -> set[str]:
    return set(gradient_report(f, inputs, order=order).counts)


def test_a_kink_is_neither_wrong_nor_a_blind_spot() -> None:
    at_zero = [np.array([0.0, -0.0, 1.0])]
    assert verdicts(tg.relu, at_zero) == {"ok", "kink-ok"}
    too_steep = made(lambda x: np.maximum(x, 0), lambda g, x: g * np.where(x == 0, 1.5, x > 0))
    assert "kink-wrong" in verdicts(too_steep, at_zero)


def test_every_tied_maximum_with_the_whole_gradient_is_caught() -> None:
    everything = made(lambda x: x.max(1), lambda g, x, y: g[:, None] * (x == y[:, None]))
    assert not gradient_report(everything, [np.array([[1.0, 1.0, 0.0]])]).ok
    assert gradient_report(lambda x: x.max(1).values, [np.array([[1.0, 1.0, 0.0]])]).ok


def test_a_wrong_shape_and_a_wrong_dtype_are_verdicts() -> None:
    assert verdicts(made(forward, lambda g, x: (g * 2 * x)[:1]), [X]) == {"shape"}
    assert verdicts(made(forward, lambda g, x: (g * 2 * x).astype(np.float32)), [X]) == {"dtype"}


def test_where_differences_decide_nothing_the_verdict_is_imprecise() -> None:
    nothing = made(lambda x: np.full_like(x, np.nan), lambda g: 7 * g)
    report = gradient_report(nothing, [X])
    assert set(report.counts) == {"imprecise"}
    assert not report.ok  # nothing was decided
    assert "UNDECIDED" in str(report)


def test_an_operation_must_stay_in_float32() -> None:
    table = np.array([1.0, 2.0, 3.0])
    widening = made(lambda x: x * table, lambda g, x: g * table)
    check_grad(widening, [X])
    with pytest.raises(GradientMismatch, match="float32 inputs give a float64 output"):
        check_op(widening, X)


def test_float32_inputs_are_checked_as_float64_copies() -> None:
    single = X.astype(np.float32)
    assert check_grad(tg.tanh, [single], order=2).ok
    assert single.dtype == np.float32


# ---- reports


@pytest.fixture
def report() -> GradientReport:
    return gradient_report(made(forward, lambda g, x: g * x), [X], order=2)


def test_a_report_names_operation_line_hint_and_numbers(report: GradientReport) -> None:
    text = str(report)
    assert "at fault: the rule of forward for x" in text
    assert "test_gradient_checks.py" in text
    assert "hint: off by a constant factor of 0.5" in text
    assert "x[2]" in text
    assert "testing.check_grad(forward, [np.array([ 0.5, -1. ,  2. ])], order=2)" in text
    assert report.worst(1)[0].index == (2,)


def test_a_report_is_a_table_in_a_notebook(report: GradientReport) -> None:
    html = report._repr_html_()
    assert html.count("<tr>") == 1 + len(report.worst())
    assert "off by a constant factor" in html


def test_a_mismatch_carries_its_report() -> None:
    with pytest.raises(GradientMismatch) as mismatch:
        check_op(made(forward, lambda g, x: g * x), X)
    assert mismatch.value.report.operation == "forward"
    assert isinstance(mismatch.value, AssertionError)


# ---- where it plugs in


def test_hypothesis_draws_tensors_and_windows_by_type() -> None:
    if not _installed():
        register_types()  # an installed package does it by its entry point

    @given(st.from_type(tg.Tensor), st.from_type(Window))
    def holds(x: tg.Tensor, window: Window) -> None:
        assert x.requires_grad
        assert min(window.output_size) >= 1

    holds()


def test_pytest_has_the_fixture(tmp_path: Any) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import numpy as np\n"
        "import tinygrad_cnn as tg\n"
        "def test_mine(check_gradients):\n"
        "    check_gradients(tg.tanh, [np.array([1.0])], order=2)\n",
        "utf-8",
    )
    plugin = ["-p", "tinygrad_cnn.testing.pytest_plugin"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "test_mine.py"]
        + ([] if _installed() else plugin),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(tg.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert "1 passed" in run.stdout, run.stdout + run.stderr


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(entry.value == "tinygrad_cnn.testing.pytest_plugin" for entry in entry_points(group="pytest11"))
