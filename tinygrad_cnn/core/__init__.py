"""The engine: Tensor, Primitive, the backward pass and the observer's hook. It knows no operation."""

from __future__ import annotations

from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.gradients import backward, grad
from tinygrad_cnn.core.modes import Event, Line, enable_grad, is_grad_enabled, no_grad, observe
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.core.tensors import Tensor, tensor

__all__ = [
    "Event",
    "Line",
    "Primitive",
    "Tensor",
    "backward",
    "enable_grad",
    "grad",
    "is_grad_enabled",
    "no_grad",
    "observe",
    "primitive",
    "tensor",
]
