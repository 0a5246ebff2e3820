"""Softmax and cross entropy: formulas, stability at large scores, targets of every kind, labels out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError, ShapeError, TinygradCnnError

SCORES = np.random.default_rng(0).normal(size=(5, 3)) * 3
LABELS = np.array([2, 0, 0, 1, 2])
ONE_HOT = np.eye(3)[LABELS]


def leaf(values: Any, dtype: Any = np.float64) -> Any:
    return tg.tensor(np.asarray(values, dtype), requires_grad=True)


def probabilities(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


# ---- softmax


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_softmax_and_its_logarithm_follow_their_formula(dim: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    expected = np.exp(x) / np.exp(x).sum(dim, keepdims=True)
    np.testing.assert_allclose(tg.softmax(leaf(x), dim).data, expected, rtol=1e-12)
    np.testing.assert_allclose(tg.log_softmax(leaf(x), dim).data, np.log(expected), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shift", [0.0, 1e4, -1e4])
def test_softmax_is_stable(shift: float, dtype: Any) -> None:
    scores = np.array([[0.0, 1.0, -1.0], [0.0, 0.0, 0.0]])
    x = leaf(scores + shift, dtype)
    y, logarithm = tg.softmax(x, 1), tg.log_softmax(x, 1)
    np.testing.assert_allclose(y.data, probabilities(scores), rtol=1e-5)
    np.testing.assert_allclose(logarithm.data, np.log(probabilities(scores)), rtol=1e-5)
    (y * [1.0, 2.0, 3.0] + logarithm).sum().backward()
    assert np.isfinite(x.grad.data).all()


def test_softmax_of_scores_far_apart_is_one_and_zeros() -> None:
    x = leaf([1e4, 0.0, -1e4], np.float32)
    assert tg.softmax(x, 0).tolist() == [1.0, 0.0, 0.0]
    y = tg.log_softmax(x, 0)
    assert y.tolist() == [0.0, -1e4, -2e4]
    y.sum().backward()
    assert x.grad.tolist() == [-2.0, 1.0, 1.0]


def test_a_score_of_minus_infinity_has_probability_0() -> None:
    x = leaf([0.0, -np.inf, 0.0])
    y = tg.softmax(x, 0)
    y.backward([1.0, 0.0, 0.0])
    assert y.tolist() == [0.5, 0.0, 0.5]
    assert x.grad.tolist() == [0.25, 0.0, -0.25]


def test_softmax_of_an_empty_batch() -> None:
    x = leaf(np.zeros((0, 3)))
    (tg.softmax(x, 1).sum() + tg.log_softmax(x, -1).sum()).backward()
    assert x.grad.shape == (0, 3)


def test_a_dimension_that_does_not_exist_is_refused() -> None:
    for name, operation in (("softmax", tg.softmax), ("log_softmax", tg.log_softmax)):
        with pytest.raises(ArgumentError, match=f"^{name}: dim 2 is out of range for 2 dimensions"):
            operation(leaf(SCORES), 2)


# ---- cross entropy


TARGETS: dict[str, Any] = {
    "list": LABELS.tolist(),
    "int64": LABELS,
    "uint8": LABELS.astype(np.uint8),
    "Tensor": tg.tensor(LABELS),
    "one-hot": ONE_HOT,
    "one-hot float32": ONE_HOT.astype(np.float32),
    "one-hot int": ONE_HOT.astype(int),
    "one-hot bool": ONE_HOT.astype(bool),
    "one-hot list": ONE_HOT.tolist(),
    "one-hot Tensor": tg.tensor(ONE_HOT),
}


@pytest.mark.parametrize("target", [pytest.param(target, id=name) for name, target in TARGETS.items()])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_numbers_and_one_hot_rows_mean_the_same(target: Any, reduction: str) -> None:
    x = leaf(SCORES)
    loss = tg.cross_entropy(x, target, reduction=reduction)
    losses = -np.log(probabilities(SCORES)[np.arange(5), LABELS])
    reduce: Any = {"mean": np.mean, "sum": np.sum, "none": lambda v: v}[reduction]
    np.testing.assert_allclose(loss.data, reduce(losses), rtol=1e-12)
    loss.sum().backward()
    scale = 1 / 5 if reduction == "mean" else 1.0
    np.testing.assert_allclose(x.grad.data, (probabilities(SCORES) - ONE_HOT) * scale, rtol=1e-10, atol=1e-15)


def test_targets_may_be_probabilities_and_have_gradients() -> None:
    target = np.random.default_rng(0).random((5, 3))  # not normalised, as the formula does not ask for it
    x, t = leaf(SCORES), leaf(target)
    loss = tg.cross_entropy(x, t, reduction="sum")
    logarithms = np.log(probabilities(SCORES))
    assert loss.item() == pytest.approx(-(target * logarithms).sum())
    loss.backward()
    totals = target.sum(1, keepdims=True)
    np.testing.assert_allclose(x.grad.data, probabilities(SCORES) * totals - target, rtol=1e-10)
    np.testing.assert_allclose(t.grad.data, -logarithms, rtol=1e-10)


def test_a_target_of_another_dtype_gets_its_gradient_in_its_own() -> None:
    x, t = leaf(SCORES, np.float32), leaf(ONE_HOT)
    loss = tg.cross_entropy(x, t)
    loss.backward()
    assert [str(a.dtype) for a in (loss, x.grad, t.grad)] == ["float32", "float32", "float64"]


@pytest.mark.parametrize("target", [[1, 0], [[0.0, 1.0], [1.0, 0.0]]], ids=["classes", "one-hot"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_is_stable_at_scores_of_ten_thousand(dtype: Any, target: Any) -> None:
    x = leaf([[1e4, 0.0], [1e4, 0.0]], dtype)
    losses = tg.cross_entropy(x, target, reduction="none")
    assert losses.tolist() == [1e4, 0.0]
    losses.sum().backward()
    assert x.grad.tolist() == [[1.0, -1.0], [0.0, 0.0]]
    y: Any = leaf([[1e4, 0.0], [1e4, 0.0]], dtype)
    slope: Any = tg.grad(tg.cross_entropy(y, target), y, create_graph=True)[0]
    assert slope.tolist() == [[0.5, -0.5], [0.0, 0.0]]
    assert tg.grad(slope[0, 0], y)[0].tolist() == [[0.0, 0.0], [0.0, 0.0]]  # type: ignore[union-attr]


def test_a_class_of_probability_0_costs_infinity() -> None:
    x = leaf([[0.0, -np.inf]])
    assert tg.cross_entropy(x, [1]).item() == np.inf
    assert tg.cross_entropy(x, [0]).item() == 0.0


def test_the_softmax_is_not_disturbed_by_the_shift() -> None:
    x = leaf(SCORES)
    shifted = leaf(SCORES + 1e4)
    assert tg.cross_entropy(shifted, LABELS).item() == pytest.approx(tg.cross_entropy(x, LABELS).item(), rel=1e-9)


def test_fused_and_plain_agree() -> None:
    x, plain = leaf(SCORES), leaf(SCORES)
    tg.cross_entropy(x, LABELS).backward()
    (-tg.log_softmax(plain, 1)[np.arange(5), LABELS].mean()).backward()
    np.testing.assert_allclose(x.grad.data, plain.grad.data, rtol=1e-10, atol=1e-16)


def test_one_class_costs_nothing() -> None:
    x = leaf([[3.0], [-7.0]])
    loss = tg.cross_entropy(x, [0, 0])
    loss.backward()
    assert (loss.item(), x.grad.tolist()) == (0.0, [[0.0], [0.0]])


def test_an_empty_batch_costs_nothing_in_sum() -> None:
    x = leaf(np.zeros((0, 3)))
    for target in (np.zeros(0, int), np.zeros((0, 3))):
        x.grad = None
        loss = tg.cross_entropy(x, target, reduction="sum")
        loss.backward()
        assert (loss.item(), x.grad.shape) == (0.0, (0, 3))
        assert tg.cross_entropy(x, target, reduction="none").shape == (0,)
        assert np.isnan(tg.cross_entropy(x, target).item())  # the mean of nothing


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ([0, 1, 3, 0, 0], ArgumentError, r"target\[2\] is class 3, input has 3 classes \(0 to 2\)"),
        ([0, -1, 0, 0, 0], ArgumentError, r"target\[1\] is class -1, input has 3 classes"),
        ([0, 1], ShapeError, r"expects class numbers of shape \(5,\), or a target .* \(5, 3\), got \(2,\)"),
        (1, ShapeError, r"expects class numbers of shape \(5,\), or a target .*, got \(\)"),
        (np.zeros((5, 1), int), ShapeError, r"expects class numbers of shape \(5,\), or a target .*, got \(5, 1\)"),
        (np.zeros((5, 4)), ShapeError, r"expects class numbers of shape \(5,\), or a target .*, got \(5, 4\)"),
        (np.zeros((1, 5, 3)), ShapeError, r"expects class numbers of shape \(5,\), or a target .*, got \(1, 5, 3\)"),
        ([0.0, 1.0, 0.0, 1.0, 0.0], DTypeError, "class numbers must be integers, got float64"),
        ([True] * 5, DTypeError, "class numbers must be integers, got bool"),
    ],
    ids=["too large", "negative", "count", "scalar", "column", "classes", "3-d", "float", "bool"],
)
def test_targets_that_do_not_fit_are_refused(target: Any, error: type[TinygradCnnError], message: str) -> None:
    targets = [target] if isinstance(target, int) else [target, np.asarray(target), tg.tensor(np.asarray(target))]
    for t in targets:
        with pytest.raises(error, match=f"^cross_entropy: {message}"):
            tg.cross_entropy(leaf(SCORES), t)


@pytest.mark.parametrize("shape", [(5, 0), (0,), ()], ids=str)
def test_logits_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"cross_entropy: expects scores \(N, C\).* with C > 0, got shape"):
        tg.cross_entropy(leaf(np.zeros(shape)), LABELS)


def test_an_unknown_reduction_is_refused() -> None:
    with pytest.raises(ArgumentError, match="reduction must be 'mean', 'sum' or 'none', got 'average'"):
        tg.cross_entropy(leaf(SCORES), LABELS, reduction="average")
