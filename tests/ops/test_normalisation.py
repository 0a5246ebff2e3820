"""Normalisation: running statistics, evaluation, frozen parts, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, EditedInPlaceError, ShapeError
from tinygrad_cnn.ops import normalisation

X = np.random.default_rng(0).normal(3, 2, (4, 3, 5))


def test_running_statistics_move_in_place_towards_the_batch() -> None:
    mean, var = np.zeros(3), np.ones(3)
    tg.batch_norm(tg.tensor(X), mean, var, training=True, momentum=0.25)
    np.testing.assert_allclose(mean, 0.25 * X.mean((0, 2)))
    np.testing.assert_allclose(var, 0.75 + 0.25 * X.var((0, 2), ddof=1))
    as_tensors = tg.tensor(np.zeros(3)), tg.tensor(np.ones(3))
    tg.batch_norm(tg.tensor(X), *as_tensors, training=True, momentum=0.25)
    np.testing.assert_array_equal(as_tensors[0].data, mean)
    np.testing.assert_array_equal(as_tensors[1].data, var)


def test_evaluation_reads_them_and_leaves_them_alone() -> None:
    mean, var = np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 0.25])
    y = tg.batch_norm(tg.tensor(X), mean, var, eps=0.0)
    np.testing.assert_allclose(y.data, (X - mean[:, None]) / np.sqrt(var)[:, None])
    assert (mean.tolist(), var.tolist()) == ([1.0, 2.0, 3.0], [4.0, 1.0, 0.25])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (4, 3, 2, 5)], ids=str)
def test_with_relu_as_one_operation(shape: tuple[int, ...], training: bool) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(3, 2, shape), rng.normal(size=shape)
    found = []
    for fused in (True, False):
        inputs = [tg.tensor(a, requires_grad=True) for a in (x, np.array([1.0, -0.5, 2.0]), np.array([0.1, 0.2, 0.0]))]
        mean, var = np.array([3.0, 2.0, 1.0]), np.array([4.0, 1.0, 0.25])
        norm = normalisation.batch_norm_relu if fused else tg.batch_norm
        y = norm(inputs[0], mean, var, inputs[1], inputs[2], training=training)
        y = y if fused else y.relu()
        y.backward(tg.tensor(g))
        found.append([y.data, mean, var, *(t.grad.data for t in inputs if t.grad is not None)])
    assert len(found[0]) == 6
    for actual, expected in zip(*found, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-14)


def test_an_empty_batch_leaves_the_statistics_alone() -> None:
    mean, var = np.zeros(3), np.ones(3)
    x: Any = tg.tensor(np.zeros((0, 3, 5)), requires_grad=True)
    tg.batch_norm(x, mean, var, training=True).sum().backward()
    tg.instance_norm(x, mean, var)
    assert (x.grad.shape, mean.tolist(), var.tolist()) == ((0, 3, 5), [0.0] * 3, [1.0] * 3)


def test_recording_or_not_gives_the_same_bits() -> None:
    w = tg.tensor(np.ones(3), requires_grad=True)
    y = tg.batch_norm(tg.tensor(X, requires_grad=True), None, None, w, training=True)
    with tg.no_grad():
        np.testing.assert_array_equal(tg.batch_norm(tg.tensor(X), None, None, w, training=True).data, y.data)


def test_only_what_needs_a_gradient_gets_one() -> None:
    w, b = tg.tensor(np.ones(3), requires_grad=True), tg.tensor(np.zeros(3))
    tg.batch_norm(tg.tensor(X), None, None, w, b, training=True).sum().backward()
    assert w.grad is not None
    assert w.grad.shape == (3,)


def test_an_edited_weight_is_noticed() -> None:
    w = tg.tensor(np.ones(3), requires_grad=True)
    y = tg.batch_norm(tg.tensor(X), None, None, w, training=True)
    w.data = w.data * 2
    with pytest.raises(EditedInPlaceError, match=r"^normalise: "):
        y.sum().backward()


def test_group_norm_lies_between_layer_and_instance_norm() -> None:
    x = tg.tensor(X)
    np.testing.assert_allclose(tg.group_norm(x, 1).data, tg.layer_norm(x, (3, 5)).data, rtol=1e-12)
    np.testing.assert_allclose(tg.group_norm(x, 3).data, tg.instance_norm(x).data, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: tg.batch_norm(x[:1, :, :1], None, None, training=True),
            ShapeError,
            r"batch_norm: expects more than 1 value per channel in training, got input \(1, 3, 1\); take",
        ),
        (lambda x: tg.batch_norm(x, None, None), ArgumentError, "batch_norm: expects running_mean and running_var"),
        (lambda x: tg.batch_norm(x, np.zeros(3), None), ArgumentError, "go together; pass both or neither"),
        (
            lambda x: tg.batch_norm(x, np.zeros(2), np.ones(2)),
            ShapeError,
            r"batch_norm: running_mean must have shape \(3,\), got \(2,\)",
        ),
        (
            lambda x: tg.batch_norm(x, None, None, np.ones(3, np.float32), training=True),
            DTypeError,
            "batch_norm: weight is float32, input float64",
        ),
        (lambda x: tg.batch_norm(x, None, None, training=True, eps=0), ArgumentError, "eps must be positive"),
        (lambda x: tg.layer_norm(x, (4,)), ShapeError, r"layer_norm: expects input whose last dimensions are .*\(4,\)"),
        (
            lambda x: tg.layer_norm(x, 5),  # type: ignore[arg-type]
            ArgumentTypeError,
            "layer_norm: normalized_shape expects sizes, got 5",
        ),
        (lambda x: tg.group_norm(x, 2), ArgumentError, "group_norm: num_groups must divide the 3 channels, got 2"),
        (lambda x: tg.instance_norm(x[:, :, 0]), ShapeError, "instance_norm: expects more than 1 value per channel"),
    ],
    ids=["one value", "evaluation", "one statistic", "size", "dtype", "eps", "last", "int", "groups", "one pixel"],
)
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(tg.tensor(X))
