"""Where the tiles of Winograd's convolution lie: their pixels in images, and their rows in 36 planes.

A plane holds one number of every transformed tile and channel, (tiles, channels): the matrices of 36 products. Lines of
channels are found by their addresses, in tables, which is what the compiled transforms take.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.geometry import Pair
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.microkernel import ROWS, pointer
from tinygrad_cnn.kernels.jit.packing import whole
from tinygrad_cnn.kernels.jit.winograd_transforms import LANES, Formula, address, transform
from tinygrad_cnn.kernels.memory import empty

OUT = 4  # outputs of a tile along one axis
TILE = OUT + 2  # inputs that they read
PLANES = TILE * TILE
UNIT = ROWS[1]  # tiles in the smallest part of the work
CACHE = 3 << 19  # bytes of the second-level cache that 36 planes of weights may take beside V and M


class Tiling(NamedTuple):
    """How the tiles lie, in numbers for compiled loops: TH x TW on each image, the first one at pixel (-top, -left)."""

    top: int
    left: int
    TH: int
    TW: int
    tiles: int  # of all images


def tiling(images: int, outputs: Pair, before: Pair) -> Tiling:
    """Tiles for that many outputs (along H, along W) of each image, which is padded `before` (top, left)."""
    TH, TW = (-(-pixels // OUT) for pixels in outputs)
    return Tiling(*before, TH, TW, images * TH * TW)


def tiles_at_once(inputs: int, outputs: int) -> int:
    """Tiles whose V and M are made before they are used: more where the weights are read from beyond the cache."""
    fits = PLANES * inputs * outputs * 4 <= CACHE
    return (3 if fits else 6) * ROWS[0]


def planes(parts: int, tiles: int, channels: int) -> NDArray[np.float32]:
    """Memory for the planes of each part of the work: a row of whole vectors for each of the tiles.

    There is one row more, lest all planes begin at the same place of the first-level cache, which holds few such lines.
    """
    return empty((parts, PLANES, tiles + 1, whole(channels, LANES)), np.float32)


@inlined
def plane(planes, part, e):
    """Where plane e of a part begins."""
    _, _, rows, row = planes.shape
    return pointer(planes, (part * PLANES + e) * rows * row)


@inlined
def find_planes(planes, part):
    """The addresses at which the planes of a part begin."""
    table = np.empty(PLANES, np.intp)
    for e in range(PLANES):
        table[e] = address(plane(planes, part, e))
    return table


@inlined
def position(tiling, tile):
    """The image of a tile, and the first output of it there."""
    per_image = tiling.TH * tiling.TW
    n, rest = tile // per_image, tile % per_image
    return n, rest // tiling.TW * OUT, rest % tiling.TW * OUT


@inlined
def find_pixels(table, images, n, p0, q0, size, outside):
    """The addresses of size x size pixels of images (N, H, W, C) from (n, p0, q0) on; `outside` where there is none."""
    _, H, W, C = images.shape
    image, pixel = address(pointer(images, n * H * W * C)), C * images.itemsize
    at = 0
    for p in range(p0, p0 + size):
        for q in range(q0, q0 + size):
            inside = 0 <= p < H and 0 <= q < W
            table[at] = image + (p * W + q) * pixel if inside else outside
            at += 1


def to_planes(formula: Formula, size: int, overlaps: bool) -> Any:
    """A function for compiled code: the formula on some tiles of images (N, H, W, C), into the rows of planes.

    run(images, tiling, first, count, zeros, planes, part): row t of the part's planes gets tile first + t, which is
    size x size pixels. overlaps: whether tiles do, as those of inputs. zeros: a line for pixels outside the images.
    """
    transformed = transform(formula, size)

    @inlined
    def run(images, tiling, first, count, zeros, planes, part):
        sources, targets, outside = np.empty(PLANES, np.intp), find_planes(planes, part), address(zeros)
        top, left = (tiling.top, tiling.left) if overlaps else (0, 0)
        C, row = images.shape[3], planes.shape[3]
        for t in range(count):
            n, i, j = position(tiling, first + t)
            find_pixels(sources, images, n, i - top, j - left, size, outside)
            transformed(pointer(sources, 0), 0, pointer(targets, 0), t * row * 4, C)

    return run
