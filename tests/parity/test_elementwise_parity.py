"""Elementwise operations against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_parity
from tinygrad_cnn.testing.strategies import arrays

torch: Any = pytest.importorskip("torch")

DTYPES = st.sampled_from([np.float64, np.float32])
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)

FUNCTIONS = {  # name: the values it is compared on besides "special" ones
    **dict.fromkeys(["exp", "expm1", "tanh", "sigmoid", "sin", "cos", "atan", "tan"], "any"),
    **dict.fromkeys(["abs", "neg", "relu", "sign", "floor", "round"], "integers"),
    **dict.fromkeys(["log", "log1p", "sqrt", "rsqrt"], "positive"),
    **dict.fromkeys(["asin", "acos"], "fractions"),
}
NAN_DIFFERS = {"abs", "sign"}  # the sign of NaN: NaN here, 0 in PyTorch
PAIRS = {"add": "any", "sub": "any", "mul": "any", "div": "positive", "maximum": "ties", "minimum": "ties"}
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]


@st.composite
def values(draw: Any, kind: str, shape: Any = SHAPES) -> Any:
    x = draw(arrays(shape, values="positive" if kind == "fractions" else kind, dtype=draw(DTYPES)))
    return np.asarray(x - np.asarray(1.25, x.dtype)) if kind == "fractions" else x


@st.composite
def pairs(draw: Any, kind: str, mixed: bool = False) -> tuple[Any, Any]:
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3)).input_shapes
    dtypes = draw(st.sampled_from([[np.float64] * 2, [np.float32] * 2] + [[np.float32, np.float64]] * mixed))
    first, second = (draw(arrays(shape, values=kind, dtype=dtype)) for shape, dtype in zip(shapes, dtypes, strict=True))
    return first, second


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.data())
def test_functions(name: str, data: Any) -> None:
    assert_parity(name, getattr(tg, name), getattr(torch, name), [data.draw(values(FUNCTIONS[name]))])


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.data())
def test_functions_of_infinities_and_nan(name: str, data: Any) -> None:
    x = data.draw(values("special"))
    if name in NAN_DIFFERS:
        x = np.where(np.isnan(x), 0.5, x).astype(x.dtype)
    assert_parity(name, getattr(tg, name), getattr(torch, name), [x], options="special", order=1, special=True)


@pytest.mark.parametrize("name", [*FUNCTIONS, "clamp"])
def test_functions_of_integers(name: str) -> None:
    x = np.array([[0, 1], [1, 0]])
    options: Any = {"min": 1} if name == "clamp" else {}
    ours, theirs = getattr(tg, name), getattr(torch, name)
    assert_parity(name, lambda x: ours(x, **options), lambda x: theirs(x, **options), [x], special=True)


@pytest.mark.parametrize("decimals", [-1, 0, 1, 3])
@given(st.data())
def test_round_to_decimals(decimals: int, data: Any) -> None:
    x = np.asarray(np.round(data.draw(values("any")) * 20, 2))
    assert_parity(
        "round",
        lambda x: tg.round(x, decimals=decimals),
        lambda x: torch.round(x, decimals=decimals),
        [x],
        options="decimals",
    )


def test_halves_round_to_the_even_one() -> None:
    assert_parity("round", tg.round, torch.round, [np.arange(-4.5, 5.0)], options="halves")


@pytest.mark.parametrize("kind", ["usual", "special"])
@pytest.mark.parametrize("name", PAIRS)
@given(st.data())
def test_pairs(name: str, kind: str, data: Any) -> None:
    special = kind == "special"
    drawn = data.draw(pairs("special" if special else PAIRS[name]))
    order = 1 if special else 2
    assert_parity(name, getattr(tg, name), getattr(torch, name), drawn, options=kind, order=order, special=special)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "maximum"])
@given(pairs("integers", mixed=True))
def test_pairs_of_two_dtypes(name: str, drawn: Any) -> None:
    assert_parity(name, getattr(tg, name), getattr(torch, name), drawn, options="two dtypes", order=0)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
@given(st.data())
def test_pairs_with_a_number(name: str, data: Any) -> None:
    x, number = data.draw(values("any")), data.draw(st.sampled_from([2, -0.5, 3.0]))
    assert_parity(name, getattr(tg, name), getattr(torch, name), [x, number], options="number")


@pytest.mark.parametrize("name", COMPARISONS)
@given(pairs("special", mixed=True))
def test_comparisons(name: str, drawn: Any) -> None:
    assert_parity(name, getattr(tg, name), getattr(torch, name), drawn, special=True)
    assert_parity(name, getattr(tg, name), getattr(torch, name), [drawn[0], 0.5], options="number", special=True)


# ---- powers


@given(pairs("positive"))
def test_pow(drawn: Any) -> None:
    assert_parity("pow", tg.pow, torch.pow, drawn, options="tensor exponent")


@given(values("integers"), st.sampled_from([0, 1, 2, 3, 0.0, 2.0, 3.0, np.float64(2), 0.5, -1, -0.5]))
def test_pow_with_a_number(x: Any, exponent: float) -> None:
    if exponent < 1 and exponent:
        x = np.asarray(np.abs(x) + 1)
    assert_parity("pow", tg.pow, torch.pow, [x, exponent], options="number exponent", special=True)


@given(values("any"), st.sampled_from([2, 0.5, 3.0]))
def test_a_number_to_a_power(exponents: Any, base: float) -> None:
    assert_parity("pow", lambda b: base**b, lambda b: base**b, [exponents], options="number base")


@pytest.mark.parametrize("base", [0.0, -1.5])
def test_a_number_below_1_to_a_power(base: float) -> None:
    column = np.array([-1.0, 0.0, 2.0], np.float32)
    assert_parity("pow", lambda b: base**b, lambda b: base**b, [column], options="zeros", order=1, special=True)


def test_pow_at_zero() -> None:
    bases, exponents = np.meshgrid([0.0, -1.0, 2.0, np.inf], [-1.0, 0.0, 1.0, 2.0, 0.5])
    assert_parity("pow", tg.pow, torch.pow, [bases, exponents], options="zeros", order=1, special=True)


def test_integers_to_negative_powers_are_refused() -> None:
    assert_both_refuse(lambda: tg.pow(tg.tensor([2]), -1), lambda: torch.pow(torch.tensor([2]), -1))


# ---- bounds and choice


@pytest.mark.parametrize("name", ["clamp", "clip"])
@given(values("special"), st.sampled_from([(None, 0.5), (-1, None), (-1.0, 0.5), (1.0, -1.0), (np.nan, 1.0)]))
def test_clamp_by_numbers(name: str, x: Any, bounds: Any) -> None:
    assert_parity(
        name, lambda x: getattr(tg, name)(x, *bounds), lambda x: getattr(torch, name)(x, *bounds), [x], special=True
    )


@pytest.mark.parametrize("given_bounds", ["min", "max", "min, max"])
@given(st.data())
def test_clamp_by_tensors(given_bounds: str, data: Any) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=3))
    dtype = data.draw(DTYPES)
    x, *bounds = [
        data.draw(arrays(shape, values="integers", dtype=dtype))
        for shape in (shapes.result_shape, *shapes.input_shapes)
    ]
    names = given_bounds.split(", ")
    assert_parity(
        "clamp",
        lambda x, *bounds: tg.clamp(x, **dict(zip(names, bounds, strict=True))),
        lambda x, *bounds: torch.clamp(x, **dict(zip(names, bounds, strict=True))),
        [x, *bounds[: len(names)]],
        options=f"tensors {given_bounds}",
    )


@given(st.data())
def test_where(data: Any) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=3)).input_shapes
    condition = data.draw(arrays(shapes[0])) > 0
    a, b = (data.draw(arrays(shape, values="special", dtype=data.draw(DTYPES))) for shape in shapes[1:])
    assert_parity("where", tg.where, torch.where, [np.asarray(condition), a, b], special=True)
    assert_parity("where", tg.where, torch.where, [np.asarray(condition), a, 0.5], options="number", special=True)


@pytest.mark.parametrize("name", [*PAIRS, "pow", *COMPARISONS])
def test_shapes_that_do_not_broadcast_are_refused(name: str) -> None:
    mine, theirs = tg.tensor(np.ones((2, 3))), torch.ones(2, 3)
    assert_both_refuse(lambda: getattr(tg, name)(mine, mine.T), lambda: getattr(torch, name)(theirs, theirs.T))


def test_what_pytorch_refuses() -> None:
    x = np.ones((2, 3))
    mine, theirs = tg.tensor(x), torch.from_numpy(x)
    assert_both_refuse(lambda: tg.clamp(mine), lambda: torch.clamp(theirs))
    assert_both_refuse(lambda: tg.clamp(mine, mine.T), lambda: torch.clamp(theirs, theirs.T))
    assert_both_refuse(lambda: tg.where(mine, mine, mine), lambda: torch.where(theirs, theirs, theirs))
    integers = np.array([10, 20])
    assert_both_refuse(
        lambda: tg.round(tg.tensor(integers), decimals=-1),
        lambda: torch.round(torch.from_numpy(integers), decimals=-1),
    )
