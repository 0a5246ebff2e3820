"""Networks: Module and Parameter, layers, containers, losses and initial values."""

from __future__ import annotations

from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.activations import ReLU, Sigmoid, Softmax, Tanh
from tinygrad_cnn.nn.containers import Sequential
from tinygrad_cnn.nn.hooks import HookHandle
from tinygrad_cnn.nn.layers import Conv2d, Flatten, Linear
from tinygrad_cnn.nn.losses import CrossEntropyLoss
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.nn.paths import path_of
from tinygrad_cnn.nn.pooling import AvgPool2d, MaxPool2d
from tinygrad_cnn.nn.regularisation import Dropout
from tinygrad_cnn.nn.states import LoadResult

__all__ = [
    "AvgPool2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "HookHandle",
    "Linear",
    "LoadResult",
    "MaxPool2d",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "init",
    "path_of",
]
