"""NumPy's affine map and its gradients against their formulas, by each of its two products and in any layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.numpy import products

Array = NDArray[Any]

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "rows": np.copy,
    "columns": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "one row for all": lambda a: np.broadcast_to(a[:1], a.shape),
    "one number for all": lambda a: np.broadcast_to(a.flat[0], a.shape),
}


def numbers(*shape: int) -> Array:
    """Whole ones, whose sums are exact."""
    return np.random.default_rng(len(shape)).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("rows", [(6,), (2, 3), (0,)], ids=str)
@pytest.mark.parametrize("many", [0, 1 << 40], ids=["matmul", "dot"])
def test_every_layout_gives_the_formulas(
    many: int, rows: tuple[int, ...], layout: Callable[[Array], Array], monkeypatch: pytest.MonkeyPatch
) -> None:
    if 0 in rows and layout is LAYOUTS["one number for all"]:
        pytest.skip("there is no number")
    monkeypatch.setattr(products, "MANY", many)
    x, w, b, g = layout(numbers(*rows, 5)), layout(numbers(4, 5)), numbers(4), layout(numbers(*rows, 4))
    x.flags.writeable = w.flags.writeable = g.flags.writeable = False

    y = np.einsum("...i,oi->...o", x, w) + b
    assert_array_equal(reference.linear(x, w, b, False), y)
    assert_array_equal(reference.linear(x, w, b, True), np.maximum(y, 0))
    for relu, kept in ((None, g), (np.maximum(y, 0), np.where(y > 0, g, 0))):
        gx, gw, gb = reference.linear_grads(g, x, w, relu, (True, True, True))
        assert_array_equal(gx, np.einsum("...o,oi->...i", kept, w))
        assert_array_equal(gw, np.einsum("ro,ri->oi", kept.reshape(-1, 4), x.reshape(-1, 5)))
        assert_array_equal(gb, kept.reshape(-1, 4).sum(axis=0))


def test_large_results_start_at_a_line_of_the_cache() -> None:
    x, w, g = numbers(128, 300), numbers(260, 300), numbers(128, 260)
    large = [reference.linear(x, w, None, False), *reference.linear_grads(g, x, w, None, (True, True, False))[:2]]
    assert [array.ctypes.data % 64 for array in large if array is not None] == [0, 0, 0]


def test_what_has_to_be_copied_first_is_left_to_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    """`matmul` takes fifty times as long for it before NumPy 2.3."""
    monkeypatch.setattr(products, "MANY", 0)
    monkeypatch.setattr(np, "matmul", None)
    assert_array_equal(
        reference.linear(np.broadcast_to(np.float32(1), (2, 3)), numbers(4, 3), None, False).shape, (2, 4)
    )
    with pytest.raises(TypeError):
        reference.linear(np.ones((2, 3), np.float32), numbers(4, 3), None, False)
