"""Layers that act only in training."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.regularisation import dropout, dropout2d


class _Dropping(Module):
    """What both have: a probability and a generator."""

    def __init__(self, p: float = 0.5, *, generator: np.random.Generator | None = None) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"{type(self).__name__}: p must be between 0 and 1, got {p}")
        self.p = p
        self.generator = generator

    def extra_repr(self) -> str:
        return f"p={self.p}"


class Dropout(_Dropping):
    """In training sets each element to 0 with probability `p` and divides the others by 1 - p; else does nothing.

    generator: where the masks come from; by default the generator named "dropout".

    Raises: ArgumentError where `p` is no probability.

    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    Example:
        >>> Dropout(p=0.25)
        Dropout(p=0.25)
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.generator)


class Dropout2d(_Dropping):
    """In training sets whole channels to 0 with probability `p` and divides the others by 1 - p; else does nothing.

    Shapes: (N, C, H, W), or (N, C, L). generator: where the masks come from; by default the one named "dropout".

    Raises: ArgumentError where `p` is no probability.

    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks", section 3.2.
    """

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.generator)
