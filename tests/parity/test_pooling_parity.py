"""Pooling, adaptive pooling and up-sampling against PyTorch's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_parity
from tinygrad_cnn import nn
from tinygrad_cnn.testing.strategies import arrays

torch: Any = import_module("torch")
F = torch.nn.functional

DTYPES = st.sampled_from([np.float64, np.float32])
VALUES = st.sampled_from(["any", "ties", "special"])


def per_axis(axes: int, low: int, high: int) -> Any:
    """An int, or one per axis."""
    return st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * axes))


def images(draw: Any, axes: int, largest: int = 7) -> tuple[Any, str]:
    """An input with none, one or more in its batch, and the kind of its values."""
    size = draw(st.tuples(*[st.integers(1, largest)] * axes))
    batch, values = draw(st.sampled_from([(), (0,), (1,), (2,)])), draw(VALUES)
    return draw(arrays((*batch, draw(st.integers(1, 2)), *size), values=values, dtype=draw(DTYPES))), values


@st.composite
def pooled(draw: Any, axes: int, maximum: bool) -> tuple[Any, dict[str, Any], bool]:
    """(input, options, whether there are infinities and NaN)."""
    x, values = images(draw, axes)
    options = {
        "kernel_size": draw(per_axis(axes, 1, 4)),
        "stride": draw(st.one_of(st.none(), per_axis(axes, 1, 4))),
        "padding": draw(per_axis(axes, 0, 2)),
        "ceil_mode": draw(st.booleans()),
    }
    if maximum:
        options["dilation"] = draw(per_axis(axes, 1, 3))
        assume(not reads_only_padding(axes, x.shape[-axes:], **options))
    else:
        options["count_include_pad"] = draw(st.booleans())
        if axes == 2:
            options["divisor_override"] = draw(st.sampled_from([None, 3, -2]))
    return x, options, values == "special"


def reads_only_padding(axes: int, size: Any, dilation: Any, padding: Any, **_: Any) -> bool:
    """Whether a dilated kernel may leap over the whole input: PyTorch then points outside of it."""
    apart, borders = ((value,) * axes if isinstance(value, int) else value for value in (dilation, padding))
    return any(d > 1 and border and pixels < d for pixels, d, border in zip(size, apart, borders, strict=True))


def compare(name: str, x: Any, options: dict[str, Any], **more: Any) -> None:
    """The two functions of that name, or a refusal by both."""
    ours, theirs = getattr(tg, name), getattr(F, name)
    try:
        theirs(torch.from_numpy(np.array(x)), **options)
    except (RuntimeError, ValueError):
        assert_both_refuse(
            lambda: ours(tg.tensor(x), **options), lambda: theirs(torch.from_numpy(np.array(x)), **options)
        )
        return
    summary = ", ".join(sorted(option for option, value in options.items() if value not in (None, 0, 1, False)))
    assert_parity(name, lambda x: ours(x, **options), lambda x: theirs(x, **options), [x], options=summary, **more)


@given(pooled(2, maximum=True), st.booleans())
def test_max_pool2d(drawn: Any, return_indices: bool) -> None:
    x, options, special = drawn
    compare("max_pool2d", x, {**options, "return_indices": return_indices}, special=special)


@given(pooled(1, maximum=True), st.booleans())
def test_max_pool1d(drawn: Any, return_indices: bool) -> None:
    x, options, special = drawn
    compare("max_pool1d", x, {**options, "return_indices": return_indices}, special=special)


@given(pooled(2, maximum=False))
def test_avg_pool2d(drawn: Any) -> None:
    x, options, special = drawn
    compare("avg_pool2d", x, options, special=special)


@given(pooled(1, maximum=False))
def test_avg_pool1d(drawn: Any) -> None:
    x, options, special = drawn
    compare("avg_pool1d", x, options, special=special)


@pytest.mark.parametrize("size", range(1, 9))
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 1), (3, 2, 1), (2, 3, 1), (3, 4, 0), (5, 3, 2)])
def test_ceil_mode_windows_never_start_in_the_padding_at_the_end(
    size: int, kernel: int, stride: int, padding: int
) -> None:
    x = np.random.default_rng(0).normal(size=(1, 1, size, 7))
    options: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": True}
    compare("max_pool2d", x, {**options, "return_indices": True})
    for count_include_pad in (True, False):
        compare("avg_pool2d", x, {**options, "count_include_pad": count_include_pad})


@pytest.mark.parametrize("value", [-np.inf, np.inf, np.nan])
def test_a_maximum_over_nothing_else(value: float) -> None:
    x = np.full((1, 2, 5, 4), value)
    options: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1, "return_indices": True}
    compare("max_pool2d", x, options, special=True)
    compare("adaptive_max_pool2d", x, {"output_size": (2, 3), "return_indices": True}, special=True)


REFUSED: list[tuple[str, Any, dict[str, Any]]] = [
    ("max_pool2d", (4, 4), {"kernel_size": 2}),
    ("max_pool2d", (1, 1, 4, 4), {"kernel_size": 5}),
    ("max_pool2d", (1, 1, 4, 4), {"kernel_size": 0}),
    ("max_pool2d", (1, 1, 4, 4), {"kernel_size": 3, "padding": 2}),
    ("max_pool2d", (1, 1, 4, 4), {"kernel_size": 3, "padding": -1}),
    ("max_pool2d", (1, 1, 4, 4), {"kernel_size": 3, "dilation": 0}),
    ("max_pool2d", (1, 1, 4, 4), {"kernel_size": 3, "stride": 0}),
    ("max_pool2d", (1, 1, 0, 4), {"kernel_size": 1}),
    ("max_pool2d", (1, 1, 3, 3), {"kernel_size": 5, "stride": 1, "ceil_mode": True}),
    ("max_pool1d", (4,), {"kernel_size": 2}),
    ("max_pool1d", (1, 1, 4), {"kernel_size": 3, "padding": 2}),
    ("avg_pool2d", (1, 1, 4, 4), {"kernel_size": 3, "padding": 2}),
    ("avg_pool2d", (1, 1, 4, 4), {"kernel_size": 2, "divisor_override": 0}),
    ("avg_pool1d", (1, 1, 4), {"kernel_size": 5}),
    ("adaptive_avg_pool2d", (4, 4), {"output_size": 2}),
    ("adaptive_avg_pool2d", (1, 1, 0, 4), {"output_size": 2}),
    ("adaptive_avg_pool2d", (1, 1, 4, 4), {"output_size": -1}),
    ("adaptive_avg_pool2d", (1, 1, 4, 4), {"output_size": (1, 2, 3)}),
    ("adaptive_max_pool2d", (1, 1, 4, 4), {"output_size": -1}),
    ("interpolate", (4, 4), {"size": 2}),
    ("interpolate", (1, 1, 4, 4), {}),
    ("interpolate", (1, 1, 4, 4), {"size": 2, "scale_factor": 2}),
    ("interpolate", (1, 1, 4, 4), {"size": (2, 2, 2)}),
    ("interpolate", (1, 1, 4, 4), {"scale_factor": (2.0,)}),
    ("interpolate", (1, 1, 4, 4), {"size": 0}),
    ("interpolate", (1, 1, 4, 4), {"scale_factor": 0.1}),
    ("interpolate", (1, 1, 4, 4), {"size": 2, "mode": "linear"}),
    ("interpolate", (1, 1, 4), {"size": 2, "mode": "bilinear"}),
    ("interpolate", (1, 1, 4, 4), {"size": 2, "mode": "cubic"}),
    ("interpolate", (1, 1, 4, 4), {"size": 2, "align_corners": True}),
    ("interpolate", (1, 1, 0, 4), {"size": 2}),
]


@pytest.mark.parametrize(("name", "shape", "options"), REFUSED, ids=str)
def test_what_pytorch_refuses(name: str, shape: Any, options: dict[str, Any]) -> None:
    x = np.zeros(shape)
    assert_both_refuse(
        lambda: getattr(tg, name)(tg.tensor(x), **options), lambda: getattr(F, name)(torch.from_numpy(x), **options)
    )


# ---- adaptive


@given(st.data(), st.sampled_from(["avg", "max"]), st.integers(1, 2))
def test_adaptive_pooling(data: Any, kind: str, axes: int) -> None:
    x, values = data.draw(st.composite(images)(axes, 9))
    options = {"output_size": data.draw(per_axis(axes, 1, 6))}
    if axes == 2 and data.draw(st.booleans()):
        options["output_size"] = (None, data.draw(st.integers(1, 6)))
    if kind == "max":
        options["return_indices"] = data.draw(st.booleans())
    compare(f"adaptive_{kind}_pool{axes}d", x, options, special=values == "special")


# ---- up-sampling


@given(st.data(), st.integers(1, 2), st.sampled_from(["nearest", "linear"]))
def test_interpolate(data: Any, axes: int, mode: str) -> None:
    x, values = data.draw(st.composite(images)(axes, 6))
    assume(x.ndim == axes + 2)
    options: dict[str, Any] = {"mode": mode if mode == "nearest" or axes == 1 else "bilinear"}
    if data.draw(st.booleans()):
        options["size"] = data.draw(per_axis(axes, 1, 12))
    else:
        factors = st.sampled_from([0.5, 0.7, 1.0, 1.3, 1.5, 2.0, 3.0])
        options["scale_factor"] = data.draw(factors if axes == 1 else st.one_of(factors, st.tuples(factors, factors)))
    if mode == "linear":
        options["align_corners"] = data.draw(st.sampled_from([None, False, True]))
    if options["mode"] == "nearest" and axes == 1 and options.get("scale_factor") in (0.7, 1.3, 1.5):
        count = int(x.shape[2] * options["scale_factor"])  # its own two rules then disagree, forward and backward
        assume(count not in (x.shape[2], 2 * x.shape[2]))
    special = values == "special" and mode == "nearest"
    if values == "special" and not special:
        x = np.nan_to_num(x, nan=0.5, posinf=2.0, neginf=-2.0)
    compare("interpolate", x, options, special=special)


@pytest.mark.parametrize("pixels", [3, 7, 10, 33])
def test_nearest_picks_the_same_pixels_for_every_size(pixels: int) -> None:
    x = np.arange(float(pixels)).reshape(1, 1, 1, pixels)
    for count in range(1, 80):
        expected = F.interpolate(torch.from_numpy(x), (1, count)).numpy()
        np.testing.assert_array_equal(tg.interpolate(x, (1, count)), expected)


# ---- layers

LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}),
    ("MaxPool2d", (2, None, 1, 2), {"return_indices": True}),
    ("MaxPool1d", (3, 2, 1, 2), {}),
    ("AvgPool2d", ((3, 2),), {"padding": 1, "count_include_pad": False, "ceil_mode": True}),
    ("AvgPool2d", (2, 1, 1, False, True, 3), {}),
    ("AvgPool1d", (3, 2, 1, True, False), {}),
    ("AdaptiveAvgPool2d", ((2, None),), {}),
    ("AdaptiveAvgPool2d", (1,), {}),
    ("AdaptiveAvgPool1d", (2,), {}),
    ("AdaptiveMaxPool2d", ((3, 2), True), {}),
    ("AdaptiveMaxPool1d", (4,), {}),
    ("Upsample", (), {"scale_factor": 2}),
    ("Upsample", ((9, 4), None, "bilinear", True), {}),
]


@pytest.mark.parametrize(("name", "arguments", "options"), LAYERS, ids=str)
def test_layers(name: str, arguments: Any, options: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 7) if name.endswith("1d") else (2, 3, 7, 6))
    ours, theirs = getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)
    assert_parity(f"nn.{name}", ours, theirs, [x])
