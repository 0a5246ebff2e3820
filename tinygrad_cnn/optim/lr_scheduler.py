"""The schedules under the path that PyTorch gives them, so that `optim.lr_scheduler.StepLR` is found here too."""

from __future__ import annotations

from tinygrad_cnn.optim.cosines import CosineAnnealingLR, CosineAnnealingWarmRestarts
from tinygrad_cnn.optim.decays import ExponentialLR, LinearLR, MultiStepLR, StepLR
from tinygrad_cnn.optim.one_cycle import OneCycleLR
from tinygrad_cnn.optim.plateaus import ReduceLROnPlateau
from tinygrad_cnn.optim.schedules import LRScheduler
from tinygrad_cnn.optim.sequences import SequentialLR

__all__ = [
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
