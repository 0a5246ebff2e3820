"""Noise that keeps a network from leaning on single features."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.ops.arithmetic import _mul
from tinygrad_cnn.ops.shapes import refuse_integers
from tinygrad_cnn.random import generator as named_generator


def dropout(input: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Tensor:
    """Each element set to 0 with probability `p`, the others divided by 1 - p so that the mean stays; the identity when
    not training.

    generator: where the mask is drawn from; by default the generator named "dropout".

    Gradient: g times the same mask, which is a constant.

    Raises: ArgumentError where `p` is no probability.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """
    _check_probability("dropout", p)
    refuse_integers("dropout", input)
    return _dropped(input, input.shape, p, generator) if training and p else input


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None
) -> Tensor:
    """Each channel of each example set to 0 as a whole with probability `p`, the others divided by 1 - p.

    Neighbouring pixels tell the same, so dropping them one by one would take little away.

    Shapes: (N, C, H, W), or (N, C, L). generator and gradient: as in `dropout`.

    Raises: ArgumentError where `p` is no probability, ShapeError for another number of dimensions.

    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks", section 3.2.
    """
    _check_probability("dropout2d", p)
    if len(input.shape) not in (3, 4):
        raise ShapeError(f"dropout2d: expects input (N, C, H, W) or (N, C, L), got shape {tuple(input.shape)}")
    channels = (*input.shape[:2], *(1 for _ in input.shape[2:]))
    return _dropped(input, channels, p, generator) if training and p else input


def _check_probability(operation: str, p: float) -> None:
    if not 0 <= p <= 1:
        raise ArgumentError(f"{operation}: p must be between 0 and 1, got {p}")


def _dropped(input: Any, shape: tuple[int, ...], p: float, generator: np.random.Generator | None) -> Tensor:
    """The input times a mask of `shape`, which is broadcast to it."""
    draws = (generator or named_generator("dropout")).random(shape, dtype=np.float32)
    mask = (draws >= p).astype(input.dtype)
    if p < 1:
        mask /= 1 - p
    return _mul(input, mask)
