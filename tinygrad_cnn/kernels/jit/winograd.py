"""Convolution by 3x3 kernels with a quarter of the multiplications: Winograd's algorithm F(4x4, 3x3), all directions.

Four outputs of a kernel of 3 weights along one axis, y_i = sum over k of w_k d_(i+k), are the low part of a product of
polynomials. It is fixed by its values at six points, here 0, 5/8, -5/8, 3/2, -3/2 and infinity, where it is a product
of numbers: six multiplications instead of twelve,

    y = A' [(G w) . (B' d)]          d: 6 inputs, w: 3 weights, y: 4 outputs, ".": number by number

with constant matrices of small numbers (`winograd_transforms`). Along two axes they nest: a tile of 4x4 outputs reads
6x6 inputs and takes 36 multiplications instead of 144,

    Y = A' [(G W G') . (B' D B)] A                                                                  conv2d

Over N images, C inputs and O outputs, each of the 36 places is a product of matrices of its own: with U = G W G' and
V = B' D B of all kernels and tiles, M_e = V_e U_e, (tiles, C) (C, O), for e = 0 .. 35, and Y = A' M A for every tile.

The formula is linear in W and in D, and its adjoints are the gradients:

    <Y, g> = <(G W G') . V, A g A'>     gW = G' [sum over tiles of V . (A g A')] G                  conv2d_weight_grad

36 products (C, tiles) (tiles, O). The input gradient is a convolution of g with the kernels turned half round, C and O
swapped, and padding 2 - p: the first formula again (conv2d_input_grad).

A block of tiles at a time goes through all three steps, so that V and M stay in the second-level cache. Padding is
never stored: tiles read lines of zeros for it. Max pooling of 2x2 and relu take place on Y before it is written.

The price is accuracy: weighted sums cancel, and leave relative errors of 4e-7 to 2e-6 in float32 instead of 1e-7 to
4e-7; one NaN or infinity makes whole tiles NaN. With the usual points, 1, -1, 2 and -2, errors are twice as large.

Source: Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv 1509.09308, sections 4 and 5;
on points: Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution for deep neural
networks", arXiv 1803.10986.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Pair, Window
from tinygrad_cnn.kernels.jit import winograd_transforms as transforms
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.layouts import channels_last, contiguous
from tinygrad_cnn.kernels.jit.microkernel import VECTORS, pointer
from tinygrad_cnn.kernels.jit.products import product
from tinygrad_cnn.kernels.jit.sharing import shared
from tinygrad_cnn.kernels.jit.threads import parts, run
from tinygrad_cnn.kernels.jit.winograd_gradient import weight_grad
from tinygrad_cnn.kernels.jit.winograd_tiles import (
    OUT,
    PLANES,
    TILE,
    UNIT,
    find_pixels,
    find_planes,
    plane,
    planes,
    position,
    tiles_at_once,
    tiling,
    to_planes,
)
from tinygrad_cnn.kernels.jit.winograd_transforms import LANES, address, to_maxima, to_outputs, transform
from tinygrad_cnn.kernels.memory import empty, empty_images

FEW = 10  # channels, of inputs or outputs, with which transforms are worth their time
WIDE = VECTORS * LANES  # columns of a panel of weights
GRAIN = 1 << 21  # multiply-adds worth a thread of its own
AT_ONCE = 8  # rows of weights that are transformed at once: w is read in runs of 9 of them
GRAIN_NUMBERS = 1 << 14  # numbers worth a thread of its own where they are only moved

Array = NDArray[Any]

_NO_TAPS = np.empty((1, 1, 1, 1), np.uint8)

_data_to_planes = to_planes(transforms.data, TILE, overlaps=True)
_to_kernel = transform(transforms.kernel, 3)


def suits(window: Window, inputs: int, outputs: int) -> bool:
    """Whether the algorithm applies, and is faster than the direct one, for any number of images.

    It is with FEW channels or more, as the transforms then cost less than they save, and where at least half of the
    outputs of the tiles exist: of the 64 that cover 5x5, only 25 do. For one or two small images of many channels the
    direct one would be faster by a seventh, but an image is to give the same bits in any batch.
    """
    applies = (window.kernel, window.stride, window.dilation) == ((3, 3), (1, 1), (1, 1))
    if not applies or min(inputs, outputs) < FEW:
        return False
    OH, OW = window.output_size
    covered = tiling(1, (OH, OW), (0, 0)).tiles * OUT * OUT
    return covered <= 2 * OH * OW


def pools(window: Window, pool: Window) -> bool:
    """Whether `conv2d_pooled` can do that pooling."""
    return (pool.kernel, pool.stride, pool.dilation) == ((2, 2), (2, 2), (1, 1)) and not pool.is_padded


def conv2d(x: Array, w: Array, b: Array | None, window: Window, relu: bool) -> Array:
    """As in `kernels.numpy`, for float32; relu: of the result, in the same go."""
    y = empty_images(len(x), len(w), window.output_size, np.float32)
    (top, _), (left, _) = window.padding
    _convolution(x, _transformed(w), b, (top, left), relu, y, _NO_TAPS)
    return y


def conv2d_pooled(x: Array, w: Array, b: Array | None, window: Window, pool: Window) -> tuple[Array, NDArray[np.uint8]]:
    """Convolution, relu and max pooling of 2x2 pixels; and which of the four, row by row, each maximum is."""
    y = empty_images(len(x), len(w), pool.output_size, np.float32)
    taps = empty_images(len(x), len(w), pool.output_size, np.uint8)
    (top, _), (left, _) = window.padding
    _convolution(x, _transformed(w), b, (top, left), True, y, taps)
    return y, taps


def conv2d_input_grad(g: Array, w: Array, window: Window) -> Array:
    """As in `kernels.numpy`, for float32."""
    x = empty_images(len(g), w.shape[1], window.size, np.float32)
    (top, _), (left, _) = window.padding
    _convolution(g, _transformed(w, turned=True), None, (2 - top, 2 - left), False, x, _NO_TAPS)
    return x


def conv2d_weight_grad(x: Array, g: Array, window: Window) -> Array:
    """As in `kernels.numpy`, for float32."""
    return weight_grad(x, g, window)


# ---- convolution -----------------------------------------------------------------------------------------------------


def _transformed(w: Array, turned: bool = False) -> Array:
    """U = G W G' of w (O, C, 3, 3), in panels of columns: (36, panels C, WIDE), each plane and a row to spare.

    turned: of the kernels turned half round, with C and O swapped.
    """
    O, C = w.shape[:2]
    if turned:
        depth, columns, steps = O, C, (8, -1, C * 9, 9)
    else:
        depth, columns, steps = C, O, (0, 1, 9, C * 9)
    rows = -(-columns // WIDE) * depth
    u = empty((PLANES, rows + 1, WIDE), np.float32)
    run(_transform_rows, (contiguous(w).reshape(-1), u, depth, columns, steps), rows, 1 + GRAIN_NUMBERS // (9 * WIDE))
    return u


@shared
def _transform_rows(w, u, depth, columns, steps, part, start, stop):
    """The rows start <= row < stop of all planes; row = panel depth + c.

    steps: where in w the first tap lies, and how far it is to the next tap, row and column.
    """
    first, of_tap, of_row, of_column = steps
    numbers = np.zeros((9, AT_ONCE, WIDE), np.float32)
    weights, planes = np.empty(9, np.intp), np.empty(PLANES, np.intp)
    for k in range(9):
        weights[k] = address(pointer(numbers, k * AT_ONCE * WIDE))
    row = start
    while row < stop:
        panel, c = row // depth, row % depth
        rows = min(AT_ONCE, depth - c, stop - row)
        filled = min(WIDE, columns - panel * WIDE)
        for j in range(filled):
            for r in range(rows):
                at = first + (c + r) * of_row + (panel * WIDE + j) * of_column
                for k in range(9):
                    numbers[k, r, j] = w[at + k * of_tap]
        for e in range(PLANES):
            planes[e] = address(pointer(u, (e * u.shape[1] + row) * WIDE))
        _to_kernel(pointer(weights, 0), 0, pointer(planes, 0), 0, rows * WIDE)
        row += rows


def _convolution(
    x: Array, u: Array, b: Array | None, before: Pair, relu: bool, y: Array, taps: NDArray[np.uint8]
) -> None:
    """The convolution of x, padded `before` (top, left), into y; where there are taps, its maxima."""
    C, O = x.shape[1], y.shape[1]
    pooled = taps is not _NO_TAPS
    OH, OW = y.shape[2:]
    grid = tiling(len(x), (2 * OH, 2 * OW) if pooled else (OH, OW), before)
    units, grain = -(-grid.tiles // UNIT), 1 + GRAIN // (UNIT * PLANES * C * O)
    n, block = parts(units, grain), tiles_at_once(C, O)
    v, m = planes(n, block, C), planes(n, block, O)
    zeros = np.zeros(max(C, O), np.float32)
    bias, floor = zeros if b is None else contiguous(b), np.float32(0 if relu else -np.inf)
    y, taps = y.transpose(0, 2, 3, 1), taps.transpose(0, 2, 3, 1)
    run(_convolve_tiles, (channels_last(x), u, bias, floor, pooled, y, taps, v, m, zeros, grid), units, grain)


@shared
def _convolve_tiles(x, u, bias, floor, pooled, y, taps, v, m, zeros, tiling, part, start, stop):
    """A part is some units of the tiles of all images."""
    C, O = x.shape[3], y.shape[3]
    block, v_row, m_row = v.shape[2] - 1, v.shape[3], m.shape[3]
    u_plane = u.shape[1] * WIDE
    last = min(stop * UNIT, tiling.tiles)
    for first in range(start * UNIT, last, block):
        count = min(block, last - first)
        _data_to_planes(x, tiling, first, count, pointer(zeros, 0), v, part)
        for e in range(PLANES):
            product(
                count, O, LANES, plane(v, part, e), v_row, 0, pointer(u, e * u_plane), WIDE, 0, C * WIDE, 1, C,
                pointer(zeros, 0), 0, plane(m, part, e), m_row, 0,
            )  # fmt: skip
        if pooled:
            _planes_to_maxima(m, part, tiling, first, count, bias, y, taps)
        else:
            _planes_to_outputs(m, part, tiling, first, count, bias, floor, y)


@inlined
def _planes_to_outputs(m, part, tiling, first, count, bias, floor, y):
    """Row t of the planes becomes tile first + t of y (N, OH, OW, O); pixels that y does not have go nowhere."""
    row, O = m.shape[3], y.shape[3]
    sources, targets, unread = find_planes(m, part), np.empty(OUT * OUT, np.intp), np.empty(O, np.float32)
    for t in range(count):
        n, i, j = position(tiling, first + t)
        find_pixels(targets, y, n, i, j, OUT, address(pointer(unread, 0)))
        to_outputs(pointer(sources, 0), t * row * 4, pointer(targets, 0), pointer(bias, 0), floor, O)


@inlined
def _planes_to_maxima(m, part, tiling, first, count, bias, y, taps):
    """The same, to the maxima of 2x2 outputs in y and taps (N, OH / 2, OW / 2, O)."""
    row, O = m.shape[3], y.shape[3]
    sources, unread = find_planes(m, part), np.empty(O, np.float32)
    maxima, numbers = np.empty(OUT, np.intp), np.empty(OUT, np.intp)
    for t in range(count):
        n, i, j = position(tiling, first + t)
        find_pixels(maxima, y, n, i // 2, j // 2, OUT // 2, address(pointer(unread, 0)))
        find_pixels(numbers, taps, n, i // 2, j // 2, OUT // 2, address(pointer(unread, 0)))
        to_maxima(pointer(sources, 0), t * row * 4, pointer(maxima, 0), pointer(numbers, 0), pointer(bias, 0), O)
