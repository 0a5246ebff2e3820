"""Window sizes against windows laid one by one, and every refusal with its message."""

from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError
from tinygrad_cnn.geometry import Window, mirrored, pair, window

numbers = st.integers(1, 4)
sides = st.tuples(st.integers(0, 3), st.integers(0, 3))


def lay(padded: int, kernel: int, stride: int, dilation: int) -> list[list[int]]:
    """The padded pixels that each window reads along one axis, laid one by one until the next would not fit."""
    windows = []
    start = 0
    while start + dilation * (kernel - 1) < padded:
        windows.append([start + k * dilation for k in range(kernel)])
        start += stride
    return windows


@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    kernel=st.tuples(numbers, numbers),
    stride=st.tuples(numbers, numbers),
    padding=st.tuples(sides, sides),
    dilation=st.tuples(numbers, numbers),
)
def test_sizes_are_those_of_windows_laid_one_by_one(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: Any, dilation: tuple[int, int]
) -> None:
    padded = [pixels + sum(around) for pixels, around in zip(size, padding, strict=True)]
    laid = [lay(*axis) for axis in zip(padded, kernel, stride, dilation, strict=True)]
    if [] in laid:
        with pytest.raises(ShapeError, match=r"^conv2d: kernel \d+x\d+ .* larger than its padded input"):
            window("conv2d", size, kernel, stride, padding, dilation)
        return
    made = window("conv2d", size, kernel, stride, padding, dilation)
    assert made.padded_size == tuple(padded)
    assert made.output_size == tuple(len(windows) for windows in laid)
    assert made.unread == tuple(pixels - 1 - windows[-1][-1] for pixels, windows in zip(padded, laid, strict=True))
    for pixels, taps, windows in zip(padded, made.taps, laid, strict=True):
        assert [list(range(pixels)[tap]) for tap in taps] == [list(tap) for tap in zip(*windows, strict=True)]


@given(size=st.tuples(numbers, numbers), kernel=st.tuples(numbers, numbers), dilation=st.tuples(numbers, numbers))
@example(size=(3, 4), kernel=(2, 4), dilation=(1, 3))
def test_same_keeps_the_size_and_gives_the_odd_pixel_to_the_end(
    size: tuple[int, int], kernel: tuple[int, int], dilation: tuple[int, int]
) -> None:
    made = window("conv2d", size, kernel, 1, "same", dilation)
    assert made.output_size == size
    for (before, after), k, apart in zip(made.padding, kernel, dilation, strict=True):
        assert after - before == apart * (k - 1) % 2


@given(kernel=st.tuples(numbers, numbers), padding=st.tuples(sides, sides), dilation=st.tuples(numbers, numbers))
def test_the_mirrored_window_leads_back_to_the_input(
    kernel: tuple[int, int], padding: Any, dilation: tuple[int, int]
) -> None:
    forward = window("conv2d", (13, 14), kernel, 1, padding, dilation)
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    back = mirrored(forward)
    assert (back is None) == any(max(around) > far for around, far in zip(padding, reach, strict=True))
    if back is not None:
        assert back.size == forward.output_size
        assert back.output_size == forward.size
        assert mirrored(back) == forward


def test_there_is_no_mirrored_window_for_a_stride() -> None:
    assert mirrored(window("conv2d", (9, 9), 3, (1, 2), 1)) is None


def test_ways_to_write_the_same_window() -> None:
    expected = Window((7, 8), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1))
    assert window("conv2d", (7, 8), 3, 1, "valid") == expected
    assert window("conv2d", [7, 8], [3, 3], (1, 1), [0, 0], (1, 1)) == expected
    assert window("conv2d", (np.int64(7), 8), np.uint8(3), np.int32(1), ((0, 0), [0, 0])) == expected
    assert window("conv2d", (7, 8), 3, 1, (0, 1)).padding == ((0, 0), (1, 1))


def test_a_window_is_a_key_and_made_once() -> None:
    first, second = (window("conv2d", (7, 8), 3, 2, 1) for _ in range(2))
    assert first is second
    twin = Window((7, 8), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    assert (twin == first, hash(twin) == hash(first), len({twin, first})) == (True, True, 1)
    assert pickle.loads(pickle.dumps(first)) == first
    assert dataclasses.replace(first, stride=(1, 1)).output_size == (7, 8)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.stride = (1, 1)  # type: ignore[misc]


def arguments(**changes: Any) -> dict[str, Any]:
    return {"size": (3, 4), "kernel": 3, "stride": 1, "padding": 0, **changes}


REFUSED = [
    (
        arguments(kernel=5),
        ShapeError,
        "conv2d: kernel 5x5 is larger than its padded input 3x4 (input 3x4, padding 0); "
        "use a smaller kernel or padding of at least 1",
    ),
    (
        arguments(kernel=(2, 7), padding=(0, 1)),
        ShapeError,
        "conv2d: kernel 2x7 is larger than its padded input 3x6 (input 3x4, padding (0, 1)); "
        "use a smaller kernel or padding of at least 2",
    ),
    (
        arguments(padding=((0, 1), (0, 0)), dilation=2),
        ShapeError,
        "conv2d: kernel 3x3 with dilation 2 spans 5x5 and is larger than its padded input 4x4 (input 3x4, "
        "padding ((0, 1), 0)); use a smaller kernel or dilation, or padding of at least 1",
    ),
    (
        arguments(size=(0, 4), padding=2),
        ShapeError,
        "conv2d: input 0x4 holds no pixel; its height and width must be at least 1",
    ),
    (arguments(kernel=0), ArgumentError, "conv2d: kernel_size must be at least 1, got 0"),
    (arguments(stride=(1, 0)), ArgumentError, "conv2d: stride must be at least 1, got (1, 0)"),
    (arguments(dilation=0), ArgumentError, "conv2d: dilation must be at least 1, got 0"),
    (arguments(padding=-1), ArgumentError, "conv2d: padding must be at least 0, got -1"),
    (
        arguments(padding=((0, -1), (0, 0))),
        ArgumentError,
        "conv2d: padding (top, bottom) must be at least 0, got (0, -1)",
    ),
    (
        arguments(padding="full"),
        ArgumentError,
        "conv2d: padding expects an int, a pair of ints, 'valid' or 'same', got 'full'",
    ),
    (
        arguments(kernel=(3, 3, 3)),
        ArgumentError,
        "conv2d: kernel_size expects an int or a pair of ints, got 3 numbers: (3, 3, 3)",
    ),
    (arguments(stride=()), ArgumentError, "conv2d: stride expects an int or a pair of ints, got 0 numbers: ()"),
    (arguments(stride=1.0), ArgumentTypeError, "conv2d: stride expects an int or a pair of ints, got 1.0"),
    (arguments(stride=None), ArgumentTypeError, "conv2d: stride expects an int or a pair of ints, got None"),
    (arguments(kernel="33"), ArgumentTypeError, "conv2d: kernel_size expects an int or a pair of ints, got '33'"),
    (
        arguments(kernel=np.array([3, 3])),
        ArgumentTypeError,
        "conv2d: kernel_size expects an int or a pair of ints, got array([3, 3])",
    ),
    (
        arguments(padding=((1, 1), 1)),
        ArgumentTypeError,
        "conv2d: padding expects an int or a pair of ints, got ((1, 1), 1)",
    ),
]


@pytest.mark.parametrize(("changed", "error", "message"), REFUSED, ids=[message for _, _, message in REFUSED])
def test_refusals(changed: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        window("conv2d", **changed)


def test_what_equals_a_cached_argument_is_still_refused() -> None:
    window("conv2d", (3, 4), 1, 1, 1, 1)
    equals: list[Any] = [True, 1.0, np.True_, (1, True), (1.0, 1)]
    for name in ("kernel", "stride", "padding", "dilation"):
        for alike in equals:
            with pytest.raises(ArgumentTypeError, match="expects an int or a pair of ints"):
                window("conv2d", **arguments(**{"kernel": 1, name: alike}))


def test_padding_as_advised_lets_the_kernel_fit() -> None:
    for size, kernel, dilation in [((3, 4), (5, 5), 1), ((1, 9), (8, 2), 1), ((2, 2), (3, 3), 4)]:
        with pytest.raises(ShapeError) as refusal:
            window("conv2d", size, kernel, 1, 0, dilation)
        advised = int(str(refusal.value).rpartition(" ")[2])
        assert min(window("conv2d", size, kernel, 1, advised, dilation).output_size) >= 1
        with pytest.raises(ShapeError):
            window("conv2d", size, kernel, 1, advised - 1, dilation)


def test_pair_returns_python_ints() -> None:
    assert [type(n) for n in pair((np.int8(2), np.uint64(3)), "stride", 1)] == [int, int]
