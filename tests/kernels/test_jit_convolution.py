"""The compiled convolution, and its gradients, against NumPy's: on whole numbers bit for bit, for any window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

pytest.importorskip("numba")

from tinygrad_cnn.geometry import Window, window
from tinygrad_cnn.kernels import jit, set_num_threads
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.jit import direct, direct_gradient, layouts, line_gradient, packing
from tinygrad_cnn.kernels.jit.microkernel import ROWS
from tinygrad_cnn.kernels.settings import SETTINGS

Array = NDArray[Any]

EXACT = 1e-5  # the relative error that float32 may have
TILE = ROWS[0]

LAYOUTS: list[Callable[[Array], Array]] = [
    np.copy,
    lambda a: a.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),  # channels last
    lambda a: np.repeat(a, 2, axis=-1)[..., ::2],  # gaps
    lambda a: a[::-1, :, ::-1].copy()[::-1, :, ::-1],  # negative strides
    lambda a: np.broadcast_to(a[:, :, :1, :1], a.shape),  # the gradient of a mean
]


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even for arrays as small as these; Winograd's algorithm, which is tested by itself, only where a test asks."""
    monkeypatch.setattr(SETTINGS, "threads", SETTINGS.threads)
    monkeypatch.setattr(SETTINGS, "winograd", False)
    for module in (direct, direct_gradient, line_gradient, packing, layouts):
        monkeypatch.setattr(module, "GRAIN", 1)
    set_num_threads(2)


class Case:
    """A convolution, and arrays for it: read-only, and of whole numbers unless `fractions` are asked for."""

    def __init__(
        self,
        frame: Window,
        images: int,
        inputs: int,
        outputs: int,
        groups: int = 1,
        dtype: Any = np.float64,
        layout: Callable[[Array], Array] = np.copy,
        *,
        fractions: bool = False,
        seed: int = 0,
    ) -> None:
        rng = np.random.default_rng(seed)

        def numbers(*shape: int) -> Array:
            array = rng.standard_normal(shape) if fractions else rng.integers(-4, 5, shape)
            return array.astype(dtype)

        self.window, self.groups = frame, groups
        self.x = layout(numbers(images, inputs, *frame.size))
        self.w, self.b = numbers(outputs, inputs // groups, *frame.kernel), numbers(outputs)
        self.g = layout(numbers(images, outputs, *frame.output_size))
        for array in (self.x, self.w, self.b, self.g):
            array.flags.writeable = False

    @property
    def pool(self) -> Window:
        """Windows side by side: 2x3, or what fits."""
        size = self.window.output_size
        kernel = min(size[0], 2), min(size[1], 3)
        return window("max_pool2d", size, kernel, kernel, 0)

    def results(self, kernels: Any, dtype: Any = None) -> dict[str, Array]:
        """What the kernels of a backend give, computed in dtype."""
        x, w, b, g = (a if dtype is None else a.astype(dtype) for a in (self.x, self.w, self.b, self.g))
        y, taps = kernels.conv2d_relu_max_pool2d(x, w, b, self.window, self.groups, self.pool)
        return {
            "conv2d": kernels.conv2d(x, w, b, self.window, self.groups),
            "conv2d without bias": kernels.conv2d(x, w, None, self.window, self.groups),
            "conv2d_relu": kernels.conv2d_relu(x, w, b, self.window, self.groups),
            "conv2d_relu_max_pool2d": y,
            "taps": np.where(y == 0, 0, taps),  # no gradient passes where the maximum is 0
            "conv2d_input_grad": kernels.conv2d_input_grad(g, w, self.window, self.groups),
            "conv2d_weight_grad": kernels.conv2d_weight_grad(x, g, self.window, self.groups),
        }


def assert_same(results: dict[str, Array], expected: dict[str, Array]) -> None:
    for name, array in expected.items():
        assert results[name].dtype == array.dtype, name
        assert_array_equal(results[name], array, err_msg=name)


def case(*arguments: Any, size: Any = 9, kernel: Any = 3, stride: Any = 1, padding: Any = 1, **options: Any) -> Case:
    return Case(window("conv2d", size, kernel, stride, padding), *arguments, **options)


def pair(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    """Rectangular, with stride, dilation and padding of each axis and side."""
    kernel, dilation = draw(pair(1, 4)), draw(st.one_of(st.just((1, 1)), pair(1, 3)))
    padding = draw(st.one_of(st.just(((0, 0), (0, 0))), st.tuples(pair(0, 3), pair(0, 3))))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    size = [max(1, e - sum(p)) + draw(st.integers(0, 7)) for e, p in zip(extents, padding, strict=True)]
    return window("conv2d", tuple(size), kernel, draw(pair(1, 3)), padding, dilation)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    channels = st.sampled_from([1, 2, 3, 5, 8, 16, 17, 32, 33, 40])
    groups = draw(st.sampled_from([1, 1, 2, 3, 10]))
    inputs, outputs = (max(1, draw(channels) // groups) * groups for _ in "CO")
    if draw(st.booleans()) and groups > 1:
        inputs = groups  # depthwise
    return Case(
        draw(windows()),
        draw(st.sampled_from([1, 2, 3, 5])),
        inputs,
        outputs,
        groups,
        draw(st.sampled_from([np.float32, np.float64])),
        draw(st.sampled_from(LAYOUTS)),
        seed=draw(st.integers(0, 2**32)),
    )


@contextmanager
def ways(module: Any, **constants: float) -> Iterator[None]:
    """Other values of the constants by which a module chooses between its ways."""
    with ExitStack() as stack:
        for name, value in constants.items():
            stack.enter_context(patch.object(module, name, value))
        yield


# ---- results ---------------------------------------------------------------------------------------------------------


@given(
    cases(),
    st.sampled_from([TILE, direct.MOST]),
    st.sampled_from([0, direct.IN_PLACE, 1000]),
)
def test_every_window_gives_the_bits_of_numpy(case: Case, most: int, in_place: int) -> None:
    with ways(direct, MOST=most, FEWEST=TILE, IN_PLACE=in_place):
        assert_same(case.results(jit), case.results(reference))


@given(
    cases(),
    st.sampled_from([1, direct_gradient.FEWEST, 1000]),
    st.sampled_from([1, 20, direct_gradient.PIXELS]),
    st.sampled_from([0, direct_gradient.OWN_SUMS]),
    st.sampled_from([0, 1 << 30]),
)
def test_every_weight_gradient_gives_the_bits_of_numpy(
    case: Case, fewest: int, pixels: int, own_sums: int, few: int
) -> None:
    with ways(direct_gradient, FEWEST=fewest, PIXELS=pixels, OWN_SUMS=own_sums, FEW=few), ways(line_gradient, SHORT=0):
        result = jit.conv2d_weight_grad(case.x, case.g, case.window, case.groups)
    assert_array_equal(result, reference.conv2d_weight_grad(case.x, case.g, case.window, case.groups))


@given(cases())
def test_every_weight_gradient_in_lines_gives_the_bits_of_numpy(case: Case) -> None:
    with ways(line_gradient, SHORT=1000, GAIN=0.0, MOST_SUMS=1 << 24):
        result = jit.conv2d_weight_grad(case.x, case.g, case.window, case.groups)
    assert_array_equal(result, reference.conv2d_weight_grad(case.x, case.g, case.window, case.groups))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("images", "inputs", "outputs", "groups", "options"),
    [
        (3, 1, 6, 1, {"size": 28, "kernel": 5, "padding": 2}),
        (2, 2, 5, 1, {"size": (40, 21), "kernel": (2, 3), "stride": (2, 1)}),
        (3, 12, 12, 1, {"size": 32, "kernel": 3}),
        (3, 6, 16, 1, {"size": 14, "kernel": 5, "padding": 0}),
        (2, 64, 128, 1, {"size": 8, "kernel": 3}),
        (2, 64, 40, 1, {"size": (5, 16), "kernel": 3}),
        (1, 144, 48, 1, {"size": (4, 12), "kernel": 3}),
        (2, 128, 64, 1, {"size": 9, "kernel": 1, "padding": 0}),
        (2, 40, 40, 40, {"size": 11, "kernel": 3}),
        (1, 3, 33, 1, {"size": 32, "kernel": 7, "stride": 2, "padding": 3}),
        (2, 48, 20, 4, {"size": (5, 13), "kernel": (1, 5), "stride": (1, 2), "padding": "same"}),
    ],
)
def test_layers_of_networks(
    images: int, inputs: int, outputs: int, groups: int, options: dict[str, Any], dtype: Any
) -> None:
    whole = case(images, inputs, outputs, groups, dtype, **options)
    assert_same(whole.results(jit), whole.results(reference))


@pytest.mark.parametrize("winograd", [False, True])
@pytest.mark.parametrize(("images", "inputs", "outputs", "size"), [(5, 3, 64, 32), (9, 64, 64, 16), (3, 256, 48, 8)])
def test_float32_is_close_to_float64(
    images: int, inputs: int, outputs: int, size: int, winograd: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SETTINGS, "winograd", winograd)
    layer = case(images, inputs, outputs, dtype=np.float32, size=size, fractions=True)
    results, exact = layer.results(jit), layer.results(reference, np.float64)
    for name in set(exact) - {"taps"}:
        error = np.linalg.norm(results[name] - exact[name]) / np.linalg.norm(exact[name])
        assert error < EXACT, f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 3), (12, 16)])
def test_a_sum_over_many_pixels_loses_few_digits(inputs: int, outputs: int) -> None:
    layer = case(20, inputs, outputs, dtype=np.float32, size=128, fractions=True)
    exact = reference.conv2d_weight_grad(layer.x.astype(np.float64), layer.g.astype(np.float64), layer.window)
    result = jit.conv2d_weight_grad(layer.x, layer.g, layer.window)
    assert np.linalg.norm(result - exact) / np.linalg.norm(exact) < 1e-6


@pytest.mark.parametrize(("size", "outputs"), [(16, 48), (8, 48), (16, 256)])
def test_a_sum_over_many_channels_loses_few_digits(size: int, outputs: int) -> None:
    """As it is cut into shorter ones: in one go it would lose twice as much."""
    layer = case(2, 256, outputs, dtype=np.float32, size=size, fractions=True)
    results, exact = layer.results(jit), layer.results(reference, np.float64)
    for name in ("conv2d", "conv2d_relu"):
        assert np.linalg.norm(results[name] - exact[name]) / np.linalg.norm(exact[name]) < 4e-7, name


@given(cases())
def test_the_gradients_are_adjoint(case: Case) -> None:
    results = case.results(jit)
    value = np.vdot(results["conv2d without bias"], case.g)
    assert np.vdot(case.x, results["conv2d_input_grad"]) == value
    assert np.vdot(case.w, results["conv2d_weight_grad"]) == value


@given(
    cases(),
    st.sampled_from([np.nan, np.inf, -np.inf]),
    st.sampled_from([TILE, direct.MOST]),
    st.sampled_from([0, line_gradient.SHORT, 1000]),
)
def test_nan_and_infinities_go_where_numpy_has_them(case: Case, value: float, most: int, short: int) -> None:
    for name in ("x", "g"):
        if name == "g" and case.groups > 1 and case.window.is_padded:
            continue  # a gradient times the zeros of the padding: some kernels skip those
        array = getattr(case, name).copy()
        array.flat[array.size // 2] = value
        setattr(case, name, array)
    in_lines = ways(line_gradient, SHORT=short, GAIN=0.0)
    with np.errstate(invalid="ignore"), ways(direct, MOST=most, FEWEST=TILE), in_lines:
        assert_same(case.results(jit), case.results(reference))


def test_denormals_and_overflow() -> None:
    layer = case(2, 5, 7, dtype=np.float32)
    w = layer.w
    layer.w = w * np.float32(1e-42)
    expected = reference.conv2d(layer.x.astype(np.float64), layer.w.astype(np.float64), None, layer.window)
    assert_array_equal(jit.conv2d(layer.x, layer.w, None, layer.window), expected.astype(np.float32))
    largest = jit.conv2d(layer.x, w * np.float32(5e36), None, layer.window)
    assert np.isinf(largest).any()
    assert np.isfinite(largest).any()


# ---- edges -----------------------------------------------------------------------------------------------------------


def test_an_empty_batch() -> None:
    layer = case(0, 4, 6, dtype=np.float32)
    assert_same(layer.results(jit), layer.results(reference))


def test_other_dtypes_are_left_to_numpy() -> None:
    layer = case(2, 4, 6, dtype=np.longdouble)
    assert_same(layer.results(jit), layer.results(reference))


def test_the_inputs_stay_as_they_were() -> None:
    layer, again = (case(3, 20, 33, dtype=np.float32, layout=LAYOUTS[1]) for _ in range(2))
    layer.x.flags.writeable = layer.g.flags.writeable = True  # taken as they are, without a copy
    layer.results(jit)
    for name in ("x", "w", "b", "g"):
        assert_array_equal(getattr(layer, name), getattr(again, name))


def test_no_result_shares_memory_with_an_input() -> None:
    layer = case(1, 1, 1, dtype=np.float32, size=6, kernel=1, padding=0)
    for array in layer.results(jit).values():
        assert not any(np.shares_memory(array, known) for known in (layer.x, layer.w, layer.b, layer.g))


def test_images_come_channels_last_and_weights_as_they_are() -> None:
    results = case(2, 20, 33, dtype=np.float32).results(jit)
    weights = results.pop("conv2d_weight_grad")
    assert weights.flags.c_contiguous
    for name, array in results.items():
        assert array.transpose(0, 2, 3, 1).flags.c_contiguous, name


# ---- threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("winograd", [False, True])
def test_the_same_bits_every_time_and_from_several_threads(winograd: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SETTINGS, "winograd", winograd)
    layers = [case(5, 20, 40, dtype=np.float32, size=16, fractions=True, seed=seed) for seed in range(4)]
    expected = [layer.results(jit) for layer in layers]
    with ThreadPoolExecutor(len(layers)) as threads:
        for _ in range(5):
            for results, first in zip(threads.map(lambda layer: layer.results(jit), layers), expected, strict=True):
                assert_same(results, first)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_any_number_of_threads(count: int) -> None:
    layer = case(7, 17, 33, dtype=np.float32)
    expected = layer.results(reference)
    set_num_threads(count)
    assert_same(layer.results(jit), expected)
