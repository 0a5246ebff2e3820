"""The compiled steps of optimisers: the same bits as NumPy's, for any size, layout and number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn.kernels import jit, set_num_threads
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import updates
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

SHAPES = [(), (0,), (1,), (37,), (5, 7), (3, 0), (2, 3, 4), (4, 3, 3, 3)]
DECAYS = [0.0, 0.01]
STEPS: dict[str, tuple[int, list[tuple[Any, ...]]]] = {  # name -> how many arrays, coefficients
    "sgd_step": (2, [(0.1, decay) for decay in DECAYS]),
    "momentum_step": (3, [(0.1, decay, 0.9, gain, nag) for decay in DECAYS for gain in (1.0, 0.5) for nag in (0, 1)]),
    "adam_step": (4, [(None, shrink, decay, 0.9, 0.999, 0.01, 1e-8) for decay in DECAYS for shrink in (1.0, 0.99)]),
}


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for arrays as small as these."""
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(updates, "GRAIN", dict.fromkeys(updates.GRAIN, 8))
    set_num_threads(2)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[Array], tuple[Any, ...]]:
    name = draw(st.sampled_from(list(STEPS)))
    count, coefficients = STEPS[name]
    shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    odd = draw(st.booleans())
    arrays = [
        rng.choice([-1.5, 0.0, 3e-20, np.nan, np.inf, -np.inf], shape) if odd else rng.normal(size=shape)
        for _ in range(count)
    ]
    if count == 4:
        arrays[3] = np.abs(arrays[3])  # a mean of squares
    return name, [np.asarray(array, dtype) for array in arrays], draw(st.sampled_from(coefficients))


def after(step: Any, arrays: list[Array], coefficients: tuple[Any, ...]) -> list[Array]:
    copies = [np.array(array) for array in arrays]
    copies[1].flags.writeable = arrays[1].flags.writeable
    with np.errstate(all="ignore"):
        step(*copies, *coefficients)
    return copies


@pytest.mark.parametrize("few", [0, 1 << 16], ids=["threads", "at once"])
@given(call=calls())
def test_a_step_gives_the_bits_of_numpys(few: int, call: tuple[str, list[Array], tuple[Any, ...]]) -> None:
    name, arrays, coefficients = call
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "FEW", few)
        found = after(getattr(jit, name), arrays, coefficients)
    for one, other in zip(found, after(getattr(reference, name), arrays, coefficients), strict=True):
        assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert_array_equal(found[1], arrays[1])  # the gradient


@pytest.mark.parametrize("name", STEPS)
def test_any_layout_and_gradients_that_cannot_be_written_to(name: str) -> None:
    count, (coefficients, *_) = STEPS[name]
    arrays = [np.abs(np.random.default_rng(i).normal(size=(30, 40))) for i in range(count)]
    expected = after(getattr(reference, name), arrays, coefficients)
    laid = [array.copy() for array in arrays]
    laid[0] = np.asfortranarray(laid[0])
    laid[1] = np.repeat(laid[1], 2, axis=1)[:, ::2]
    laid[1].flags.writeable = False
    getattr(jit, name)(*laid, *coefficients)
    for one, other in zip(laid, expected, strict=True):
        assert_array_equal(one, other)


def test_amsgrad_is_numpys() -> None:
    arrays = [np.abs(np.random.default_rng(i).normal(size=50)) for i in range(5)]
    coefficients = (1.0, 0.0, 0.9, 0.999, 0.01, 1e-8)
    for one, other in zip(
        after(jit.adam_step, arrays, coefficients), after(reference.adam_step, arrays, coefficients), strict=True
    ):
        assert_array_equal(one, other)


def test_a_large_array_is_updated_in_place_and_in_blocks_alike() -> None:
    p, g = np.random.default_rng(0).normal(size=(2, 3, 70_001)).astype(np.float32)
    whole, blocks, plain = p.copy(), p.copy(), p.copy()
    jit.sgd_step(whole, g, 0.1, 0.01)
    reference.sgd_step(blocks, g, 0.1, 0.01)
    plain -= 0.1 * (g + 0.01 * plain)
    assert whole.tobytes() == blocks.tobytes() == plain.tobytes()
