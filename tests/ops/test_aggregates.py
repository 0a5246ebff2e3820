"""Products, variances, norms and running sums: their formulas, zeros, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.errors import ArgumentError, DTypeError
from tinygrad_cnn.testing import check_grad

ARRAY = np.random.default_rng(0).normal(size=(3, 4))


def leaf(values: Any, dtype: Any = np.float64) -> Any:
    return tg.tensor(np.asarray(values, dtype), requires_grad=True)


# ---- product


@pytest.mark.parametrize("zeros", [(), (2,), (0, 3), (1, 2, 4), (0, 1, 2, 3, 4)], ids=len)
def test_the_gradient_of_a_product_is_exact_at_zeros_twice(zeros: tuple[int, ...]) -> None:
    x = np.array([2.0, -3.0, 0.5, 4.0, 1.5])
    x[list(zeros)] = 0
    t = leaf(x)
    (slope,) = tg.grad(tg.prod(t), t, create_graph=True)
    others = [np.prod(np.delete(x, i)) for i in range(5)]
    assert slope is not None
    np.testing.assert_allclose(slope.data, others, rtol=1e-14)
    (curvature,) = tg.grad(slope[1], t)
    assert curvature is not None
    pairs = [0.0 if i == 1 else np.prod(np.delete(x, [1, i])) for i in range(5)]
    np.testing.assert_allclose(curvature.data, pairs, rtol=1e-14)
    check_grad(tg.prod, (x,), order=2)


def test_prod_of_many_of_none_and_of_integers() -> None:
    x = leaf(np.full(100_000, 1.0))
    x.prod().backward()
    assert x.grad.tolist() == [1.0] * 100_000
    assert (tg.prod(tg.tensor([])).item(), tg.prod(tg.tensor([2, 3])).item()) == (1.0, 6)
    assert tg.prod(leaf(np.zeros((0, 2))), 0).tolist() == [1.0, 1.0]
    assert tg.prod(leaf(ARRAY), -1, keepdim=True).shape == (3, 1)


# ---- variance and norm


def test_var_and_std_say_their_correction_in_two_ways() -> None:
    x = leaf(ARRAY)
    ways: list[tuple[dict[str, Any], int]] = [
        ({}, 1),
        ({"correction": 0}, 0),
        ({"unbiased": False}, 0),
        ({"unbiased": True}, 1),
    ]
    for options, ddof in ways:
        np.testing.assert_allclose(x.var(1, **options).data, ARRAY.var(1, ddof=ddof))
        np.testing.assert_allclose(x.std(**options).data, ARRAY.std(ddof=ddof))
    with pytest.raises(ArgumentError, match="var: give unbiased=True or correction=0, not both"):
        x.var(unbiased=True, correction=0)


def test_the_std_of_equal_elements_has_gradient_0() -> None:
    x = leaf([[1.0, 1.0], [1.0, 3.0]])
    x.std(1).sum().backward()
    np.testing.assert_allclose(x.grad.data, [[0.0, 0.0], [-np.sqrt(0.5), np.sqrt(0.5)]])


@pytest.mark.parametrize("p", [2, 1, 3, 1.5, 0.5, np.inf, -np.inf])
def test_norms_follow_the_formula_and_have_gradient_0_at_0(p: float) -> None:
    x = leaf(ARRAY)
    np.testing.assert_allclose(x.norm(p).item(), np.linalg.norm(ARRAY.ravel(), p))
    check_grad(lambda x: tg.norm(x, p, 1), (ARRAY,), order=1)
    zeros = leaf(np.zeros((2, 3)))
    zeros.norm(p).backward()
    assert not zeros.grad.data.any()


def test_norm_names_and_refusals() -> None:
    x = leaf(ARRAY)
    assert x.norm().item() == x.norm("fro").item() == x.norm(2).item()
    assert tg.norm(tg.tensor([0.0, 3.0, -1.0]), 0).item() == 2.0
    with pytest.raises(ArgumentError, match="norm: p expects a number or 'fro', got 'nuc'"):
        x.norm("nuc")
    with pytest.raises(DTypeError, match="norm: expects floating-point input, got int64"):
        tg.norm(tg.tensor([1, 2]))
    with pytest.raises(ArgumentError, match="norm: nothing to choose from"):
        tg.norm(leaf(np.zeros((0, 2))), np.inf, 0)


# ---- log-sums and running sums


def test_logsumexp_is_stable_and_knows_empty_sums() -> None:
    x = leaf([[1000.0, 1000.0], [-np.inf, -1000.0], [-np.inf, -np.inf]])
    y = tg.logsumexp(x, 1)
    np.testing.assert_allclose(y.data, [1000 + np.log(2), -1000.0, -np.inf])
    tg.logsumexp(x[:2], 1).sum().backward()
    np.testing.assert_allclose(x.grad.data, [[0.5, 0.5], [0.0, 1.0], [0.0, 0.0]])
    assert tg.logsumexp(leaf(np.zeros((0, 2))), 0).tolist() == [-np.inf, -np.inf]
    assert tg.logsumexp(tg.tensor([1, 2]), 0).dtype == np.float32


def test_cumsum_sends_each_cotangent_to_all_before_it() -> None:
    x = leaf(ARRAY)
    y = x.cumsum(1)
    np.testing.assert_allclose(y.data, ARRAY.cumsum(1))
    weights = np.arange(12.0).reshape(3, 4)
    y.backward(weights)
    np.testing.assert_allclose(x.grad.data, weights[:, ::-1].cumsum(1)[:, ::-1])


@pytest.mark.parametrize("name", ["prod", "var", "std", "norm", "logsumexp", "cumsum"])
def test_dimensions_that_do_not_exist_are_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"{name}: dim 2 is out of range for 2 dimensions"):
        getattr(tg, name)(leaf(ARRAY), dim=2)


@pytest.mark.parametrize("name", ["prod", "var", "std", "norm", "logsumexp", "cumsum"])
def test_float32_stays_float32(name: str) -> None:
    x = leaf(ARRAY, np.float32)
    y = getattr(tg, name)(x, dim=1)
    y.sum().backward()
    assert (y.dtype, x.grad.dtype) == (np.float32, np.float32)
