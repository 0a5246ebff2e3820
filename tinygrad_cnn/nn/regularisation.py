"""Layers that act only in training."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.regularisation import dropout


class Dropout(Module):
    """In training sets each element to 0 with probability `p` and divides the others by 1 - p; else does nothing.

    generator: where the masks come from; by default the generator named "dropout".

    Raises: ArgumentError where `p` is no probability.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    Example:
        >>> Dropout(p=0.25)
        Dropout(p=0.25)
    """

    def __init__(self, p: float = 0.5, *, generator: np.random.Generator | None = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"Dropout: p must be between 0 and 1, got {p}")
        self.p = p
        self.generator = generator

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"
