"""Optimisers, and schedules of their hyper-parameters."""

from __future__ import annotations

from tinygrad_cnn.optim.descent import SGD
from tinygrad_cnn.optim.moments import Adam
from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.schedules import OneCycleLR

__all__ = ["SGD", "Adam", "OneCycleLR", "Optimizer"]
