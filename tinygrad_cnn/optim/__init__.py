"""Optimisers, clipping of gradients, and schedules of the learning rate."""

from __future__ import annotations

from tinygrad_cnn.optim import lr_scheduler
from tinygrad_cnn.optim.clipping import clip_grad_norm_, clip_grad_value_
from tinygrad_cnn.optim.cosines import CosineAnnealingLR, CosineAnnealingWarmRestarts
from tinygrad_cnn.optim.decays import ExponentialLR, LinearLR, MultiStepLR, StepLR
from tinygrad_cnn.optim.descent import SGD
from tinygrad_cnn.optim.moments import Adam, AdamW
from tinygrad_cnn.optim.one_cycle import OneCycleLR
from tinygrad_cnn.optim.optimizers import Optimizer
from tinygrad_cnn.optim.plateaus import ReduceLROnPlateau
from tinygrad_cnn.optim.schedules import LRScheduler
from tinygrad_cnn.optim.sequences import SequentialLR
from tinygrad_cnn.optim.squares import Adagrad, RMSprop

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
    "clip_grad_norm_",
    "clip_grad_value_",
    "lr_scheduler",
]
