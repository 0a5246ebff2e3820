"""The normalisation kernels: the formula, parts, layouts, large means, no input written to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_cnn.kernels import Layout, normalise, normalise_grads, normalise_relu, normalise_relu_grads
from tinygrad_cnn.kernels.numpy import normalisation

LAYOUTS = {
    "batch": Layout((4, 6, 35), (0, 2), (1, 6, 1)),
    "features": Layout((40, 6), (0,), (1, 6)),
    "layer": Layout((4, 210), (1,), (1, 210)),
    "group": Layout((4, 2, 3, 35), (2, 3), (1, 2, 3, 1)),
    "instance": Layout((4, 6, 35), (2,), (1, 6, 1)),
}


def drawn(layout: Layout) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(0)
    x, g = rng.normal(2, 3, layout.view), rng.normal(size=layout.view)
    return x, g, rng.normal(size=layout.scale), rng.normal(size=layout.scale)


def by_formula(x: Any, g: Any, w: Any, b: Any, layout: Layout, eps: float) -> Any:
    mean, var = x.mean(layout.axes, keepdims=True), x.var(layout.axes, keepdims=True)
    normal, h = (x - mean) / np.sqrt(var + eps), g * w
    spread = h.mean(layout.axes, keepdims=True) + normal * (h * normal).mean(layout.axes, keepdims=True)
    copied = tuple(axis for axis, size in enumerate(layout.scale) if size == 1)
    gw, gb = ((a).sum(copied, keepdims=True) for a in (g * normal, g))
    return normal * w + b, mean, var, (h - spread) / np.sqrt(var + eps), gw, gb


@pytest.mark.parametrize("part", [1, 2048, 1 << 30], ids=["one by one", "some", "at once"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_the_formula_whatever_the_parts(layout: Layout, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalisation, "PART", part)
    x, g, w, b = drawn(layout)
    before = [a.copy() for a in (x, g, w, b)]
    y, mean, var = normalise(x, w, b, layout, 0.1)
    found = y, mean, var, *normalise_grads(g, x, w, layout, 0.1, mean, var)
    for actual, expected in zip(found, by_formula(x, g, w, b, layout, 0.1), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)
    for old, new in zip(before, (x, g, w, b), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_relu_after_the_norm(layout: Layout) -> None:
    x, g, w, b = drawn(layout)
    y, mean, var = normalise(x, w, b, layout, 0.1)
    above, *moments = normalise_relu(x, w, b, layout, 0.1)
    for actual, expected in zip((above, *moments), (np.where(y > 0, y, 0), mean, var), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12)
    through = normalise_grads(np.where(y > 0, g, 0), x, w, layout, 0.1, mean, var)
    for actual, expected in zip(normalise_relu_grads(g, x, w, b, layout, 0.1, mean, var), through, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_any_memory_layout_and_shape_of_the_same_size(layout: Layout) -> None:
    x, g, w, b = drawn(layout)
    y, mean, var = normalise(x, w, b, layout, 0.1)
    other, _, _ = normalise(np.asfortranarray(x), w.reshape(-1), b.reshape(-1), layout, 0.1)
    np.testing.assert_allclose(other, y, rtol=1e-12)
    gx, _, _ = normalise_grads(g, x, None, layout, 0.1, mean, var)
    flat, _, _ = normalise_grads(g.reshape(-1), x.reshape(-1), None, layout, 0.1, mean, var)
    np.testing.assert_allclose(flat, gx.reshape(-1), rtol=1e-10)


def test_a_large_mean_costs_no_digits() -> None:
    layout = LAYOUTS["batch"]
    x, g, w, b = (a.astype(np.float32) for a in drawn(layout))
    y, mean, var = normalise(x + np.float32(4096), w, b, layout, 0.1)
    expected, *_ = normalise((x + np.float32(4096)).astype(float), w, b, layout, 0.1)
    np.testing.assert_allclose(y, expected, atol=2e-3)
    assert {y.dtype, mean.dtype, var.dtype} == {np.dtype(np.float32)}
    assert {a.dtype for a in normalise_grads(g, x, w, layout, 0.1, mean, var)} == {np.dtype(np.float32)}


def test_groups_of_equal_values_become_the_bias() -> None:
    layout = Layout((2, 3), (1,), (1, 3))
    y, _, _ = normalise(np.full((2, 3), 7.0), None, np.array([1.0, 2.0, 3.0]), layout, 1e-5)
    assert y.tolist() == [[1.0, 2.0, 3.0]] * 2


def test_nothing_to_normalise() -> None:
    for layout in (Layout((0, 3, 4), (0, 2), (1, 3, 1)), Layout((2, 0), (1,), (1, 0)), Layout((0, 4), (1,), (1, 4))):
        y, mean, var = normalise(np.ones(layout.view), None, None, layout, 1e-5)
        gx, gw, gb = normalise_grads(np.ones(layout.view), y, None, layout, 1e-5, mean, var)
        assert (y.shape, gx.shape, gw.shape, gb.shape) == (layout.view, layout.view, layout.scale, layout.scale)
        assert not gw.any()
