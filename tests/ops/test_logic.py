"""Masks combined: `&`, `|`, `^` and `~` on boolean Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import DTypeError

X = tg.tensor([-1.0, 0.5, 2.0], requires_grad=True)


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        (lambda a, b: a & b, [False, True, False]),
        (lambda a, b: a | b, [True, True, True]),
        (lambda a, b: a ^ b, [True, False, True]),
        (lambda a, b: ~a, [True, False, False]),
        (lambda a, b: b.data & a, [False, True, False]),
        (lambda a, b: b.data | a, [True, True, True]),
    ],
    ids=["and", "or", "xor", "not", "array and", "array or"],
)
def test_masks_combine(combine: Callable[[Any, Any], tg.Tensor], expected: list[bool]) -> None:
    mask = combine(X > 0, X < 1)
    assert isinstance(mask, tg.Tensor)
    assert mask.tolist() == expected
    assert not mask.requires_grad


def test_masks_choose() -> None:
    assert tg.where((X > 0) & (X < 1), X, 0.0).tolist() == [0.0, 0.5, 0.0]


@pytest.mark.parametrize("combine", [lambda x: x & x, lambda x: ~x, lambda x: (x > 0) | x], ids=["and", "not", "or"])
def test_numbers_are_refused(combine: Callable[[Any], Any]) -> None:
    with pytest.raises(DTypeError, match="expect booleans, got float32; compare first"):
        combine(X)


def test_numpys_own_functions_are_the_same() -> None:
    assert np.logical_and(X > 0, X < 1).tolist() == [False, True, False]
