"""What `explain` prints: its numbers against the kernels and against finite differences, and its code."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.explanations.example_calls import CASES
from tests.explanations.formula_evaluation import evaluate, sides
from tinygrad_cnn import kernels
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.explanations import Explanation, explain
from tinygrad_cnn.explanations.blocks import Code, Formula, Matrix, Table
from tinygrad_cnn.explanations.derivations import OPERATIONS
from tinygrad_cnn.explanations.english import ENGLISH
from tinygrad_cnn.explanations.japanese import JAPANESE
from tinygrad_cnn.ops import arithmetic, classification, convolution, functions, normalisation, pooling, products

ROOT = Path(tg.__file__).parent.parent
RNG = np.random.default_rng(5)
PRIMITIVES: dict[str, Primitive] = {
    "conv2d": convolution._conv2d,
    "max_pool2d": pooling._max_pool2d,
    "avg_pool2d": pooling._avg_pool2d,
    "linear": products._linear,
    "matmul": products._matmul,
    "relu": functions._relu,
    "sigmoid": functions._sigmoid,
    "tanh": functions._tanh,
    "softmax": classification._softmax,
    "cross_entropy": classification._cross_entropy,
    "batch_norm": normalisation._normalise,
    "dropout": arithmetic._mul,
}


# ---- numbers


def printed(text: str) -> float:
    """A number as the page prints it."""
    return float(evaluate(text, {}))


def arrays(explanation: Explanation) -> dict[str, Any]:
    """The arrays that the page prints, under their letters."""
    names = {r"\hat{X}": "hatX"}
    found: dict[str, Any] = {}
    for block in explanation.blocks:
        if isinstance(block, Matrix):
            infinite = {r"-\infty": -np.inf}
            rows = [[infinite.get(cell) or printed(cell) for cell in row] for row in block.rows]
            name = names.get(block.name, block.name)
            found[name] = np.array(rows[0] if len(rows) == 1 and explanation.operation not in IMAGES else rows)
    return found


IMAGES = ("conv2d", "max_pool2d", "avg_pool2d")


@pytest.mark.parametrize("lang", ["en", "ja"])
@pytest.mark.parametrize(("operation", "inputs", "options"), CASES)
def test_terms_rule_and_differences_agree(
    operation: str, inputs: tuple[Any, ...], options: dict[str, Any], lang: str
) -> None:
    explanation = explain(operation, *inputs, lang=lang, **options)

    assert len(explanation.checks) >= 2
    assert all(check.agrees for check in explanation.checks)
    words = ENGLISH if lang == "en" else JAPANESE
    assert words["common.agree"] in explanation.text.splitlines()
    (table,) = [block for block in explanation.blocks if isinstance(block, Table)]
    for check, row in zip(explanation.checks, table.rows, strict=True):
        assert row[0] == check.name
        assert printed(row[1]) == pytest.approx(check.terms, rel=1e-9)
        assert printed(row[2]) == pytest.approx(check.code, rel=1e-9)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_printed_sum_is_what_its_terms_and_the_kernels_give(operation: str) -> None:
    explanation = explain(operation)
    values = arrays(explanation)
    if operation == "conv2d":
        values["b"] = 1.0
    if operation == "avg_pool2d":
        values["D"] = np.full((2, 2), 4)
    if operation == "relu":
        values["Z"] = np.maximum(values["X"], 0)
    kernel = {check.name: check.code for check in explanation.checks}
    lines = [block.lines for block in explanation.blocks if isinstance(block, Formula) and "number." in block.key]
    shown = [sides(block) for block in lines]
    sums = {left: rights for left, *rights in shown}
    assert set(kernel) - set(sums) <= _sums_not_shown(operation)
    for left, (*rights, total) in sums.items():
        for right in [*rights, total]:
            here = evaluate(right, values)
            assert here == pytest.approx(printed(total), rel=2e-5), right
        if left in kernel:
            assert kernel[left] == pytest.approx(printed(total), rel=1e-5)


def _sums_not_shown(operation: str) -> set[str]:
    """Derivatives in biases, which are plain sums of G, and those of batch norm's parameters."""
    names = {"conv2d": "b", "linear": "b_{1}", "batch_norm": r"\gamma \beta"}.get(operation, "").split()
    return {rf"\frac{{\partial J}}{{\partial {name}}}" for name in names}


def test_the_numbers_are_those_of_the_arrays_given() -> None:
    x, w = RNG.standard_normal((1, 1, 4, 4)), RNG.standard_normal((1, 1, 3, 3))
    tensors = tg.Tensor(x, requires_grad=True), tg.Tensor(w, requires_grad=True)
    y = tg.conv2d(*tensors)
    explanation = explain("conv2d", x, w)
    page = arrays(explanation)
    dx, dw = (np.asarray(gradient) for gradient in tg.grad(y, list(tensors), page["G"][None, None]))

    output, to_x, to_w, _ = explanation.checks
    places = [tuple(map(int, re.findall(r"\d+", check.name))) for check in (output, to_x, to_w)]
    assert output.code == pytest.approx(y.data[0, 0][places[0]], rel=1e-12)
    assert to_x.code == pytest.approx(dx[0, 0][places[1]], rel=1e-12)
    assert to_w.code == pytest.approx(dw[0, 0][places[2]], rel=1e-12)
    np.testing.assert_allclose(page["X"], x[0, 0], rtol=1e-5)


def test_ties_are_told_with_their_numbers() -> None:
    x = np.array([[[[1.0, 5.0], [5.0, 2.0]]]])
    text = " ".join(explain("max_pool2d", x, 2).text.split())

    assert "X_{0,1}, X_{1,0} are all 5, with G_{0,0} = 1. Our rule gives them 1, 0, in this order." in text
    assert "J by 1 h (finite difference). Given to each of them whole, it would be 2 h." in text
    assert "has a tie" not in explain("max_pool2d", np.arange(4.0).reshape(1, 1, 2, 2), 2).text


def test_a_kink_shows_both_slopes() -> None:
    explanation = explain("relu", np.zeros(1))

    (check,) = [check for check in explanation.checks if check.kinked]
    assert (check.low, check.code, check.high) == (0, 0, 1)
    assert check.agrees
    assert ENGLISH["common.kink"][:20] in explanation.text.replace("\n", " ")


def test_slips_that_are_often_read_are_told() -> None:
    convolution_text = " ".join(explain("conv2d").text.split())
    assert (
        "a 3x2 layer with 9 weights and 1 bias, 10 parameters: that is a 3x3 layer, and 3x2 would have 7"
        in convolution_text
    )
    pooling_text = " ".join(explain("max_pool2d").text.split())
    assert "iH_P + H_P and jW_P + W_P are meant. Here H = 5, W = 5, H_P = 2, W_P = 2" in pooling_text


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_broken_rule_is_seen_and_shown(operation: str) -> None:
    primitive = PRIMITIVES[operation]
    rules: dict[str, Any] = dict(primitive.rules)
    wrong: dict[str, Any] = {name: _scaled(rule) for name, rule in rules.items()}
    joint, inputs = primitive.joint_rule, list(primitive.differentiable)
    try:
        if joint is None:
            primitive.defvjp(**wrong)
        else:
            primitive.defvjp(_scaled(joint), inputs=inputs)
        explanation = explain(operation)
    finally:
        if joint is None:
            primitive.defvjp(**rules)
        else:
            primitive.defvjp(joint, inputs=inputs)

    assert [check.agrees for check in explanation.checks] == [True] + [False] * (len(explanation.checks) - 1)
    assert ENGLISH["common.disagree"] in explanation.text
    assert all(check.agrees for check in explain(operation).checks)


def _scaled(rule: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(rule)
    def wrong(g: Any, *kept: Any) -> Any:
        result = rule(g, *kept)
        return tuple(r if r is None else 1.5 * r for r in result) if isinstance(result, tuple) else 1.5 * result

    return wrong


def test_a_broken_kernel_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_cnn.kernels import numpy as reference

    right = reference.conv2d
    monkeypatch.setattr(reference, "conv2d", lambda *args: right(*args) + 1)
    assert not explain("conv2d").checks[0].agrees
    monkeypatch.undo()
    assert explain("conv2d").checks[0].agrees


# ---- code


@pytest.mark.parametrize(("operation", "inputs", "options"), CASES)
def test_the_code_shown_is_in_its_file_and_runs(
    operation: str, inputs: tuple[Any, ...], options: dict[str, Any]
) -> None:
    ran: set[tuple[str, int]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            ran.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        explanation = explain(operation, *inputs, **options)
    finally:
        sys.setprofile(before)

    shown = [block for block in explanation.blocks if isinstance(block, Code)]
    assert len(shown) >= 2
    for code in shown:
        path, _, line = code.place.rpartition(":")
        source = (ROOT / path).read_text("utf-8").splitlines()
        assert source[int(line) - 1].strip() == code.source.splitlines()[0].strip()
        assert all(text.strip() in map(str.strip, source) for text in code.source.splitlines())
        if not code.source.startswith(("@", "def ")):
            assert "lambda g" in code.source
        else:
            assert (str(ROOT / path), int(line)) in ran, f"{code.place} did not run"


# ---- what surrounds a call


def test_it_leaves_no_trace() -> None:
    x = np.full((1, 1, 4, 4), 3.0)
    before = x.copy()
    tg.manual_seed(1)
    first = tg.dropout(tg.Tensor(np.ones(9))).tolist()
    tg.manual_seed(1)
    with kernels.use("numpy"), tg.no_grad():
        explain("max_pool2d", x, 2)
        explain("dropout")
        assert kernels.info().backend == "numpy"
        assert not tg.is_grad_enabled()
    assert tg.dropout(tg.Tensor(np.ones(9))).tolist() == first
    assert np.array_equal(x, before)


def test_importing_the_package_does_not_import_explanations() -> None:
    script = "import sys, tinygrad_cnn; print('tinygrad_cnn.explanations' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
    assert tg.explain is explain


# ---- refusals


@pytest.mark.parametrize(
    ("operation", "inputs", "options", "error", "message"),
    [
        ("conv2", (), {}, ArgumentError, "explain: no explanation of 'conv2'; did you mean conv2d?"),
        ("max_pool", (), {}, ArgumentError, "did you mean max_pool2d or avg_pool2d?"),
        ("xyz", (), {}, ArgumentError, "no explanation of 'xyz'; there are conv2d, max_pool2d"),
        ("relu", (), {"lang": "fr"}, ArgumentError, "explain: lang must be one of en, ja, got 'fr'"),
        (
            "relu",
            (),
            {"dim": 0},
            ArgumentTypeError,
            "explain: relu takes input: got an unexpected keyword argument 'dim'",
        ),
        ("conv2d", (np.ones((1, 1, 3, 3)),), {}, ArgumentError, "expects input and weight, or neither"),
        ("conv2d", (np.ones(3), np.ones(3)), {}, ShapeError, "expects input of 3 or 4 dimensions, got shape (3,)"),
        ("conv2d", (np.ones((1, 2, 3, 3)), np.ones((1, 1, 2, 2))), {}, ShapeError, "weight expects 1 input channels"),
        ("conv2d", (), {"stride": 0}, ArgumentError, "conv2d: stride must be at least 1, got 0"),
        ("max_pool2d", (np.ones((1, 1, 2, 2)), 3), {}, ShapeError, "kernel 3x3 is larger"),
        ("linear", (np.ones((2, 3)), np.ones((2, 4))), {}, ShapeError, "linear: weight expects 4 features"),
        ("matmul", (np.ones((2, 2, 2)), np.ones((2, 2))), {}, ShapeError, "expects input of 2 dimensions"),
        ("relu", (np.array(["a"]),), {}, DTypeError, "expects numbers as input"),
        ("relu", (np.ones(0),), {}, ArgumentError, "expects elements in input, got shape (0,)"),
        ("relu", (np.array([np.nan]),), {}, ArgumentError, "expects finite numbers in input"),
        ("cross_entropy", (np.ones((1, 2)), np.array([2])), {}, ArgumentError, "is class 2, input has 2 classes"),
        ("cross_entropy", (np.ones((1, 2)), np.array([0.5])), {}, DTypeError, "expects class numbers as target"),
        ("softmax", (np.ones(2),), {"dim": 3}, ArgumentError, "softmax"),
        ("batch_norm", (np.ones((1, 2)),), {}, ShapeError, "batch_norm"),
        ("dropout", (), {"p": 1.0}, ArgumentError, "expects p at least 0 and below 1, got 1.0"),
    ],
)
def test_refusals(
    operation: str, inputs: tuple[Any, ...], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as raised:
        explain(operation, *inputs, **options)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
