"""The windows of a convolution as rows of a matrix, a few pixels at a time, and the way back.

Channels-last, one row of a window is KW C neighbouring numbers: the copy of a window is KH runs (of KW C numbers, or,
dilated or in groups, KH KW runs of C). A padded image is made row by row, just before its rows are read, so that both
it and the windows stay in the second-level cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from tinygrad_cnn.geometry import Window
from tinygrad_cnn.kernels.jit.compilation import inlined
from tinygrad_cnn.kernels.jit.microkernel import add_run, copy_run, moved


class Frame(NamedTuple):
    """A Window and its channels as the plain numbers that compiled loops take."""

    H: int
    W: int
    C: int
    groups: int
    KH: int
    KW: int
    SH: int
    SW: int
    DH: int
    DW: int
    top: int
    left: int
    PH: int  # the padded image
    PW: int
    OH: int  # the outputs that are computed
    OW: int

    @property
    def depth(self) -> int:
        """Numbers in a window of one group."""
        return self.KH * self.KW * (self.C // self.groups)

    @property
    def padded_image(self) -> int:
        """Numbers in the copy of a padded image, of which there is none without padding."""
        return self.PH * self.PW * self.C if (self.PH, self.PW) != (self.H, self.W) else 0


@lru_cache(4096)
def frame(window: Window, channels: int, groups: int, output_size: tuple[int, int]) -> Frame:
    """The numbers of `window`, of which only the first rows and columns of outputs are asked for."""
    (top, _), (left, _) = window.padding
    return Frame(
        *window.size, channels, groups, *window.kernel, *window.stride, *window.dilation, top, left,
        *window.padded_size, *output_size,
    )  # fmt: skip


@inlined
def is_padded(frame):
    """Whether a padded copy of each image is made."""
    return frame.PH != frame.H or frame.PW != frame.W


@inlined
def fill_rows(image, padded, frame, first, last):
    """The rows first <= p < last of the padded image, from image (H, W, C)."""
    row = frame.W * frame.C
    padded_row = frame.PW * frame.C
    for p in range(first, last):
        target = moved(padded, p * padded_row)
        inside = 0 <= p - frame.top < frame.H
        start = frame.left * frame.C if inside else padded_row
        for i in range(start):
            padded[p * padded_row + i] = 0
        if inside:
            copy_run(moved(target, start), moved(image, (p - frame.top) * row), row)
            for i in range(start + row, padded_row):
                padded[p * padded_row + i] = 0


@inlined
def inside(start, taps, apart, size):
    """The first tap inside the image, and the one after the last, of a window that may start in the padding."""
    first, last = 0, taps
    if start < 0:
        first = (apart - 1 - start) // apart
    if start + (taps - 1) * apart >= size:
        last = (size - 1 - start) // apart + 1
    return first, last


@inlined
def runs(frame):
    """How a window of one group is copied: the jumps down, those across, and the length of a run."""
    Cg = frame.C // frame.groups
    dense = frame.DW == 1 and frame.groups == 1
    return frame.KH, 1 if dense else frame.KW, frame.KW * Cg if dense else Cg


@inlined
def gather(x, padded, frame, group, first, count, columns, width):
    """V, the windows of `count` outputs from `first` on, counted through the batch, for one group.

    V[pixel, k] goes to columns[k // width, pixel, k % width]: in rows where width is K, else in panels of that width.
    padded: memory for one padded image, where the window is padded.
    """
    down, across, run = runs(frame)
    outputs = frame.OH * frame.OW
    padding = is_padded(frame)
    extent = (frame.KH - 1) * frame.DH + 1
    n, rest = first // outputs, first % outputs
    i, j = rest // frame.OW, rest % frame.OW
    image = moved(x, n * frame.H * frame.W * frame.C)
    source = padded if padding else image
    filled = i * frame.SH
    whole = down * across * run <= width  # no run lies in two panels
    for pixel in range(count):
        top = i * frame.SH
        if padding and filled < top + extent:
            fill_rows(image, padded, frame, filled, top + extent)
            filled = top + extent
        corner = (top * frame.PW + j * frame.SW) * frame.C + group * (frame.C // frame.groups)
        panel, k = 0, 0
        for kh in range(down):
            for kw in range(across):
                at = corner + (kh * frame.DH * frame.PW + kw * frame.DW) * frame.C
                if whole:
                    copy_run(moved(columns, pixel * width + k), moved(source, at), run)
                    k += run
                    continue
                left = run
                while left > 0:
                    piece = min(left, width - k)
                    copy_run(moved(columns, (panel * count + pixel) * width + k), moved(source, at), piece)
                    at += piece
                    left -= piece
                    k += piece
                    if k == width:
                        panel += 1
                        k = 0
        j += 1
        if j == frame.OW:
            j = 0
            i += 1
            if i == frame.OH:
                i = 0
                n += 1
                image = moved(x, n * frame.H * frame.W * frame.C)
                source = padded if padding else image
                filled = 0


@inlined
def gather_lines(x, frame, first, count, lines):
    """The rows of padded images that `count` rows of outputs read, from row `first` on, counted through the batch.

    lines (KH, count, PW C): [kh, l] is the one that tap kh of row l reads.
    """
    row, padded_row = frame.W * frame.C, frame.PW * frame.C
    for kh in range(frame.KH):
        for l in range(count):
            n, i = (first + l) // frame.OH, (first + l) % frame.OH
            p = i * frame.SH + kh * frame.DH - frame.top
            target = moved(lines, (kh * count + l) * padded_row)
            inside = 0 <= p < frame.H
            start = frame.left * frame.C if inside else padded_row
            for k in range(start):
                target[k] = 0
            if inside:
                copy_run(moved(target, start), moved(x, (n * frame.H + p) * row), row)
                for k in range(start + row, padded_row):
                    target[k] = 0


@inlined
def scatter(columns, columns_row, frame, group, first, count, padded):
    """The adjoint of `gather` within one image: adds the rows of columns to the pixels of `padded` they come from."""
    down, across, run = runs(frame)
    for pixel in range(count):
        i, j = (first + pixel) // frame.OW, (first + pixel) % frame.OW
        corner = (i * frame.SH * frame.PW + j * frame.SW) * frame.C + group * (frame.C // frame.groups)
        at = pixel * columns_row
        for kh in range(down):
            for kw in range(across):
                target = corner + (kh * frame.DH * frame.PW + kw * frame.DW) * frame.C
                add_run(moved(padded, target), moved(columns, at), run)
                at += run
