"""Batch, layer, group and instance norm against PyTorch's: outputs, running statistics, derivatives, refusals."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_close, assert_parity
from tinygrad_cnn import nn
from tinygrad_cnn.testing.strategies import arrays, shapes

torch: Any = import_module("torch")
F = torch.nn.functional

DTYPES = st.sampled_from([np.float64, np.float32])
SIZES = st.tuples(st.sampled_from([0, 1, 2, 5]), st.integers(1, 4), shapes(0, 2, 1, 4)).map(lambda s: (*s[:2], *s[2]))


@st.composite
def scaled(draw: Any, shape: tuple[int, ...], dtype: Any) -> list[Any]:
    """[weight, bias], both or neither: with one alone several of PyTorch's backward passes break down."""
    if draw(st.booleans()):
        return [None, None]
    return [draw(arrays(shape, dtype=dtype)) for _ in range(2)]


def as_float64_if_small(dtype: Any, group: int) -> Any:
    """In a group of few elements float32 loses to cancellation what the comparison looks at."""
    return dtype if group > 8 else np.float64


@given(data=st.data())
def test_batch_norm(data: Any) -> None:
    shape, training, tracked = data.draw(SIZES), data.draw(st.booleans()), data.draw(st.booleans())
    group = shape[0] * math.prod(shape[2:])
    assume(not training or group != 1)
    dtype = as_float64_if_small(data.draw(DTYPES), group) if training else data.draw(DTYPES)
    x = data.draw(arrays(shape, dtype=dtype))
    options = {"momentum": data.draw(st.sampled_from([0.0, 0.1, 1.0])), "eps": data.draw(st.sampled_from([1e-5, 0.1]))}
    running: list[Any] = [None, None]
    if tracked or not training:
        running = [np.array(data.draw(arrays(shape[1:2], values=kind, dtype=dtype))) for kind in ("any", "positive")]
    ours = list(running)
    theirs: list[Any] = [None if r is None else torch.from_numpy(r.copy()) for r in running]
    if data.draw(st.booleans()):
        ours = [None if r is None else tg.tensor(r) for r in running]
    assert_parity(
        "batch_norm",
        lambda x, w, b: tg.batch_norm(x, ours[0], ours[1], w, b, training, **options),
        lambda x, w, b: F.batch_norm(x, theirs[0], theirs[1], w, b, training, **options),
        [x, *data.draw(scaled(shape[1:2], dtype))],
        options=f"training={training}",
    )
    for a, b in zip(ours, theirs, strict=True):
        if a is not None:
            assert_close(a.data if isinstance(a, tg.Tensor) else a, b.numpy(), "running statistics")


@given(data=st.data())
def test_instance_norm(data: Any) -> None:
    shape, from_input, tracked = data.draw(SIZES), data.draw(st.booleans()), data.draw(st.booleans())
    assume(len(shape) > 2 and (math.prod(shape[2:]) > 1 or not from_input))
    assume(shape[0])  # PyTorch makes the statistics of no example NaN, and has no derivative
    assume(shape[1] > 1 or from_input)
    dtype = as_float64_if_small(data.draw(DTYPES), math.prod(shape[2:]))
    x = data.draw(arrays(shape, dtype=dtype))
    ours: list[Any] = [None, None]
    if tracked or not from_input:
        ours = [np.array(data.draw(arrays(shape[1:2], values=kind, dtype=dtype))) for kind in ("any", "positive")]
    theirs: list[Any] = [None if r is None else torch.from_numpy(r.copy()) for r in ours]
    assert_parity(
        "instance_norm",
        lambda x, w, b: tg.instance_norm(x, ours[0], ours[1], w, b, from_input, 0.3),
        lambda x, w, b: F.instance_norm(x, theirs[0], theirs[1], w, b, from_input, 0.3),
        [x, *data.draw(scaled(shape[1:2], dtype))],
        options=f"use_input_stats={from_input}",
    )
    for a, b in zip(ours, theirs, strict=True):
        if a is not None:
            assert_close(a, b.numpy(), "running statistics")


@given(data=st.data())
def test_layer_norm(data: Any) -> None:
    shape = data.draw(shapes(1, 4, 1, 4))
    shape = (0, *shape) if data.draw(st.integers(0, 9)) == 0 else shape
    normalized = shape[-data.draw(st.integers(1, len(shape))) :]
    dtype = as_float64_if_small(data.draw(DTYPES), math.prod(normalized))
    eps = data.draw(st.sampled_from([1e-5, 0.1]))
    assert_parity(
        "layer_norm",
        lambda x, w, b: tg.layer_norm(x, normalized, w, b, eps),
        lambda x, w, b: F.layer_norm(x, normalized, w, b, eps),
        [data.draw(arrays(shape, dtype=dtype)), *data.draw(scaled(normalized, dtype))],
    )


@given(data=st.data())
def test_group_norm(data: Any) -> None:
    N, C, *rest = data.draw(SIZES)
    groups = data.draw(st.integers(1, 3))
    shape = (N, C * groups, *rest)
    assume(N * C * math.prod(rest) != 1)
    dtype = as_float64_if_small(data.draw(DTYPES), C * math.prod(rest))
    eps = data.draw(st.sampled_from([1e-5, 0.1]))
    assert_parity(
        "group_norm",
        lambda x, w, b: tg.group_norm(x, groups, w, b, eps),
        lambda x, w, b: F.group_norm(x, groups, w, b, eps),
        [data.draw(arrays(shape, dtype=dtype)), *data.draw(scaled(shape[1:2], dtype))],
    )


# ---- refusals


def ones(library: Any, *shape: int, dtype: str = "float32") -> Any:
    return tg.tensor(np.ones(shape, dtype)) if library is tg else torch.from_numpy(np.ones(shape, dtype))


REFUSED: dict[str, Any] = {
    "one value": lambda F, x: F.batch_norm(x(1, 3), None, None, training=True),
    "one pixel": lambda F, x: F.batch_norm(x(1, 3, 1, 1), None, None, training=True),
    "no statistics": lambda F, x: F.batch_norm(x(2, 3), None, None),
    "one statistic": lambda F, x: F.batch_norm(x(2, 3), x(3), None, training=True),
    "size of statistics": lambda F, x: F.batch_norm(x(2, 3), x(2), x(2), training=True),
    "size of weight": lambda F, x: F.batch_norm(x(2, 3), x(3), x(3), x(2), training=True),
    "size of bias": lambda F, x: F.batch_norm(x(2, 3), x(3), x(3), x(3), x(1), training=True),
    "eps": lambda F, x: F.batch_norm(x(2, 3), None, None, training=True, eps=0.0),
    "integers": lambda F, x: F.batch_norm(x(2, 3, dtype="int64"), None, None, training=True),
    "dtype of weight": lambda F, x: F.batch_norm(
        x(2, 3), None, None, x(3, dtype="float64"), x(3, dtype="float64"), training=True
    ),
    "vector": lambda F, x: F.batch_norm(x(3), x(3), x(3)),
    "layer: size": lambda F, x: F.layer_norm(x(2, 3), (2,)),
    "layer: nothing": lambda F, x: F.layer_norm(x(2, 3), ()),
    "layer: too many": lambda F, x: F.layer_norm(x(3), (2, 3)),
    "layer: weight": lambda F, x: F.layer_norm(x(2, 3), (3,), x(2)),
    "layer: shape of weight": lambda F, x: F.layer_norm(x(2, 3), (3,), x(1, 3)),
    "layer: int": lambda F, x: F.layer_norm(x(2, 3), 3),
    "layer: integers": lambda F, x: F.layer_norm(x(2, 3, dtype="int64"), (3,)),
    "group: number": lambda F, x: F.group_norm(x(2, 4, 3), 3),
    "group: zero": lambda F, x: F.group_norm(x(2, 4, 3), 0),
    "group: negative": lambda F, x: F.group_norm(x(2, 4, 3), -2),
    "group: vector": lambda F, x: F.group_norm(x(4), 2),
    "group: one value": lambda F, x: F.group_norm(x(1, 4), 4),
    "group: weight": lambda F, x: F.group_norm(x(2, 4), 2, x(2)),
    "instance: one value": lambda F, x: F.instance_norm(x(2, 3, 1)),
    "instance: no pixels": lambda F, x: F.instance_norm(x(2, 3)),
    "instance: vector": lambda F, x: F.instance_norm(x(3)),
    "instance: no statistics": lambda F, x: F.instance_norm(x(2, 3, 4), use_input_stats=False),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_both_refuse(call: Any) -> None:
    assert_both_refuse(
        lambda: call(tg, lambda *shape, **kind: ones(tg, *shape, **kind)),
        lambda: call(F, lambda *shape, **kind: ones(torch, *shape, **kind)),
    )


MODULES_REFUSED: dict[str, Any] = {
    "1d of images": lambda nn, x: nn.BatchNorm1d(3)(x(2, 3, 4, 5)),
    "1d of a vector": lambda nn, x: nn.BatchNorm1d(3)(x(3)),
    "2d of sequences": lambda nn, x: nn.BatchNorm2d(3)(x(2, 3, 4)),
    "number of channels": lambda nn, x: nn.BatchNorm1d(3)(x(2, 4)),
    "negative": lambda nn, x: nn.BatchNorm1d(-1),
    "one value": lambda nn, x: nn.BatchNorm1d(3)(x(1, 3)),
    "one value without statistics": lambda nn, x: nn.BatchNorm1d(3, track_running_stats=False).eval()(x(1, 3)),
    "layer: negative": lambda nn, x: nn.LayerNorm(-1),
    "layer: size": lambda nn, x: nn.LayerNorm(3)(x(2, 4)),
    "group: number": lambda nn, x: nn.GroupNorm(3, 4),
    "group: channels": lambda nn, x: nn.GroupNorm(2, 4)(x(2, 6)),
    "instance: matrix": lambda nn, x: nn.InstanceNorm2d(3)(x(4, 5)),
    "instance: channels": lambda nn, x: nn.InstanceNorm2d(3, affine=True)(x(2, 4, 5, 5)),
}


@pytest.mark.parametrize("call", MODULES_REFUSED.values(), ids=MODULES_REFUSED)
def test_modules_refuse(call: Any) -> None:
    assert_both_refuse(
        lambda: call(nn, lambda *shape: ones(tg, *shape)), lambda: call(torch.nn, lambda *shape: ones(torch, *shape))
    )


# ---- modules

LAYERS: dict[str, Any] = {
    "BatchNorm1d(3)": (3, 4),
    "BatchNorm1d(3, momentum=None)": (4, 3, 2),
    "BatchNorm1d(3, affine=False)": (4, 3),
    "BatchNorm1d(3, track_running_stats=False)": (4, 3),
    "BatchNorm2d(3, eps=1e-3, momentum=0.2)": (2, 3, 4, 5),
    "BatchNorm2d(3, bias=False)": (2, 3, 4, 5),
    "LayerNorm(5)": (2, 3, 5),
    "LayerNorm((3, 5), elementwise_affine=False)": (2, 3, 5),
    "LayerNorm(5, bias=False)": (2, 5),
    "GroupNorm(2, 4)": (2, 4, 5),
    "GroupNorm(2, 4, affine=False)": (2, 4, 3, 5),
    "InstanceNorm2d(3)": (2, 3, 4, 5),
    "InstanceNorm2d(3, affine=True)": (3, 4, 5),
    "InstanceNorm2d(3, affine=True, track_running_stats=True)": (2, 3, 4, 5),
}
LAYERS["BatchNorm1d(3)"] = (4, 3)


@pytest.mark.parametrize("layer", LAYERS)
def test_modules_train_and_evaluate_alike(layer: str) -> None:
    ours, theirs = eval(f"nn.{layer}", {"nn": nn}), eval(f"nn.{layer}", {"nn": torch.nn})
    assert repr(ours) == repr(theirs)
    rng = np.random.default_rng(0)
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        x = rng.normal(1, 2, LAYERS[layer]).astype(np.float32)
        assert_parity(f"nn.{layer.partition('(')[0]}", ours, theirs, [x], options=layer, order=1)
        state = {key: value.numpy() for key, value in theirs.state_dict().items()}
        assert list(ours.state_dict()) == list(state)
        for key, value in ours.state_dict().items():
            assert_close(value, state[key], key)
    ours.load_state_dict(state)
