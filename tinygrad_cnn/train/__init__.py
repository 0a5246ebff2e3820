"""Training: the loop, its history, what watches it, and the classical network to begin with."""

from __future__ import annotations

from tinygrad_cnn.train.callbacks import Callback, EntryRows, Progress, ProgressBar
from tinygrad_cnn.train.evaluation import Evaluation, evaluate
from tinygrad_cnn.train.history import History
from tinygrad_cnn.train.networks import classifier
from tinygrad_cnn.train.trainer import Trainer

__all__ = [
    "Callback",
    "EntryRows",
    "Evaluation",
    "History",
    "Progress",
    "ProgressBar",
    "Trainer",
    "classifier",
    "evaluate",
]
