"""tinygrad_cnn: convolutional networks that you can read, verify and see, on NumPy.

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim, data, testing, viz
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tinygrad_cnn import errors, kernels, nn, ops, optim
from tinygrad_cnn.core import (
    Primitive,
    Tensor,
    enable_grad,
    grad,
    is_grad_enabled,
    no_grad,
    observe,
    primitive,
    tensor,
)
from tinygrad_cnn.ops import *  # noqa: F403
from tinygrad_cnn.random import manual_seed

if TYPE_CHECKING:
    from tinygrad_cnn.explanations import explain
    from tinygrad_cnn.profiling import profile

__version__ = "0.1.0"

_ON_DEMAND = ("data", "explanations", "io", "profiling", "testing", "train", "viz")  # imported when first named

__all__ = [
    *ops.__all__,
    *_ON_DEMAND,
    "Primitive",
    "Tensor",
    "enable_grad",
    "errors",
    "explain",
    "grad",
    "is_grad_enabled",
    "kernels",
    "manual_seed",
    "nn",
    "no_grad",
    "observe",
    "ops",
    "optim",
    "primitive",
    "profile",
    "tensor",
]


def __getattr__(name: str) -> Any:
    if name in _ON_DEMAND:
        return importlib.import_module(f"tinygrad_cnn.{name}")
    if name == "explain":
        return importlib.import_module("tinygrad_cnn.explanations").explain
    if name == "profile":
        return importlib.import_module("tinygrad_cnn.profiling").profile
    raise AttributeError(f"module 'tinygrad_cnn' has no attribute {name!r}")
