"""Every primitive against the table of specifications: first and second derivatives, dtypes, layouts, aliasing."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.testing import GradientMismatch
from tinygrad_cnn.testing.specifications import TABLE, Specification, primitives

ROWS = [pytest.param(row, id=row.name) for row in TABLE]
DIFFERENTIABLE = [pytest.param(row, id=row.name) for row in TABLE if not row.constant]
CONSTANT = [pytest.param(row, id=row.name) for row in TABLE if row.constant]


def as_tensors(arguments: tuple[Any, ...], dtype: Any) -> list[Any]:
    """The arguments with each floating-point array as a Tensor that requires a gradient."""
    return [
        tg.tensor(a, dtype=dtype, requires_grad=True) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in arguments
    ]


def test_every_primitive_has_one_row() -> None:
    rows = [id(row.primitive) for row in TABLE]
    assert len(set(rows)) == len(rows)
    assert {p.name for p in primitives() if id(p) not in rows} == set()


@pytest.mark.parametrize("row", DIFFERENTIABLE)
@given(data=st.data())
def test_derivatives_match_finite_differences(row: Specification, data: Any) -> None:
    row.check(data.draw(row.arguments))


def distorted(primitive: Primitive) -> Primitive:
    """The same primitive with every rule 1 % too large."""
    broken = type(primitive)(primitive.function)
    broken.__dict__.update(primitive.__dict__, _plans={})

    def wrong(rule: Any) -> Any:
        @functools.wraps(rule)
        def scaled(*args: Any) -> Any:
            result = rule(*args)
            several = isinstance(result, list | tuple)
            return [r if r is None else 1.01 * r for r in result] if several else 1.01 * result

        return scaled

    broken.rules = {name: wrong(rule) for name, rule in primitive.rules.items()}
    broken.joint_rule = primitive.joint_rule and wrong(primitive.joint_rule)
    return broken


@pytest.mark.parametrize("row", DIFFERENTIABLE)
@settings(max_examples=3)
@given(data=st.data())
def test_the_check_notices_a_rule_one_percent_off(row: Specification, data: Any) -> None:
    arguments = data.draw(row.arguments)
    exact = row.check(arguments, order=1)
    if exact.counts["ok"] == 0 or not any(np.any(g) for g in gradients_of(row, arguments)):
        return  # only kinks, or no gradient at all, at this point
    with pytest.raises(GradientMismatch):
        row.check(arguments, distorted(row.primitive), order=1)


def gradients_of(row: Specification, arguments: tuple[Any, ...], dtype: Any = np.float64) -> list[Any]:
    tensors = as_tensors(arguments, dtype)
    y = row.primitive(*tensors, **row.options)
    y.backward(np.ones(y.shape, y.dtype))
    return [t.grad.data for t in tensors if isinstance(t, tg.Tensor) and t.grad is not None]


@pytest.mark.parametrize("row", DIFFERENTIABLE)
@settings(max_examples=5)
@given(data=st.data())
def test_float32_stays_float32_and_close_to_float64(row: Specification, data: Any) -> None:
    if row.name == "cast":
        return  # the dtype is its argument
    arguments = data.draw(row.arguments)
    tensors = as_tensors(arguments, np.float32)
    assert row.primitive(*tensors, **row.options).dtype == np.float32
    single = [np.asarray(a, np.float32).astype(np.float64) if isinstance(a, tg.Tensor) else a for a in arguments]
    for low, high in zip(
        gradients_of(row, arguments, np.float32), gradients_of(row, tuple(single), np.float64), strict=True
    ):
        assert low.dtype == np.float32
        np.testing.assert_allclose(low, high, rtol=1e-3, atol=1e-5 * max(1.0, np.abs(high).max(initial=0.0)))


@pytest.mark.parametrize("row", ROWS)
@settings(max_examples=5)
@given(data=st.data())
def test_memory_layout_does_not_matter_and_no_input_is_changed(row: Specification, data: Any) -> None:
    arguments = data.draw(row.arguments)
    plain = [np.ascontiguousarray(a).reshape(a.shape) if isinstance(a, np.ndarray) else a for a in arguments]
    before = [np.array(a) if isinstance(a, np.ndarray) else a for a in arguments]
    np.testing.assert_allclose(
        row.primitive(*arguments, **row.options), row.primitive(*plain, **row.options), rtol=1e-12, atol=1e-14
    )
    for old, new in zip(before, arguments, strict=True):
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("row", DIFFERENTIABLE)
@settings(max_examples=5)
@given(data=st.data())
def test_no_gradient_shares_memory(row: Specification, data: Any) -> None:
    tensors = as_tensors(data.draw(row.arguments), np.float64)
    y = row.primitive(*tensors, **row.options)
    seed = np.ones(y.shape, y.dtype)
    y.backward(seed)
    gradients = [t.grad.data for t in tensors if isinstance(t, tg.Tensor) and t.grad is not None]
    others = [seed, y.data, *(t.data for t in tensors if isinstance(t, tg.Tensor))]
    for i, gradient in enumerate(gradients):
        assert gradient.flags.writeable
        assert not any(np.shares_memory(gradient, other) for other in [*gradients[:i], *others])


@pytest.mark.parametrize("row", CONSTANT)
@settings(max_examples=5)
@given(data=st.data())
def test_piecewise_constant_primitives_give_constants(row: Specification, data: Any) -> None:
    arguments = data.draw(row.arguments)
    assert row.primitive.differentiable == []
    tensors = [tg.tensor(a) if isinstance(a, np.ndarray) else a for a in as_tensors(arguments, np.float64)]
    assert not row.primitive(*tensors, **row.options).requires_grad
