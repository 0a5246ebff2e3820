"""The same numbers in another arrangement: shapes, sharing, joins, borders, casts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.ops.shapes import sum_to

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def leaf(values: Any = ARRAY) -> Any:
    return tg.tensor(np.asarray(values, np.float32), requires_grad=True)


REARRANGEMENTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "reshape": (lambda x: tg.reshape(x, (4, 6)), lambda a: a.reshape(4, 6)),
    "reshape -1": (lambda x: tg.reshape(x, [2, -1]), lambda a: a.reshape(2, 12)),
    "reshape int": (lambda x: tg.reshape(x, 24), lambda a: a.reshape(24)),
    "flatten": (tg.flatten, np.ravel),
    "flatten from 1": (lambda x: tg.flatten(x, 1), lambda a: a.reshape(2, 12)),
    "flatten to -2": (lambda x: tg.flatten(x, 0, -2), lambda a: a.reshape(6, 4)),
    "flatten one": (lambda x: tg.flatten(x, 1, 1), lambda a: a),
    "permute": (lambda x: tg.permute(x, (2, 0, 1)), lambda a: a.transpose(2, 0, 1)),
    "permute from the end": (lambda x: tg.permute(x, (-1, 0, -2)), lambda a: a.transpose(2, 0, 1)),
    "transpose": (lambda x: tg.transpose(x, 0, -1), lambda a: a.transpose(2, 1, 0)),
    "broadcast_to": (lambda x: tg.broadcast_to(x, (5, 2, 3, 4)), lambda a: np.broadcast_to(a, (5, 2, 3, 4))),
    "pad": (lambda x: tg.pad(x, (1, 2)), lambda a: np.pad(a, ((0, 0), (0, 0), (1, 2)))),
    "cast": (lambda x: x.to(np.float64), lambda a: a.astype(np.float64)),
    "clone": (lambda x: x.clone(), np.copy),
}


@pytest.mark.parametrize("layout", [lambda a: a, lambda a: np.asfortranarray(a)], ids=["C", "F"])
@pytest.mark.parametrize("name", REARRANGEMENTS)
def test_values_are_numpys_and_each_gradient_finds_its_place(name: str, layout: Callable[[Any], Any]) -> None:
    ours, numpys = REARRANGEMENTS[name]
    x: Any = tg.Tensor(layout(ARRAY), requires_grad=True)
    y = ours(x)
    np.testing.assert_array_equal(y.data, numpys(ARRAY))
    weights = np.random.default_rng(0).integers(1, 9, y.shape).astype(np.float32)
    (y * weights).sum().backward()
    # the loss is linear, so <x, gradient> is its value
    assert (x.grad.data * ARRAY).sum() == (y.data * weights).sum()
    assert x.grad.shape == x.shape


def test_views_share_memory_and_copies_do_not() -> None:
    x = leaf()
    views = [x.reshape(6, 4), x.flatten(), x.T, x.permute(1, 0, 2), tg.broadcast_to(x, (2, 2, 3, 4)), x.detach()]
    assert all(np.shares_memory(view.data, x.data) for view in views)
    copies = [x.clone(), x.double(), tg.pad(x, (1, 1)), tg.cat([x]), tg.stack([x])]
    assert not any(np.shares_memory(copied.data, x.data) for copied in copies)


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("tg.reshape(x, (5, 5))", ShapeError, r"reshape: \(2, 3, 4\) has 24 elements, which do not fit \(5, 5\)"),
        ("tg.reshape(x, (-1, 7))", ShapeError, "reshape: .* do not fit"),
        ("tg.permute(x, (0, 1))", ArgumentError, r"permute: dims \(0, 1\) is no permutation of the 3 dim"),
        ("tg.permute(x, (0, 1, 1))", ArgumentError, "is no permutation"),
        ("tg.permute(x, (0, 1, -2))", ArgumentError, "is no permutation"),
        ("tg.permute(x, (0, 1, 3))", ArgumentError, "permute: dim 3 is out of range for 3 dimensions"),
        ("tg.transpose(x, 0, 3)", ArgumentError, "transpose: dim 3 is out of range"),
        ("tg.flatten(x, 2, 1)", ArgumentError, "flatten: start_dim 2 comes after end_dim 1"),
        ("tg.flatten(x, 3)", ArgumentError, "flatten: dim 3 is out of range"),
        ("tg.broadcast_to(x, (3, 4))", ShapeError, r"broadcast_to: \(2, 3, 4\) does not broadcast to \(3, 4\)"),
        ("tg.cat([x, x[0]])", ShapeError, r"cat: .* equally many dimensions, got \(2, 3, 4\), \(3, 4\)"),
        ("tg.cat([x, x[:, :2]])", ShapeError, r"cat: sizes must agree everywhere but along dim 0, got"),
        ("tg.cat([x, x], 3)", ArgumentError, "cat: dim 3 is out of range"),
        ("tg.cat([tg.tensor(1.0)])", ArgumentError, "cat: dim 0 is out of range for 0 dimensions"),
        ("tg.cat([])", ArgumentError, "cat: expects at least one tensor"),
        ("tg.cat(x)", ArgumentTypeError, r"cat: expects a list or tuple of tensors, got one of shape"),
        ("tg.stack([x, x[:1]])", ShapeError, "stack: expects tensors of one shape"),
        ("tg.stack([x], 4)", ArgumentError, r"stack: dim 4 is out of range for 4 dimensions"),
        ("tg.stack([])", ArgumentError, "stack: expects at least one tensor"),
        ("tg.pad(x, (1,))", ArgumentError, "pad: expects a pair of widths for each of at most 3 dimensions"),
        ("tg.pad(x, (1,) * 8)", ArgumentError, "pad: expects a pair of widths"),
    ],
)
def test_what_does_not_fit_is_refused(expression: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        eval(expression, {"tg": tg, "x": leaf()})


def test_zero_size() -> None:
    x = leaf(np.zeros((0, 3)))
    for y in (x.reshape(3, 0), x.flatten(), x.T, tg.pad(x, (1, 1)), tg.cat([x, x]), tg.stack([x, x], 1), x.clone()):
        x.grad = None
        y.sum().backward()
        assert x.grad.shape == (0, 3)
    assert tg.flatten(x, 1).shape == (0, 3)
    assert tg.pad(x, (0, 0, 1, 1), value=2.0).tolist() == [[2.0] * 3] * 2


def test_a_0d_tensor_has_no_dimensions_to_move() -> None:
    x = leaf(3.0)
    assert (tg.flatten(x).shape, x.T.shape, tg.reshape(x, (1, 1)).shape, tg.permute(x, ()).shape) == (
        (1,),
        (),
        (1, 1),
        (),
    )


# ---- joins


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_cat_gives_each_its_slice(dim: int) -> None:
    parts = [np.take(ARRAY, range(k), axis=dim) for k in (1, 2, 0)]
    xs = [leaf(part) for part in parts]
    y = tg.cat([*xs, ARRAY], dim)
    np.testing.assert_array_equal(y.data, np.concatenate([*parts, ARRAY], dim))
    weights = np.arange(y.numel(), dtype=np.float32).reshape(y.shape)
    (y * weights).sum().backward()
    for x, expected in zip(xs, np.split(weights, [1, 3, 3], dim), strict=False):
        np.testing.assert_array_equal(x.grad.data, expected)


@pytest.mark.parametrize("dim", [0, 1, 3, -1, -4])
def test_stack_gives_each_its_slice(dim: int) -> None:
    xs = [leaf(ARRAY), leaf(ARRAY * 2)]
    y = tg.stack([xs[0], xs[1], xs[0]], dim)
    np.testing.assert_array_equal(y.data, np.stack([ARRAY, ARRAY * 2, ARRAY], dim))
    weights = np.arange(y.numel(), dtype=np.float32).reshape(y.shape)
    (y * weights).sum().backward()
    slices = np.moveaxis(weights, dim, 0)
    np.testing.assert_array_equal(xs[0].grad.data, slices[0] + slices[2])
    np.testing.assert_array_equal(xs[1].grad.data, slices[1])


def test_joins_of_mixed_dtypes_give_each_gradient_in_its_own() -> None:
    a, b = leaf([1.0]), tg.tensor(np.ones(1), requires_grad=True)
    y = tg.cat([a, b, tg.tensor([1])])
    assert y.dtype == np.float64
    y.sum().backward()
    assert (a.grad.dtype == np.float32, b.grad.dtype == np.float64) == (True, True)  # type: ignore[union-attr]


def test_joins_of_arrays_only() -> None:
    y: Any = tg.stack([np.ones(2), np.zeros(2)])
    assert type(y) is np.ndarray
    assert y.tolist() == [[1.0, 1.0], [0.0, 0.0]]


# ---- borders


@pytest.mark.parametrize("value", [0.0, 1.5, -np.inf, np.nan])
def test_pad_with_any_constant(value: float) -> None:
    x = leaf([[[[1.0, 2.0], [3.0, 4.0]]]])
    y = tg.pad(x, (1, 2, 3, 0), value=value)  # left, right, top, bottom
    assert y.shape == (1, 1, 5, 5)
    np.testing.assert_array_equal(y.data, np.pad(x.data, ((0, 0), (0, 0), (3, 0), (1, 2)), constant_values=value))
    weights = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    y.backward(weights)
    np.testing.assert_array_equal(x.grad.data, weights[:, :, 3:, 1:3])


def test_pad_of_nothing_is_the_same() -> None:
    x = leaf()
    np.testing.assert_array_equal(tg.pad(x, ()).data, ARRAY)
    np.testing.assert_array_equal(tg.pad(x, (0, 0, 0, 0)).data, ARRAY)


# ---- broadcasting and its adjoint


@pytest.mark.parametrize(
    ("small", "large"),
    [((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 1), (2, 3)), ((1, 3), (0, 3)), ((2, 3),) * 2],
)
def test_sum_to_is_the_adjoint_of_broadcast_to(small: tuple[int, ...], large: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    a, b = (generator.integers(-9, 9, shape).astype(np.float64) for shape in (small, large))
    summed: Any = sum_to(tg.tensor(b), small)
    assert summed.shape == small
    assert (tg.broadcast_to(tg.tensor(a), large).data * b).sum() == (a * summed.data).sum()
