"""The formulas that are shown, computed from their own LaTeX, are what the kernels and the backward rules compute."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.explanations.formula_evaluation import evaluate, sides
from tinygrad_cnn.explanations import Explanation, explain
from tinygrad_cnn.explanations.blocks import Formula

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(3)


class Case:
    """An operation at some inputs: its output, its gradients for a random cotangent, its Jacobian."""

    def __init__(self, function: Callable[..., Any], **inputs: Array) -> None:
        self.function, self.inputs = function, inputs
        self.y = np.asarray(function(**inputs))
        self.g = RNG.standard_normal(self.y.shape)
        self.gradients = self.pull(self.g)

    def pull(self, g: Array) -> dict[str, Array]:
        tensors = {name: tg.Tensor(array, requires_grad=True) for name, array in self.inputs.items()}
        found = tg.grad(self.function(**tensors), list(tensors.values()), g)
        return {name: np.asarray(gradient) for name, gradient in zip(tensors, found, strict=True)}

    def slope(self, place: tuple[int, ...], name: str) -> Array:
        """dZ[place] / d(input)."""
        g = np.zeros_like(self.y)
        g[place] = 1
        return self.pull(g)[name]


def lines(explanation: Explanation, key: str) -> tuple[str, ...]:
    (found,) = [block.lines for block in explanation.blocks if isinstance(block, Formula) and block.key == key]
    return found


def holds(
    explanation: Explanation, key: str, letters: str, expected: Array, values: dict[str, Any], skip: int = 1
) -> None:
    """Each right side of the formula, at every place, is the array that is expected."""
    rights = sides(lines(explanation, key))[skip:]
    assert rights
    for place in itertools.product(*(range(size) for size in expected.shape)):
        here = values | dict(zip(letters, place, strict=True))
        for right in rights:
            assert evaluate(right, here) == pytest.approx(expected[place], rel=1e-9, abs=1e-9), (key, right, place)


# ---- conv2d


def plane_case() -> tuple[Explanation, Case, dict[str, Any]]:
    x, w, b = RNG.standard_normal((1, 1, 5, 6)), RNG.standard_normal((1, 1, 3, 2)), np.array([0.5])
    case = Case(lambda x, w, b: tg.conv2d(x, w, b, stride=2, padding=1), x=x, w=w, b=b)
    values = {"X": np.pad(x[0, 0], 1), "F": w[0, 0], "b": 0.5, "S": 2, "H_F": 3, "W_F": 2, "dJ/dZ": case.g[0, 0]}
    OH, OW = case.y.shape[2:]
    return explain("conv2d", x, w, b, stride=2, padding=1), case, values | {"range i": OH, "range j": OW}


def conv2d_formulas(explanation: Explanation) -> None:
    _, case, values = plane_case()
    holds(explanation, "forward", "ij", case.y[0, 0], values)
    inner = np.zeros((7, 8))
    inner[1:-1, 1:-1] = case.gradients["x"][0, 0]
    border = inner == 0
    rights = sides(lines(explanation, "chain.x"))[1:]
    for m, n in np.argwhere(~border):
        assert evaluate(rights[0], values | {"m": int(m), "n": int(n)}) == pytest.approx(inner[m, n])
    holds(explanation, "chain.f", "kl", case.gradients["w"][0, 0], values)
    assert evaluate(sides(lines(explanation, "chain.b"))[1], values) == pytest.approx(case.gradients["b"][0])
    for i, j in itertools.product(range(case.y.shape[2]), range(case.y.shape[3])):
        here = values | {"i": i, "j": j}
        slopes = {name: case.slope((0, 0, i, j), name) for name in ("x", "w", "b")}
        for m, n in itertools.product(range(1, 6), range(1, 7)):
            for right in sides(lines(explanation, "partial.x"))[1:]:
                assert evaluate(right, here | {"m": m, "n": n}) == slopes["x"][0, 0, m - 1, n - 1]
        holds(explanation, "partial.f", "kl", slopes["w"][0, 0], here)
        assert evaluate(sides(lines(explanation, "partial.b"))[1], here) == slopes["b"][0]


def test_conv2d_of_one_plane() -> None:
    conv2d_formulas(plane_case()[0])


def test_conv2d_of_channels_and_filters() -> None:
    x, w, b = RNG.standard_normal((2, 2, 5, 4)), RNG.standard_normal((3, 2, 2, 2)), RNG.standard_normal(3)
    case = Case(lambda x, w, b: tg.conv2d(x, w, b, stride=1, dilation=2), x=x, w=w, b=b)
    explanation = explain("conv2d", x, w, b, dilation=2)
    values = {"X": x, "F": w, "b": b, "S": 1, "D": 2, "H_F": 2, "W_F": 2, "dJ/dZ": case.g, "range c": 2, "range o": 3}
    values |= {"range i": 3, "range j": 2, "range k": 2, "range l": 2}
    holds(explanation, "general", "noij", case.y, values)
    holds(explanation, "general.x", "ncpq", case.gradients["x"], values)


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("FORWARD", "k+iS", "k-iS"),
        ("FORWARD", "+ b", "- b"),
        ("CHAIN_X", "F_{m-iS", "F_{m+iS"),
        ("CHAIN_X", r"0 \leq n-jS", r"1 \leq n-jS"),
        ("CHAIN_F", "X_{k+iS", "X_{i+kS"),
        ("PARTIAL_F", "l+jS", "l"),
    ],
)
def test_control_a_changed_symbol_is_found(name: str, right: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_cnn.explanations import convolution

    formula = getattr(convolution, name)
    assert right in formula
    monkeypatch.setattr(convolution, name, formula.replace(right, wrong))
    with pytest.raises((AssertionError, IndexError)):
        conv2d_formulas(plane_case()[0])


# ---- pooling


def test_max_pool2d() -> None:
    x = RNG.permutation(20.0 * np.arange(30)).reshape(1, 1, 5, 6)
    case = Case(lambda x: tg.max_pool2d(x, (3, 2), stride=2), x=x)
    explanation = explain("max_pool2d", x, (3, 2), stride=2)
    _, index = tg.max_pool2d(x, (3, 2), stride=2, return_indices=True)
    k, l = np.divmod(np.asarray(index)[0, 0], 6)  # noqa: E741
    values = {"X": x[0, 0], "k": k, "l": l, "dJ/dZ": case.g[0, 0], "range i": 2, "range j": 3, "S": 2}
    holds(explanation, "forward", "ij", case.y[0, 0], values, skip=2)
    holds(explanation, "chain.x", "mn", case.gradients["x"][0, 0], values)
    for i, j in itertools.product(range(2), range(3)):
        holds(explanation, "partial.x", "mn", case.slope((0, 0, i, j), "x")[0, 0], values | {"i": i, "j": j})


def test_avg_pool2d() -> None:
    x = RNG.standard_normal((1, 1, 5, 6))
    options: dict[str, Any] = {"stride": 2, "padding": 1, "count_include_pad": False}
    case = Case(lambda x: tg.avg_pool2d(x, (3, 2), **options), x=x)
    explanation = explain("avg_pool2d", x, (3, 2), **options)
    counts = np.array([[2, 4, 4, 2], [3, 6, 6, 3], [2, 4, 4, 2]])
    values = {"X": np.pad(x[0, 0], 1), "D": counts, "H_P": 3, "W_P": 2, "S": 2, "dJ/dZ": case.g[0, 0]}
    values |= {"range i": 3, "range j": 4}
    holds(explanation, "forward", "ij", case.y[0, 0], values)
    (right,) = sides(lines(explanation, "chain.x"))[1:]
    for m, n in itertools.product(range(5), range(6)):
        assert evaluate(right, values | {"m": m + 1, "n": n + 1}) == pytest.approx(case.gradients["x"][0, 0, m, n])
    (right,) = sides(lines(explanation, "partial.x"))[1:]
    for i, j in itertools.product(range(3), range(4)):
        slope = case.slope((0, 0, i, j), "x")[0, 0]
        for m, n in itertools.product(range(5), range(6)):
            here = values | {"i": i, "j": j, "m": m + 1, "n": n + 1}
            assert evaluate(right, here) == pytest.approx(slope[m, n])


# ---- products


def test_linear() -> None:
    x, w, b = RNG.standard_normal((2, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal(3)
    case = Case(lambda x, w, b: tg.linear(x, w, b), x=x, w=w, b=b)
    explanation = explain("linear", x, w, b)
    values = {"X": x, "W": w, "b": b, "N": 2, "I": 4, "O": 3, "dJ/dZ": case.g}
    holds(explanation, "forward", "no", case.y, values)
    holds(explanation, "chain.x", "ni", case.gradients["x"], values)
    holds(explanation, "chain.w", "oi", case.gradients["w"], values)
    holds(explanation, "chain.b", "o", case.gradients["b"], values)
    for n, o in itertools.product(range(2), range(3)):
        here = values | {"n": n, "o": o}
        holds(explanation, "partial.x", "i", case.slope((n, o), "x")[n], here)
        holds(explanation, "partial.w", "i", case.slope((n, o), "w")[o], here)
        assert evaluate(sides(lines(explanation, "partial.b"))[1], here) == case.slope((n, o), "b")[o]


def test_matmul() -> None:
    a, b = RNG.standard_normal((2, 3)), RNG.standard_normal((3, 4))
    case = Case(lambda a, b: tg.matmul(a, b), a=a, b=b)
    explanation = explain("matmul", a, b)
    values = {"A": a, "B": b, "M": 2, "K": 3, "N": 4, "dJ/dZ": case.g}
    holds(explanation, "forward", "ij", case.y, values)
    holds(explanation, "chain.x", "ik", case.gradients["a"], values)
    holds(explanation, "chain.w", "kj", case.gradients["b"], values)
    for i, j in itertools.product(range(2), range(4)):
        holds(explanation, "partial.x", "k", case.slope((i, j), "a")[i], values | {"i": i, "j": j})
        holds(explanation, "partial.w", "k", case.slope((i, j), "b")[:, j], values | {"i": i, "j": j})


# ---- functions of each element


@pytest.mark.parametrize("operation", ["relu", "sigmoid", "tanh"])
def test_functions_of_one_element(operation: str) -> None:
    x = np.array([-1.5, 0.0, 0.25, 3.0])
    case = Case(getattr(tg, operation), input=x)
    explanation = explain(operation, x)
    values = {"X": x, "Z": case.y, "dJ/dZ": case.g}
    holds(explanation, "forward", "i", case.y, values)
    slopes = np.array([case.slope((i,), "input")[i] for i in range(4)])
    holds(explanation, "partial.x", "i", slopes, values)
    if operation != "relu":  # whose last line names the derivative above
        holds(explanation, "chain.x", "i", case.gradients["input"], values)


def test_dropout() -> None:
    x = RNG.standard_normal(6)
    case = Case(lambda x: tg.dropout(x, 0.25, generator=np.random.default_rng(0)), x=x)
    mask = np.asarray(case.function(x=np.ones(6)))
    explanation = explain("dropout", x, 0.25)
    values = {"X": x, "M": mask, "dJ/dZ": case.g}
    holds(explanation, "forward", "i", case.y, values)
    holds(explanation, "partial.x", "i", np.array([case.slope((i,), "x")[i] for i in range(6)]), values)
    holds(explanation, "chain.x", "i", case.gradients["x"], values)


# ---- classification, normalisation


def test_softmax() -> None:
    x = RNG.standard_normal(4)
    case = Case(lambda x: tg.softmax(x, 0), x=x)
    explanation = explain("softmax", x)
    values = {"X": x, "Z": case.y, "C": 4, "dJ/dZ": case.g}
    holds(explanation, "forward", "i", case.y, values)
    holds(explanation, "chain.x", "j", case.gradients["x"], values)
    holds(explanation, "partial.x", "ij", np.array([case.slope((i,), "x") for i in range(4)]), values)


def test_cross_entropy() -> None:
    x, labels = RNG.standard_normal((3, 4)), np.array([2, 0, 3])
    case = Case(lambda x: tg.cross_entropy(x, labels), x=x)
    explanation = explain("cross_entropy", x, labels)
    p = np.asarray(tg.softmax(x, 1))
    values = {"X": x, "P": p, "t": labels, "C": 4, "N": 3}
    holds(explanation, "probabilities", "nc", p, values)
    assert evaluate(sides(lines(explanation, "forward"))[1], values) == pytest.approx(case.y)
    case.gradients = case.pull(np.ones(()))
    holds(explanation, "chain.x", "nc", case.gradients["x"], values)
    holds(explanation, "partial.x", "nc", 3 * case.gradients["x"], values, skip=2)


def test_batch_norm() -> None:
    x, w, b = RNG.standard_normal((5, 1)), np.array([1.5]), np.array([-0.5])
    eps = 0.01
    case = Case(lambda x, w, b: tg.batch_norm(x, None, None, w, b, training=True, eps=eps), x=x, w=w, b=b)
    explanation = explain("batch_norm", x, w, b, eps=eps)
    values: dict[str, Any] = {"X": x[:, 0], "M": 5, "varepsilon": eps, "gamma": 1.5, "beta": -0.5}
    values |= {"dJ/dZ": case.g[:, 0]}
    for key, letter, power in (("mean", "mu", 1), ("variance", "sigma", 2)):
        values[letter] = evaluate(sides(lines(explanation, key))[1], values) ** (1 / power)
    right = sides(lines(explanation, "normalised"))[1]
    values["hatX"] = np.array([evaluate(right, values | {"i": i}) for i in range(5)])
    holds(explanation, "forward", "i", case.y[:, 0], values)
    holds(explanation, "chain.x", "j", case.gradients["x"][:, 0], values)
    assert evaluate(sides(lines(explanation, "chain.w"))[1], values) == pytest.approx(case.gradients["w"][0])
    assert evaluate(sides(lines(explanation, "chain.b"))[1], values) == pytest.approx(case.gradients["b"][0])
    last = lines(explanation, "partial.x")[2]
    jacobian = np.array([case.slope((i, 0), "x")[:, 0] for i in range(5)])
    for i, j in itertools.product(range(5), range(5)):
        assert evaluate(sides((last,))[1], values | {"i": i, "j": j}) == pytest.approx(jacobian[i, j])
