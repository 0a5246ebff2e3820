"""Activations as layers."""

from __future__ import annotations

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.ops.classification import softmax
from tinygrad_cnn.ops.functions import relu, sigmoid, tanh


class ReLU(Module):
    """max(x, 0), with the derivative 0 at 0.

    Example:
        >>> import tinygrad_cnn as tg
        >>> ReLU()(tg.tensor([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        return relu(input)


class Sigmoid(Module):
    """1 / (1 + e^-x)."""

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)


class Softmax(Module):
    """e^x normalised to sum 1 along `dim`. `CrossEntropyLoss` takes the logits, before any Softmax.

    Example:
        >>> import tinygrad_cnn as tg
        >>> Softmax(dim=1)(tg.tensor([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
