"""Reductions over dimensions against PyTorch's."""

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
FULL = hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4)

OVER_MANY = {"sum": "any", "mean": "any", "amax": "ties", "amin": "ties", "any": "integers", "all": "integers"}
PICKING = ["argmax", "argmin", "max", "min"]


@st.composite
def reductions(draw: Any, kind: str, shapes: Any = SHAPES, many: bool = True) -> tuple[Any, dict[str, Any]]:
    """(input, options): some dimensions, one of them, or none named."""
    x = draw(arrays(shapes, values=kind, dtype=draw(DTYPES)))
    one = st.integers(-max(x.ndim, 1), max(x.ndim, 1) - 1)
    choices: list[Any] = [one]
    if many:
        subsets = st.lists(st.integers(0, x.ndim - 1), unique=True, min_size=1) if x.ndim else st.just([])
        choices.append(subsets.map(tuple))
    dim = draw(st.one_of(st.none(), *choices))
    return x, {} if dim is None else {"dim": dim, "keepdim": draw(st.booleans())}


def compare(name: str, x: Any, options: dict[str, Any], **more: Any) -> None:
    """The two functions of that name, or a refusal by both."""
    ours, theirs = getattr(tg, name), getattr(torch, name)
    try:
        theirs(torch.from_numpy(np.array(x)), **options)
    except (RuntimeError, ValueError, IndexError):
        assert_both_refuse(
            lambda: ours(tg.tensor(x), **options), lambda: theirs(torch.from_numpy(np.array(x)), **options)
        )
        return
    summary = ", ".join(sorted(option for option, value in options.items() if value is not False))
    assert_parity(name, lambda x: ours(x, **options), lambda x: theirs(x, **options), [x], options=summary, **more)


@pytest.mark.parametrize("kind", ["usual", "special"])
@pytest.mark.parametrize("name", OVER_MANY)
@given(st.data())
def test_over_any_dimensions(name: str, kind: str, data: Any) -> None:
    special = kind == "special"
    x, options = data.draw(reductions("special" if special else OVER_MANY[name]))
    if name in ("amax", "amin") and special:
        # the shares of several NaN: 1 / (their number) here, NaN in PyTorch
        x = np.where(np.isnan(x), 0.5, x).astype(x.dtype)
    compare(name, x, options, special=special or x.size == 0)


@pytest.mark.parametrize("kind", ["ties", "special"])
@pytest.mark.parametrize("name", PICKING)
@given(st.data())
def test_picking(name: str, kind: str, data: Any) -> None:
    x, options = data.draw(reductions(kind, many=False))
    if not options and kind == "special":
        x = np.where(np.isnan(x), 0.5, x).astype(x.dtype)
    compare(name, x, options, special=True)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.bool_])
@pytest.mark.parametrize("name", ["sum", "prod", "amax", "max", "argmin", "any", "all", "cumsum"])
def test_of_integers(name: str, dtype: Any) -> None:
    if name == "argmin" and dtype is np.bool_:
        return  # PyTorch has none
    x = np.array([[0, 1, 1], [1, 1, 1]], dtype)
    if name in ("any", "all") and dtype is np.uint8:
        return  # PyTorch answers in uint8
    compare(name, x, {"dim": 1})


# ---- products


@given(reductions("any", many=False))
def test_prod(drawn: Any) -> None:
    x, options = drawn
    factors = x.shape[options["dim"]] if options and x.ndim else x.size
    compare("prod", x, options, order=1 if factors == 1 else 2)  # of one factor it is linear


@pytest.mark.parametrize("zeros", [(), (1,), (0, 3), (0, 1, 2), (0, 1, 2, 3)], ids=len)
@pytest.mark.parametrize("keepdim", [False, True])
def test_prod_with_zeros(zeros: Any, keepdim: bool) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    x[0, zeros] = 0
    x[1, zeros, 1] = 0
    compare("prod", x, {"dim": 1, "keepdim": keepdim})
    compare("prod", x[0, :, 0], {}, order=2 if len(zeros) < 2 else 1)  # PyTorch's second derivative is 0 from two on


# ---- variances and norms


@pytest.mark.parametrize("name", ["var", "std"])
@given(st.data())
def test_var_and_std(name: str, data: Any) -> None:
    x, options = data.draw(reductions("any", shapes=FULL))
    freedom = data.draw(st.sampled_from([{}, {"correction": 0}, {"unbiased": False}, {"unbiased": True}]))
    if "dim" not in options and "unbiased" in freedom:
        freedom = {"correction": 0}
    dims = options.get("dim", tuple(range(x.ndim)))
    count = np.prod([x.shape[i] for i in ((dims,) if isinstance(dims, int) else dims)] if x.ndim else [1])
    if count < 2:
        return
    if name == "std" and x.dtype == np.float32 and count == 2:
        x = x.astype(np.float64)  # close to a kink rounding grows
    compare(name, x, {**options, **freedom})


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", ["var", "std"])
def test_var_and_std_of_one_element_and_of_equal_ones(name: str) -> None:
    compare(name, np.ones((2, 1)), {"dim": 1}, order=0, special=True)
    compare(name, np.zeros((0, 3)), {"dim": 0}, order=0, special=True)
    compare(name, np.array([[1.0, 1.0], [1.0, 3.0]]), {"dim": 1}, order=1)


@given(reductions("any"), st.sampled_from([None, "fro", 2, 1, 3, 1.5, 0.5, 0, -1, np.inf, -np.inf]))
def test_norm(drawn: Any, p: Any) -> None:
    x, options = drawn
    if x.dtype == np.float32 and p in (0.5, -1):
        x = x.astype(np.float64)  # small elements give large powers
    compare("norm", x, options if p is None else {**options, "p": p}, order=1 if p == -1 else 2, special=x.size == 0)


@pytest.mark.parametrize("p", [2, 1, 3, 1.5, 0.5, -1, np.inf, -np.inf])
def test_norm_at_zero(p: float) -> None:
    compare("norm", np.array([[0.0, 0.0], [3.0, -3.0], [0.0, 2.0]]), {"p": p, "dim": 1}, order=1, special=True)


# ---- log-sums and running sums


@given(st.sampled_from(["any", "special"]), st.data())
def test_logsumexp(kind: str, data: Any) -> None:
    x, options = data.draw(reductions(kind).filter(lambda drawn: "dim" in drawn[1] and drawn[1]["dim"] != ()))
    compare("logsumexp", x, options, special=kind == "special", order=1 if kind == "special" else 2)


def test_logsumexp_of_huge_and_integer_inputs() -> None:
    compare("logsumexp", np.array([[1e4, 1e4, -1e4], [-1e5, -1e5, -1e5]]), {"dim": 1})
    compare("logsumexp", np.array([1, 2, 3]), {"dim": 0})


@given(st.sampled_from(["any", "special"]), st.data())
def test_cumsum(kind: str, data: Any) -> None:
    shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)
    x = data.draw(arrays(shapes, values=kind, dtype=data.draw(DTYPES)))
    compare("cumsum", x, {"dim": data.draw(st.integers(-x.ndim, x.ndim - 1))}, special=True)


REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    *((name, np.ones((2, 3)), {"dim": 2}) for name in [*OVER_MANY, *PICKING, "prod", "var", "norm", "logsumexp"]),
    *((name, np.ones((2, 3)), {"dim": (0, -2)}) for name in [*OVER_MANY, "var", "std", "norm", "logsumexp"]),
    *((name, np.ones((0, 3)), {"dim": 0}) for name in ["amax", "amin", *PICKING]),
    *((name, np.array([1, 2]), {}) for name in ["mean", "var", "std", "norm"]),
    ("norm", np.ones((2, 2)), {"p": "x"}),
    ("norm", np.ones((0, 2)), {"p": np.inf, "dim": 0}),
    ("norm", np.ones((0, 2)), {"p": -1, "dim": 0}),
    ("cumsum", np.ones(2), {"dim": 1}),
    ("prod", np.ones((2, 2)), {"dim": (0, 1)}),
]


@pytest.mark.parametrize(("name", "x", "options"), REFUSED, ids=[f"{n}-{o}-{i}" for i, (n, _, o) in enumerate(REFUSED)])
def test_what_pytorch_refuses(name: str, x: Any, options: dict[str, Any]) -> None:
    assert_both_refuse(
        lambda: getattr(tg, name)(tg.tensor(x), **options), lambda: getattr(torch, name)(torch.from_numpy(x), **options)
    )
