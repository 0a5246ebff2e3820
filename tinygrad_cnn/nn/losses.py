"""Losses as Modules."""

from __future__ import annotations

from numpy.typing import ArrayLike

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.classification import cross_entropy, nll_loss
from tinygrad_cnn.ops.losses import (
    REDUCTIONS,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    refuse_other_reductions,
    smooth_l1_loss,
)


class _Loss(Module):
    """What all have: how the losses of a batch become one number."""

    reductions: tuple[str, ...] = REDUCTIONS

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        refuse_other_reductions(type(self).__name__, reduction, self.reductions)
        self.reduction = reduction

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"


class MSELoss(_Loss):
    """(input - target)^2.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2.

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.

    Source: Girshick 2015, "Fast R-CNN", equation 3.
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 where d = |input - target| <= delta, else delta (d - delta / 2).

    Shapes: input and target alike. reduction: 'mean', 'sum' or 'none'.

    Source: Huber 1964, "Robust estimation of a location parameter".
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """target (log target - input), for log-probabilities `input`.

    reduction: 'mean', 'batchmean' (the Kullback-Leibler divergence itself), 'sum' or 'none'.
    log_target: the target holds logarithms.
    """

    reductions = (*REDUCTIONS, "batchmean")

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class _WeightedLoss(_Loss):
    """A loss with a weight, which is a buffer, as it belongs to the state but is not learned."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | ArrayLike | None, reduction: str) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class BCELoss(_WeightedLoss):
    """-(t log x + (1 - t) log(1 - x)), for probabilities x; logarithms are at least -100.

    Shapes: input and target alike; weight broadcasts to them. reduction: 'mean', 'sum' or 'none'.
    """

    def __init__(self, weight: Tensor | ArrayLike | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight, reduction)

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """Binary cross entropy of sigmoid(input), without overflow.

    Shapes: input and target alike; weight and pos_weight (a factor of the positive part) broadcast to them.
    reduction: 'mean', 'sum' or 'none'.
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | ArrayLike | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | ArrayLike | None = None,
    ) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class NLLLoss(_WeightedLoss):
    """-input[target]: the loss of a classifier, on log-probabilities (after a LogSoftmax).

    Shapes and options: as of `CrossEntropyLoss`, with class numbers as targets.
    """

    def __init__(
        self, weight: Tensor | ArrayLike | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(input)[target]: the loss of a classifier, on logits (no Softmax before it).

    Shapes: input (N, C), (N, C, d1, ...) or (C); target with class numbers, the input's shape without C, or of the
    input's shape with one-hot rows or probabilities; weight (C).

    ignore_index: examples of this class number count for nothing.
    reduction: 'mean' or 'sum' over the batch, or 'none' for the losses one by one.
    label_smoothing: this share of every target is spread evenly over the classes.

    Raises: ArgumentError for another reduction, or a label_smoothing that is no share.

    Example:
        >>> import tinygrad_cnn as tg
        >>> round(CrossEntropyLoss()(tg.tensor([[0.0, 0.0]]), [1]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        weight: Tensor | ArrayLike | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ArgumentError(f"CrossEntropyLoss: label_smoothing must be between 0 and 1, got {label_smoothing}")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor | ArrayLike) -> Tensor:
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
