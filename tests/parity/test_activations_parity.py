"""Activations, and the softmax family, against PyTorch's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_parity
from tinygrad_cnn import nn
from tinygrad_cnn.testing.strategies import arrays, shapes

torch: Any = import_module("torch")
F = torch.nn.functional

DTYPES = st.sampled_from([np.float64, np.float32])
KINDS = st.sampled_from(["any", "integers", "special"])
NUMBERS = st.floats(-2, 2).map(lambda x: round(x, 2))

OPTIONS: dict[str, Any] = {
    "relu": {},
    "sigmoid": {},
    "tanh": {},
    "silu": {},
    "hardswish": {},
    "logsigmoid": {},
    "leaky_relu": {"negative_slope": NUMBERS},
    "elu": {"alpha": NUMBERS},
    "gelu": {"approximate": st.sampled_from(["none", "tanh"])},
    # no threshold that beta x meets exactly: there PyTorch's second derivative is not that of its first
    "softplus": {"beta": NUMBERS.filter(bool), "threshold": st.sampled_from([20.0, 1.37, 0.11])},
}

# PyTorch's slope at NaN: of hardswish it is NaN, here 0; of elu it depends on where in the array the NaN stands.
SLOPE_AT_NAN = ("elu", "hardswish")


@pytest.mark.parametrize("name", OPTIONS)
@given(data=st.data())
def test_activations(name: str, data: Any) -> None:
    kind, dtype = data.draw(KINDS), data.draw(DTYPES)
    x = np.asarray(3 * data.draw(arrays(shapes(0, 3, 0), values=kind, dtype=dtype)))
    if name == "gelu":  # at infinities PyTorch's float32 result, inf or NaN, depends on the array's length
        x = np.where(np.isinf(x), dtype(0), x)
    some = st.fixed_dictionaries({}, optional=OPTIONS[name])
    options = data.draw(some)
    assert_parity(
        name,
        lambda v: getattr(tg, name)(v, **options),
        lambda v: getattr(F, name)(v, **options),
        [x],
        options=", ".join(options),
        order=0 if kind == "special" and name in SLOPE_AT_NAN else 2,
        special=kind == "special",
    )


@given(data=st.data())
def test_prelu(data: Any) -> None:
    kind, dtype = data.draw(KINDS), data.draw(DTYPES)
    x = data.draw(arrays(shapes(0, 4, 0, 3), values=kind, dtype=dtype))
    channels = x.shape[1] if x.ndim > 1 else 1
    w = data.draw(arrays(data.draw(st.sampled_from([(), (1,), (channels,)])), dtype=dtype))
    if w.size:
        order = 2 if kind == "any" else 1  # at 0 PyTorch's second derivative is not that of its first
        assert_parity("prelu", tg.prelu, F.prelu, [x, w], order=order, special=kind == "special")


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@given(data=st.data())
def test_softmax(name: str, data: Any) -> None:
    kind, dtype = data.draw(KINDS), data.draw(DTYPES)
    x = data.draw(arrays(shapes(1, 3, 0), values=kind, dtype=dtype))
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    if kind == "special":
        x = np.where(np.isnan(x) | (x == np.inf), x.dtype.type(-np.inf), x)
    assert_parity(
        name,
        lambda v: getattr(tg, name)(v, dim),
        lambda v: getattr(F, name)(v, dim),
        [x],
        options="dim",
        order=1 if kind == "special" else 2,
        special=kind == "special",
    )


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "gelu", "silu", "softplus", "hardswish", "logsigmoid"])
def test_integers_are_refused(name: str) -> None:
    assert_both_refuse(lambda: getattr(tg, name)(tg.tensor([1, 2])), lambda: getattr(F, name)(torch.tensor([1, 2])))


@pytest.mark.parametrize(("shape", "count"), [((2, 3, 4), (2,)), ((2, 3), (1, 3)), ((3,), (3,)), ((), (2,))], ids=str)
def test_weights_that_do_not_fit_are_refused(shape: tuple[int, ...], count: tuple[int, ...]) -> None:
    assert_both_refuse(
        lambda: tg.prelu(tg.tensor(np.ones(shape)), tg.tensor(np.ones(count))),
        lambda: F.prelu(torch.ones(shape), torch.ones(count)),
    )


def test_other_options_are_refused() -> None:
    x = np.ones((2, 3))
    assert_both_refuse(
        lambda: tg.gelu(tg.tensor(x), approximate="erf"), lambda: F.gelu(torch.tensor(x), approximate="erf")
    )


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("x", "dim"), [(np.ones((2, 3)), 2), (np.array([1, 2]), 0)], ids=["dim", "integers"])
def test_softmax_refuses(name: str, x: Any, dim: int) -> None:
    assert_both_refuse(lambda: getattr(tg, name)(tg.tensor(x), dim), lambda: getattr(F, name)(torch.tensor(x), dim))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ReLU", {}),
        ("Sigmoid", {}),
        ("Tanh", {}),
        ("SiLU", {}),
        ("Hardswish", {}),
        ("LogSigmoid", {}),
        ("LeakyReLU", {"negative_slope": 0.2}),
        ("PReLU", {}),
        ("PReLU", {"num_parameters": 3, "init": 0.1}),
        ("ELU", {"alpha": 0.5}),
        ("GELU", {}),
        ("GELU", {"approximate": "tanh"}),
        ("Softplus", {"beta": 2.0, "threshold": 1.0}),
        ("Softmax", {"dim": 1}),
        ("LogSoftmax", {"dim": -1}),
    ],
    ids=str,
)
def test_modules(name: str, options: dict[str, Any]) -> None:
    ours, theirs = getattr(nn, name)(**options), getattr(torch.nn, name)(**options)
    state = {key: value.numpy() for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.state_dict().items()} == {k: v.shape for k, v in state.items()}
    ours.load_state_dict(state)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    assert_parity(f"nn.{name}", ours, theirs, [x], options=", ".join(options))
    assert repr(ours) == repr(theirs)
