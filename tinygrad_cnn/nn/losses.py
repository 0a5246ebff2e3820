"""Losses as Modules."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.classification import cross_entropy


class CrossEntropyLoss(Module):
    """-log softmax(input)[target]: the loss of a classifier, on logits (no Softmax before it).

    Shapes: input (N, C); target (N) with class numbers, or (N, C) with one-hot rows or probabilities.

    reduction: 'mean' or 'sum' over the batch, or 'none' for the N losses.

    Raises: ArgumentError for another reduction.

    Example:
        >>> import tinygrad_cnn as tg
        >>> round(CrossEntropyLoss()(tg.tensor([[0.0, 0.0]]), [1]).item(), 4)
        0.6931
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ArgumentError(f"CrossEntropyLoss: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return cross_entropy(input, target, self.reduction)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"
