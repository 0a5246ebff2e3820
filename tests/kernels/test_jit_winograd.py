"""Winograd's convolution against NumPy's in float64, and its transforms against the convolution they are to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn import kernels
from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import winograd, winograd_gradient, winograd_tiles
from tinygrad_cnn.kernels.jit import winograd_transforms as transforms
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

EXACT = 1e-5  # the relative error that float32 may have

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),  # channels last
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],  # negative strides
]


class Case:
    """Random arrays of one geometry, read-only; w is scaled so that outputs are about as large as inputs."""

    def __init__(
        self,
        images: int,
        inputs: int,
        outputs: int,
        size: Any,
        padding: Any = 1,
        layout: Callable[[Array], Array] = np.copy,
    ) -> None:
        rng = np.random.default_rng(0)
        self.window = window("conv2d", size, 3, 1, padding)
        self.x = self._array(rng, (images, inputs, *self.window.size), layout)
        self.w = self._array(rng, (outputs, inputs, 3, 3)) / np.float32(3 * inputs**0.5)
        self.b = self._array(rng, (outputs,))
        self.g = self._array(rng, (images, outputs, *self.window.output_size), layout)

    @staticmethod
    def _array(rng: Any, shape: tuple[int, ...], layout: Callable[[Array], Array] = np.copy) -> Array:
        array = layout(rng.standard_normal(shape).astype(np.float32))
        array.flags.writeable = False
        return array

    @property
    def pool(self) -> Window:
        return window("max_pool2d", self.window.output_size, 2, 2, 0)

    def exact(self) -> dict[str, Array]:
        """The results in float64."""
        x, w, b, g = (array.astype(np.float64) for array in (self.x, self.w, self.b, self.g))
        y = reference.conv2d(x, w, b, self.window)
        return {
            "conv2d": y,
            "conv2d, relu": np.maximum(y, 0),
            "conv2d_input_grad": reference.conv2d_input_grad(g, w, self.window),
            "conv2d_weight_grad": reference.conv2d_weight_grad(x, g, self.window),
        }

    def results(self) -> dict[str, Array]:
        """The same by Winograd's algorithm."""
        return {
            "conv2d": winograd.conv2d(self.x, self.w, self.b, self.window, relu=False),
            "conv2d, relu": winograd.conv2d(self.x, self.w, self.b, self.window, relu=True),
            "conv2d_input_grad": winograd.conv2d_input_grad(self.g, self.w, self.window),
            "conv2d_weight_grad": winograd.conv2d_weight_grad(self.x, self.g, self.window),
        }


def assert_close(results: dict[str, Array], exact: dict[str, Array]) -> None:
    for name, expected in exact.items():
        result = results[name]
        assert result.dtype == np.float32
        assert result.shape == expected.shape
        scale = max(np.linalg.norm(expected), expected.size**0.5)  # a single output may happen to be almost 0
        error = np.linalg.norm(result - expected) / scale
        assert error < EXACT, f"{name}: relative error {error:.1e}"


@pytest.fixture
def threads() -> Iterator[None]:
    """Lets a test set the number of threads."""
    before = SETTINGS.threads
    yield
    SETTINGS.threads = before


# ---- results ---------------------------------------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn) -> Case:
    sides = st.tuples(st.integers(0, 3), st.integers(0, 3))
    padding = draw(st.tuples(sides, sides))
    size = tuple(max(1, 3 - sum(side)) + draw(st.integers(0, 10)) for side in padding)
    channels = st.sampled_from([1, 5, 12, 16, 20, 33])
    return Case(draw(st.integers(1, 3)), draw(channels), draw(channels), size, padding, draw(st.sampled_from(LAYOUTS)))


@given(cases())
def test_every_geometry(case: Case) -> None:
    assert_close(case.results(), case.exact())


@pytest.mark.parametrize(
    ("images", "inputs", "outputs", "size"),
    [(2, 64, 64, 32), (3, 48, 20, 14), (5, 20, 48, 7), (9, 128, 64, 8), (3, 64, 128, 9), (7, 256, 256, 4)],
)
def test_layers_of_networks(images: int, inputs: int, outputs: int, size: int) -> None:
    case = Case(images, inputs, outputs, size)
    assert_close(case.results(), case.exact())


def test_sums_over_many_tiles_stay_exact() -> None:
    case = Case(40, 5, 12, 64)
    assert_close(
        {"conv2d_weight_grad": winograd.conv2d_weight_grad(case.x, case.g, case.window)},
        {"conv2d_weight_grad": case.exact()["conv2d_weight_grad"]},
    )


@pytest.mark.parametrize(("channels", "error"), [(16, 7e-7), (64, 1.3e-6), (256, 2e-6)])
def test_points_lose_few_digits(channels: int, error: float) -> None:
    """The usual ones, 0, 1, -1, 2, -2 and infinity, lose more."""
    case = Case(4, channels, channels, 16)
    exact, results = case.exact(), case.results()
    for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"):
        lost = np.linalg.norm(results[name] - exact[name]) / np.linalg.norm(exact[name])
        assert lost < error, (name, lost)


def test_what_memory_held_is_in_no_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers beyond the last channel are multiplied, too: denormal ones would make that twenty times slower."""
    case, made = Case(2, 20, 12, 8), []

    def planes(*sizes: int) -> Array:
        made.append(np.full_like(winograd_tiles.planes(*sizes), np.nan))
        return made[-1]

    monkeypatch.setattr(winograd_gradient, "planes", planes)
    winograd.conv2d_weight_grad(case.x, case.g, case.window)
    of_g = next(array for array in made if array.shape[3] == 16)
    assert (of_g[0, ..., 12:] == 0).all()


def test_no_bias_is_a_bias_of_zeros() -> None:
    case = Case(2, 20, 33, 7)
    zeros = np.zeros_like(case.b)
    assert_array_equal(
        winograd.conv2d(case.x, case.w, None, case.window, relu=False),
        winograd.conv2d(case.x, case.w, zeros, case.window, relu=False),
    )


def test_images_come_channels_last_and_weights_as_they_are() -> None:
    case = Case(2, 20, 33, 7)
    results = case.results()
    assert results["conv2d"].transpose(0, 2, 3, 1).flags.c_contiguous
    assert results["conv2d_input_grad"].transpose(0, 2, 3, 1).flags.c_contiguous
    assert results["conv2d_weight_grad"].flags.c_contiguous


def test_the_inputs_stay_as_they_were() -> None:
    case, again = Case(2, 20, 33, 7, layout=LAYOUTS[1]), Case(2, 20, 33, 7, layout=LAYOUTS[1])
    case.x.flags.writeable = case.g.flags.writeable = True  # taken as they are, without a copy
    case.results()
    for name in ("x", "w", "b", "g"):
        assert_array_equal(getattr(case, name), getattr(again, name))


# ---- pooling ---------------------------------------------------------------------------------------------------------


def pooled(case: Case) -> tuple[Array, Array]:
    """What `conv2d_pooled` is to give: the maxima of `conv2d` with relu, and their taps."""
    y, index = reference.max_pool2d(winograd.conv2d(case.x, case.w, case.b, case.window, relu=True), case.pool)
    p, q = np.divmod(index, case.window.output_size[1])
    return y, p % 2 * 2 + q % 2


@given(cases())
def test_pooling_in_one_go(case: Case) -> None:
    if min(case.window.output_size) < 2:
        return
    y, taps = winograd.conv2d_pooled(case.x, case.w, case.b, case.window, case.pool)
    expected, expected_taps = pooled(case)
    assert_array_equal(y, expected)
    assert_array_equal(taps, expected_taps)
    assert taps.dtype == np.uint8
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous


def test_pooling_takes_the_first_of_equal_maxima_and_the_last_nan() -> None:
    case = Case(1, 16, 16, 8)
    case.x = np.zeros_like(case.x)
    case.b = np.linspace(-1, 1, 16, dtype=np.float32)
    y, taps = winograd.conv2d_pooled(case.x, case.w, case.b, case.window, case.pool)
    assert_array_equal(y, np.broadcast_to(np.maximum(case.b, 0)[:, None, None], y.shape))
    assert not taps.any()

    case.x[..., 4:, 4:] = np.nan
    y, taps = winograd.conv2d_pooled(case.x, case.w, case.b, case.window, case.pool)
    expected, expected_taps = pooled(case)
    assert_array_equal(y, expected)
    assert_array_equal(taps, expected_taps)
    assert np.isnan(y[..., 2:, 2:]).all()
    assert (taps[..., 2:, 2:] == 3).all()


def test_which_pooling_it_can_do() -> None:
    frame = window("conv2d", 8, 3, 1, 1)

    def pools(kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> bool:
        return winograd.pools(frame, window("max_pool2d", 8, kernel, stride, padding, dilation))

    assert pools(2, 2)
    assert not pools(3, 2)
    assert not pools(2, 1)
    assert not pools(2, 2, padding=1)
    assert not pools(2, 2, dilation=2)


# ---- promises --------------------------------------------------------------------------------------------------------


def test_the_same_bits_every_time() -> None:
    case = Case(9, 20, 33, 14)
    first, second = case.results(), case.results()
    for name, result in first.items():
        assert_array_equal(result, second[name], err_msg=name)


def test_an_image_gives_the_same_bits_in_any_batch() -> None:
    case = Case(9, 20, 33, 14)
    together = winograd.conv2d(case.x, case.w, case.b, case.window, relu=False)
    alone = winograd.conv2d(case.x[7:8], case.w, case.b, case.window, relu=False)
    assert_array_equal(together[7:8], alone)


@pytest.mark.usefixtures("threads")
def test_any_number_of_threads() -> None:
    case = Case(9, 64, 33, 14)
    exact = case.exact()
    for count in (1, 2, 3, 5):
        kernels.set_num_threads(count)
        assert_close(case.results(), exact)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_do_not_vanish(value: float) -> None:
    case = Case(2, 16, 16, 9)
    case.x, case.g = case.x.copy(), case.g.copy()
    case.x[1, 3, 4, 4] = case.g[1, 3, 4, 4] = value
    with np.errstate(invalid="ignore"):
        exact = case.exact()
    for name, result in case.results().items():
        lost = ~np.isfinite(exact[name]) & np.isfinite(result)
        assert not lost.any(), name
    assert np.isfinite(winograd.conv2d(case.x, case.w, case.b, case.window, relu=False)[0]).all()


def test_where_it_suits() -> None:
    frame = window("conv2d", 8, 3, 1, 1)
    assert winograd.suits(frame, 64, 64)
    assert winograd.suits(frame, 12, 12)
    assert not winograd.suits(frame, 3, 64)
    assert not winograd.suits(frame, 64, 3)
    assert not winograd.suits(window("conv2d", 5, 3, 1, 1), 64, 64)  # 39 % of the outputs of four tiles
    assert not winograd.suits(window("conv2d", 8, 5, 1, 2), 64, 64)
    assert not winograd.suits(window("conv2d", 8, 3, 2, 1), 64, 64)
    assert not winograd.suits(window("conv2d", 8, 3, 1, 1, dilation=2), 64, 64)


# ---- the transforms --------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)


def test_the_transforms_convolve() -> None:
    """A' [(G w) . (B' d)], in one dimension, and nested in two."""
    d, w = RNG.standard_normal(6), RNG.standard_normal(3)
    products = np.multiply(transforms.kernel(*w), transforms.data(*d))
    assert_allclose(transforms.outputs(*products), np.correlate(d, w), atol=1e-12)

    tile, kernel = RNG.standard_normal((6, 6)), RNG.standard_normal((3, 3))
    products = np.multiply(
        transforms.both_axes(transforms.kernel, kernel.tolist()), transforms.both_axes(transforms.data, tile.tolist())
    )
    expected = reference.conv2d(tile[None, None], kernel[None, None], None, window("conv2d", 6, 3, 1, 0))
    assert_allclose(transforms.both_axes(transforms.outputs, products.tolist()), expected[0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("forward", "adjoint", "count"),
    [(transforms.outputs, transforms.outputs_grad, 6), (transforms.kernel, transforms.kernel_grad, 3)],
)
def test_the_adjoints_are_adjoint(forward: Any, adjoint: Any, count: int) -> None:
    a = RNG.standard_normal(count)
    b = RNG.standard_normal(len(forward(*a)))
    assert np.dot(forward(*a), b) == pytest.approx(np.dot(a, adjoint(*b)))
