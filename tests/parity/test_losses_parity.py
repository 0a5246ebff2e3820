"""Losses against PyTorch's: reductions, weights, ignored and smoothed labels, probabilities, pixels, refusals."""

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

pytestmark = pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss by both")

DTYPES = st.sampled_from([np.float64, np.float32])
REDUCTIONS = st.sampled_from(["mean", "sum", "none"])


def on_both(name: str, inputs: list[Any], options: dict[str, Any], order: int = 2, **arrays: Any) -> None:
    """Compare the two functions of that name; `arrays` are options that are constant arrays."""
    ours = {key: None if value is None else tg.tensor(value) for key, value in arrays.items()}
    theirs = {key: None if value is None else torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    assert_parity(
        name,
        lambda *x: getattr(tg, name)(*x, **options, **ours),
        lambda *x: getattr(F, name)(*x, **options, **theirs),
        inputs,
        options=", ".join([*options, *(key for key, value in arrays.items() if value is not None)]),
        order=order,
    )


# ---- classes


@st.composite
def classified(draw: Any) -> tuple[Any, Any, Any, int]:
    """Scores (N, C, ...) or (C), class numbers, weights or None, the class to ignore."""
    dtype = draw(DTYPES)
    C, pixels = draw(st.integers(1, 5)), draw(shapes(0, 2, 0, 3))
    batch = draw(st.sampled_from([(), (0,), (1,), (4,)])) if pixels == () else (draw(st.integers(0, 2)),)
    labels = np.random.default_rng(draw(st.integers(0, 99))).integers(0, C, (*batch, *pixels))
    ignore = draw(st.sampled_from([-100, -1, 0]))
    labels = np.where(np.random.default_rng(1).random(labels.shape) < draw(st.sampled_from([0, 0.3])), ignore, labels)
    weight = draw(st.one_of(st.none(), arrays((C,), values="positive", dtype=dtype)))
    return draw(arrays((*batch, C, *pixels), dtype=dtype)), np.maximum(labels, ignore), weight, ignore


@given(case=classified(), reduction=REDUCTIONS, smoothing=st.sampled_from([0.0, 0.1, 1.0]))
def test_cross_entropy_of_class_numbers(case: Any, reduction: str, smoothing: float) -> None:
    x, labels, weight, ignore = case
    options = {"ignore_index": ignore, "reduction": reduction, "label_smoothing": smoothing}
    on_both("cross_entropy", [x, np.asarray(labels)], options, weight=weight)


@given(data=st.data(), reduction=REDUCTIONS, smoothing=st.sampled_from([0.0, 0.1, 1.0]))
def test_cross_entropy_of_probabilities(data: Any, reduction: str, smoothing: float) -> None:
    x, _, weight, _ = data.draw(classified())
    target = data.draw(arrays(x.shape, values="positive", dtype=x.dtype))
    on_both("cross_entropy", [x, target], {"reduction": reduction, "label_smoothing": smoothing}, weight=weight)


@given(case=classified(), reduction=REDUCTIONS)
def test_nll_loss(case: Any, reduction: str) -> None:
    x, labels, weight, ignore = case
    on_both("nll_loss", [x, np.asarray(labels)], {"ignore_index": ignore, "reduction": reduction}, weight=weight)


def test_cross_entropy_of_special_scores() -> None:
    x = np.array([[0.0, -np.inf, 1.0], [np.nan, 0.0, 1.0], [1e4, 0.0, -1e4]])
    for labels in ([0, 1, 0], [2, 1, 2], [1, -100, 1]):
        assert_parity("cross_entropy", tg.cross_entropy, F.cross_entropy, [x, np.array(labels)], order=1, special=True)


LABELS: dict[str, Any] = {
    "too large": ((2, 3), [0, 3], {}),
    "negative": ((2, 3), [0, -1], {}),
    "in an image": ((1, 3, 1, 2), [[[0, 3]]], {}),
    "count": ((2, 3), [0, 1, 1], {}),
    "column": ((2, 3), [[0], [0]], {}),
    "pixels": ((2, 3, 4), [[0, 0, 0]] * 2, {}),
    "no pixels": ((2, 3, 4), [0, 0], {}),
    "float": ((2, 3), [0.0, 1.0], {}),
    "bool": ((2, 3), [False, True], {}),
    "weights": ((2, 3), [0, 1], {"weight": (2,)}),
    "weights as a row": ((2, 3), [0, 1], {"weight": (1, 3)}),
    "reduction": ((2, 3), [0, 1], {"reduction": "average"}),
    "no dimension": ((), 0, {}),
}


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize(("shape", "labels", "options"), LABELS.values(), ids=LABELS)
def test_both_refuse_labels(name: str, shape: Any, labels: Any, options: dict[str, Any]) -> None:
    ours, theirs = dict(options), dict(options)
    if "weight" in options:
        ours["weight"], theirs["weight"] = np.ones(options["weight"]), torch.ones(options["weight"])
    x = np.zeros(shape, np.float32)
    assert_both_refuse(
        lambda: getattr(tg, name)(tg.tensor(x), np.asarray(labels), **ours),
        lambda: getattr(F, name)(torch.tensor(x), torch.tensor(labels), **theirs),
    )


@pytest.mark.parametrize("options", [{"label_smoothing": 1.5}, {"ignore_index": 1}], ids=str)
def test_both_refuse_options_of_probabilities(options: dict[str, Any]) -> None:
    x = np.ones((2, 3), np.float32)
    assert_both_refuse(
        lambda: tg.cross_entropy(tg.tensor(x), tg.tensor(x), **options),
        lambda: F.cross_entropy(torch.tensor(x), torch.tensor(x), **options),
    )


def test_a_weight_that_requires_a_gradient_is_refused() -> None:
    x, weight = np.ones((2, 3), np.float32), np.ones(3, np.float32)
    assert_both_refuse(
        lambda: tg.cross_entropy(tg.tensor(x), [0, 1], tg.tensor(weight, requires_grad=True)),
        lambda: F.cross_entropy(torch.tensor(x), torch.tensor([0, 1]), torch.tensor(weight, requires_grad=True)),
    )


# ---- element by element

DISTANCES: dict[str, Any] = {
    "mse_loss": {},
    "l1_loss": {},
    "smooth_l1_loss": {"beta": st.sampled_from([0.0, 0.5, 2.0])},
    "huber_loss": {"delta": st.sampled_from([0.5, 1.0, 2.0])},
}


@pytest.mark.parametrize("name", [*DISTANCES, "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div"])
def test_numbers(name: str) -> None:
    on_both(name, [np.array(0.3), np.array(0.6)], {})


@pytest.mark.parametrize("name", DISTANCES)
@given(data=st.data())
def test_distances(name: str, data: Any) -> None:
    shape, dtype = data.draw(shapes(1, 3, 0)), data.draw(DTYPES)
    kind = data.draw(st.sampled_from(["any", "integers"]))
    pair = [data.draw(arrays(shape, values=kind, dtype=dtype)) for _ in range(2)]
    options = data.draw(st.fixed_dictionaries({}, optional={"reduction": REDUCTIONS, **DISTANCES[name]}))
    on_both(name, pair, options, order=2 if kind == "any" else 1)


@given(data=st.data(), reduction=REDUCTIONS)
def test_binary_cross_entropy(data: Any, reduction: str) -> None:
    shape, dtype = data.draw(shapes(1, 3, 0)), data.draw(DTYPES)
    x, t = (data.draw(arrays(shape, values="positive", dtype=dtype)) / dtype(2.2) for _ in range(2))
    weight = data.draw(st.one_of(st.none(), arrays(shape[1:], values="positive", dtype=dtype)))
    on_both("binary_cross_entropy", [np.asarray(x), np.asarray(t)], {"reduction": reduction}, weight=weight)


def test_binary_cross_entropy_at_the_ends() -> None:
    # float32, as PyTorch's 1e-12 is
    x, t = np.array([[0, 1, 0, 1, 0, 1e-30], [0, 1, 1, 0, 0.5, 0.5]], np.float32)
    assert_parity(
        "binary_cross_entropy",
        lambda x: tg.binary_cross_entropy(x, t, reduction="none"),
        lambda x: F.binary_cross_entropy(x, torch.from_numpy(t), reduction="none"),
        [x],
        options="ends",
        order=1,
    )


@given(data=st.data(), reduction=REDUCTIONS)
def test_binary_cross_entropy_with_logits(data: Any, reduction: str) -> None:
    shape, dtype = data.draw(shapes(1, 3, 0)), data.draw(DTYPES)
    x = np.asarray(data.draw(arrays(shape, dtype=dtype)) * dtype(data.draw(st.sampled_from([1, 100]))))
    t = data.draw(arrays(shape, values="positive", dtype=dtype))
    weight, pos_weight = (
        data.draw(st.one_of(st.none(), arrays(shape[1:], values="positive", dtype=dtype))) for _ in range(2)
    )
    on_both(
        "binary_cross_entropy_with_logits",
        [x, t],
        {"reduction": reduction},
        weight=weight,
        pos_weight=pos_weight,
    )


@given(data=st.data(), log_target=st.booleans())
def test_kl_div(data: Any, log_target: bool) -> None:
    shape, dtype = data.draw(shapes(1, 3, 0)), data.draw(DTYPES)
    x = data.draw(arrays(shape, dtype=dtype))
    kind = "any" if log_target else "positive"
    t = data.draw(arrays((1, *shape[1:]) if data.draw(st.booleans()) else shape, values=kind, dtype=dtype))
    reduction = data.draw(st.sampled_from(["mean", "sum", "none", "batchmean"]))
    on_both("kl_div", [x, t], {"reduction": reduction, "log_target": log_target})


def test_kl_div_of_impossible_classes() -> None:
    x, t = np.array([-1.0, -2.0]), np.array([0.0, 0.5])
    assert_parity(
        "kl_div",
        lambda x: tg.kl_div(x, t, reduction="sum"),
        lambda x: F.kl_div(x, torch.from_numpy(t), reduction="sum"),
        [x],
        options="zeros",
        order=1,
    )


REFUSED: dict[str, Any] = {
    "mse": lambda F, x: F.mse_loss(x(2, 3), x(2)),
    "mse: reduction": lambda F, x: F.mse_loss(x(2), x(2), reduction="average"),
    "l1": lambda F, x: F.l1_loss(x(2, 3), x(2)),
    "smooth l1": lambda F, x: F.smooth_l1_loss(x(2, 3), x(2)),
    "beta": lambda F, x: F.smooth_l1_loss(x(2), x(2), beta=-1.0),
    "huber": lambda F, x: F.huber_loss(x(2, 3), x(2)),
    "delta 0": lambda F, x: F.huber_loss(x(2), x(2), delta=0.0),
    "delta": lambda F, x: F.huber_loss(x(2), x(2), delta=-1.0),
    "bce": lambda F, x: F.binary_cross_entropy(x(2, 3), x(3)),
    "bce: above 1": lambda F, x: F.binary_cross_entropy(x(3) * 1.5, x(3)),
    "bce: below 0": lambda F, x: F.binary_cross_entropy(x(3) - 1.5, x(3)),
    "bce: nan": lambda F, x: F.binary_cross_entropy(x(3) * float("nan"), x(3)),
    "bce: target": lambda F, x: F.binary_cross_entropy(x(3), x(3) * 2),
    "bce: weight": lambda F, x: F.binary_cross_entropy(x(2, 3), x(2, 3), x(2)),
    "bce: large weight": lambda F, x: F.binary_cross_entropy(x(3), x(3), x(2, 3)),
    "logits": lambda F, x: F.binary_cross_entropy_with_logits(x(2, 3), x(3)),
    "logits: weight": lambda F, x: F.binary_cross_entropy_with_logits(x(2, 3), x(2, 3), x(2)),
    "logits: large weight": lambda F, x: F.binary_cross_entropy_with_logits(x(3), x(3), x(2, 3)),
    "logits: pos_weight": lambda F, x: F.binary_cross_entropy_with_logits(x(2, 3), x(2, 3), pos_weight=x(2)),
    "kl": lambda F, x: F.kl_div(x(2, 3), x(2)),
    "kl: reduction": lambda F, x: F.kl_div(x(2), x(2), reduction="average"),
    "dropout": lambda F, x: F.dropout(x(2), 1.5),
    "dropout2d": lambda F, x: F.dropout2d(x(2, 3, 1, 1), -0.5),
    "dropout2d: vector": lambda F, x: F.dropout2d(x(2)),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
@pytest.mark.filterwarnings("ignore:Using a target size", "ignore:dropout2d")
def test_both_refuse(call: Any) -> None:
    assert_both_refuse(
        lambda: call(tg, lambda *shape: tg.tensor(np.ones(shape, np.float32))),
        lambda: call(F, lambda *shape: torch.ones(shape)),
    )


# ---- modules

MODULES: list[tuple[str, dict[str, Any], str]] = [
    ("MSELoss", {"reduction": "sum"}, "numbers"),
    ("L1Loss", {}, "numbers"),
    ("SmoothL1Loss", {"beta": 0.5}, "numbers"),
    ("HuberLoss", {"delta": 0.5}, "numbers"),
    ("BCEWithLogitsLoss", {"pos_weight": [1.0, 2.0, 3.0]}, "numbers"),
    ("BCELoss", {"weight": [1.0, 2.0, 3.0]}, "probabilities"),
    ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, "numbers"),
    ("NLLLoss", {"weight": [1.0, 2.0, 3.0], "ignore_index": 1}, "labels"),
    ("CrossEntropyLoss", {"weight": [1.0, 2.0, 3.0], "ignore_index": 1, "label_smoothing": 0.1}, "labels"),
]


@pytest.mark.parametrize(("name", "options", "kind"), MODULES, ids=[name for name, _, _ in MODULES])
def test_modules(name: str, options: dict[str, Any], kind: str) -> None:
    rng = np.random.default_rng(0)
    x = (rng.random((4, 3)) if kind == "probabilities" else rng.normal(size=(4, 3))).astype(np.float32)
    target: Any = np.array([0, 1, 2, 0]) if kind == "labels" else rng.random((4, 3)).astype(np.float32)
    theirs = getattr(torch.nn, name)(**{k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()})
    ours = getattr(nn, name)(**options)
    assert {k: v.tolist() for k, v in ours.state_dict().items()} == {
        k: v.tolist() for k, v in theirs.state_dict().items()
    }
    assert_parity(f"nn.{name}", ours, theirs, [x, target], options=", ".join(options))
