"""einsum: equations of every form, their gradients, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.testing import check_grad

EQUATIONS: dict[str, list[tuple[int, ...]]] = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "ij,jk": [(2, 3), (3, 4)],
    "ij->ji": [(2, 3)],
    "ij->": [(2, 3)],
    "ii": [(3, 3)],
    "iji->ji": [(2, 3, 2)],
    "ii,ij->j": [(2, 2), (2, 3)],
    "ij,k->i": [(2, 3), (4,)],
    "ij,ij,j->i": [(2, 3), (2, 3), (3,)],
    "ij,kj->i": [(2, 1), (4, 3)],
    "...ij,...jk->...ik": [(2, 1, 3, 4), (5, 4, 2)],
    "i..., i -> ...": [(2, 3), (2,)],
    ",i->i": [(), (3,)],
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_values_are_numpys_and_gradients_are_right_twice(equation: str) -> None:
    operands = [np.asarray(np.random.default_rng(i).normal(size=s)) for i, s in enumerate(EQUATIONS[equation])]
    y = tg.einsum(equation, *operands)
    np.testing.assert_allclose(y, np.einsum(equation, *operands), rtol=1e-12)
    check_grad(lambda *xs: tg.einsum(equation, *xs), tuple(operands), order=2)


def test_float32_stays_float32_and_constants_may_be_arrays() -> None:
    x: Any = tg.tensor([[1.0, 2.0]], requires_grad=True)
    y = tg.einsum("ij,kj->ik", x, np.ones((3, 2), np.float32))
    y.sum().backward()
    assert (y.dtype == np.float32, x.grad.dtype == np.float32, x.grad.tolist()) == (True, True, [[3.0, 3.0]])
    assert tg.einsum("i,i", [tg.tensor([1, 2]), tg.tensor([3, 4])]).item() == 11


@pytest.mark.parametrize(
    ("equation", "error", "message"),
    [
        (
            "ij,jk->il",
            ArgumentError,
            "einsum: 'l' in the output of 'ij,jk->il' must occur there once, and in an operand",
        ),
        ("ij,jk->ii", ArgumentError, "'i' in the output"),
        ("ij,jk->ik->k", ArgumentError, "expects letters and one '...' in each term, got 'ik->k'"),
        ("i1,jk->ik", ArgumentError, "expects letters and one '...' in each term, got 'i1'"),
        ("ij->i", ArgumentError, "'ij->i' names 1 operands, got 2"),
        ("i,jk->ik", ShapeError, r"'i' does not name the 2 dimensions of operand 0, \(2, 3\)"),
        ("...ijk,jk->ik", ShapeError, "'...ijk' does not name the 2 dimensions"),
        ("ij,ik->jk", ShapeError, r"'i' has size 2 and size 3 in 'ij,ik->jk', with \(2, 3\), \(3, 4\)"),
        ("ii,jk->ik", ShapeError, r"'i' is repeated, so its sizes must agree, got \[2, 3\]"),
        (3, ArgumentTypeError, "expects an equation such as 'ij,jk->ik', got 3"),
    ],
)
def test_what_does_not_fit_is_refused(equation: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tg.einsum(equation, tg.tensor(np.ones((2, 3))), tg.tensor(np.ones((3, 4))))


def test_mixed_dtypes_are_refused() -> None:
    with pytest.raises(DTypeError, match="einsum: expects one dtype, got float32 and float64"):
        tg.einsum("i,i->", tg.tensor([1.0]), tg.tensor(np.ones(1)))
