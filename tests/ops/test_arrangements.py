"""Dimensions added and dropped, elements moved, parts: values, adjoints, sharing, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 1, 3)


def leaf(values: Any = ARRAY) -> Any:
    return tg.tensor(np.asarray(values, np.float32), requires_grad=True)


ARRANGEMENTS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "squeeze": (lambda x: x.squeeze(), lambda a: a.reshape(2, 3)),
    "squeeze nothing": (lambda x: x.squeeze(0), lambda a: a),
    "squeeze some": (lambda x: x.squeeze((0, 1)), lambda a: a.reshape(2, 3)),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda a: a.reshape(2, 1, 3, 1)),
    "expand": (lambda x: x.expand(4, 2, 5, -1), lambda a: np.broadcast_to(a, (4, 2, 5, 3))),
    "repeat": (lambda x: x.repeat(2, 1, 3, 2), lambda a: np.tile(a, (2, 1, 3, 2))),
    "repeat 0": (lambda x: x.repeat((1, 0, 1)), lambda a: a[:, :0]),
    "flip": (lambda x: x.flip(0, -1), lambda a: a[::-1, :, ::-1]),
    "roll": (lambda x: x.roll((1, -1), (0, 2)), lambda a: np.roll(a, (1, -1), (0, 2))),
    "roll flat": (lambda x: x.roll(2), lambda a: np.roll(a, 2)),
    "tril": (lambda x: tg.tril(x.squeeze(), 1), lambda a: np.tril(a.reshape(2, 3), 1)),
    "triu": (lambda x: tg.triu(x.squeeze()), lambda a: np.triu(a.reshape(2, 3))),
    "split": (lambda x: x.split(2, 2)[0], lambda a: a[..., :2]),
    "split by sizes": (lambda x: x.split([1, 0, 2], 2)[2], lambda a: a[..., 1:]),
    "chunk": (lambda x: x.chunk(2, -1)[1], lambda a: a[..., 2:]),
    "view": (lambda x: x.view(3, -1), lambda a: a.reshape(3, 2)),
}


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_values_are_numpys_and_each_gradient_finds_its_place(name: str) -> None:
    ours, numpys = ARRANGEMENTS[name]
    x = leaf()
    y = ours(x)
    np.testing.assert_array_equal(y.data, numpys(ARRAY))
    weights = np.random.default_rng(0).integers(1, 9, y.shape).astype(np.float32)
    (y * weights).sum().backward()
    assert (x.grad.data * ARRAY).sum() == (y.data * weights).sum()  # the loss is linear


def test_views_share_memory_and_copies_do_not() -> None:
    x = leaf()
    views = [x.squeeze(), x.unsqueeze(0), x.expand(2, 4, 3), x.flip(0), *x.split(1), *x.chunk(2)]
    assert all(np.shares_memory(view.data, x.data) for view in views)
    copies = [x.repeat(2, 1, 1), x.roll(1, 0), x.squeeze().tril()]
    assert not any(np.shares_memory(copied.data, x.data) for copied in copies)


def test_parts_divide_without_a_rest_lost() -> None:
    x = tg.tensor(np.arange(7.0))
    assert [part.shape[0] for part in x.split(3)] == [3, 3, 1]
    assert [part.shape[0] for part in x.chunk(4)] == [2, 2, 2, 1]
    assert [part.shape[0] for part in x.chunk(5)] == [2, 2, 2, 1]
    assert [part.shape[0] for part in x[:0].split(3)] == [0]
    assert [part.shape[0] for part in x[:0].chunk(3)] == [0, 0, 0]


def test_size_is_the_shape_or_one_of_it() -> None:
    assert (leaf().size(), leaf().size(-1)) == ((2, 1, 3), 3)


@pytest.mark.parametrize(
    ("expression", "error", "message"),
    [
        ("x.squeeze(3)", ArgumentError, "squeeze: dim 3 is out of range for 3 dimensions"),
        ("x.squeeze((0, -3))", ArgumentError, "squeeze: .* names a dimension twice"),
        ("x.unsqueeze(4)", ArgumentError, "unsqueeze: dim 4 is out of range for 4 dimensions"),
        ("x.expand(3, 1, 3)", ShapeError, r"expand: \(2, 1, 3\) does not expand to \(3, 1, 3\); only new leading"),
        ("x.expand(3)", ShapeError, "expand: "),
        ("x.expand(-1, 2, 1, 3)", ShapeError, "expand: "),
        ("x.repeat(2)", ShapeError, r"repeat: expects a number >= 0 for each of the dimensions of \(2, 1, 3\), got"),
        ("x.repeat(1, 1, -1)", ShapeError, "repeat: expects a number >= 0"),
        ("tg.flip(x, 0)", ArgumentTypeError, "flip: dims expects a tuple of ints, got 0"),
        ("x.flip(0, 0)", ArgumentError, "flip: .* names a dimension twice"),
        ("x.roll((1, 2))", ArgumentError, r"roll: expects one shift where dims is not given, got \(1, 2\)"),
        ("x.roll((1, 2), 0)", ArgumentError, "roll: expects a shift for each dimension"),
        ("x[0, 0].tril()", ShapeError, r"tril: expects matrices \(..., M, N\), got shape \(3,\)"),
        ("x.triu(0.5)", ArgumentTypeError, "triu: diagonal expects an int, got 0.5"),
        ("x.split(0)", ArgumentError, "split: expects a positive size of the parts, got 0"),
        ("x.split((1, 2))", ArgumentError, r"split: expects sizes that add up to 2, the size of dim 0, got \(1, 2\)"),
        ("x.chunk(0)", ArgumentError, "chunk: expects at least one chunk, got 0"),
    ],
)
def test_what_does_not_fit_is_refused(expression: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        eval(expression, {"tg": tg, "x": leaf()})
