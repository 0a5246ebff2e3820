"""Noise that keeps a network from leaning on single features."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.ops.arithmetic import _mul
from tinygrad_cnn.random import generator as named_generator


def dropout(input: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Tensor:
    """Each element set to 0 with probability `p`, the others divided by 1 - p so that the mean stays; the identity when
    not training.

    generator: where the mask is drawn from; by default the generator named "dropout".

    Gradient: g times the same mask, which is a constant.

    Raises: ArgumentError where `p` is no probability.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """
    if not 0 <= p <= 1:
        raise ArgumentError(f"dropout: p must be between 0 and 1, got {p}")
    if not training or p == 0:
        return input
    draws = (generator or named_generator("dropout")).random(input.shape, dtype=np.float32)
    mask = (draws >= p).astype(input.dtype)
    if p < 1:
        mask /= 1 - p
    return _mul(input, mask)
