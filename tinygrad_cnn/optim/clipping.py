"""Gradients made smaller between `backward` and `step`, so that one bad batch does not throw the parameters far off."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_cnn.core.edges import EDITS
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentTypeError, GradientError
from tinygrad_cnn.optim.optimizers import Array
from tinygrad_cnn.optim.options import check_number


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients, in place, by min(1, max_norm / (norm + 1e-6)), and return the norm that they had together.

    The norm is that of all gradients as one vector: (sum |g|^norm_type)^(1 / norm_type), or max |g| for infinity.

    parameters: those without a gradient are passed over; where none has one the norm is 0.
    error_if_nonfinite: refuse gradients that hold infinities or NaN; otherwise a norm of NaN turns all of them to NaN.

    Raises: GradientError for a norm that is not finite, where asked; ArgumentError for a negative `max_norm`.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([3.0, 4.0], requires_grad=True)
        >>> (x * x / 2).sum().backward()
        >>> clip_grad_norm_(x, max_norm=1.0).item()
        5.0
        >>> x.grad.numpy().round(3).tolist()
        [0.6000000238418579, 0.800000011920929]
    """
    check_number("clip_grad_norm_: max_norm", max_norm, 0)
    order = float(norm_type)
    gradients = _gradients("clip_grad_norm_", parameters)
    norms = [np.linalg.norm(gradient.ravel(), order) for gradient in gradients if gradient.size]
    total = np.linalg.norm(np.array(norms), order) if norms else np.float32(0)
    if error_if_nonfinite and not np.isfinite(total):
        raise GradientError(
            f"clip_grad_norm_: the gradients have the norm {total}; lower the learning rate, or look for the operation "
            "that gives it"
        )
    factor = float(max_norm) / (float(total) + 1e-6)
    if not factor >= 1:
        for gradient in gradients:
            np.multiply(gradient, factor, out=gradient)
    return Tensor(np.asarray(total))


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Move every element of every gradient, in place, into [-clip_value, clip_value]; NaN stays NaN.

    Raises: ArgumentError for a negative `clip_value`.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([3.0, -0.25], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> clip_grad_value_([x], clip_value=2.0)
        >>> x.grad.tolist()
        [2.0, -0.5]
    """
    check_number("clip_grad_value_: clip_value", clip_value, 0)
    bound = float(clip_value)
    for gradient in _gradients("clip_grad_value_", parameters):
        np.clip(gradient, -bound, bound, out=gradient)


def _gradients(function: str, parameters: Tensor | Iterable[Tensor]) -> list[Array]:
    """The arrays of all gradients, which may be edited."""
    arrays = []
    for i, parameter in enumerate([parameters] if isinstance(parameters, Tensor) else parameters):
        if not isinstance(parameter, Tensor):
            raise ArgumentTypeError(
                f"{function}: parameters[{i}] expects a Tensor, got {type(parameter).__name__}; pass model.parameters()"
            )
        gradient = parameter.grad
        if gradient is None:
            continue
        if gradient._version is None or not gradient.is_leaf or not gradient.data.flags.writeable:
            gradient = parameter.grad = Tensor(gradient.data.copy())  # a graph, or its owner, needs the old values
        else:
            EDITS.stamp(gradient._version)
        arrays.append(gradient.data)
    return arrays
