"""Networks: Module and Parameter, layers, containers, losses and initial values."""

from __future__ import annotations

from tinygrad_cnn.nn import init
from tinygrad_cnn.nn.activations import (
    ELU,
    GELU,
    Hardswish,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from tinygrad_cnn.nn.containers import Identity, ModuleDict, ModuleList, Sequential
from tinygrad_cnn.nn.convolution import Conv1d, Conv2d, ConvTranspose2d
from tinygrad_cnn.nn.hooks import HookHandle
from tinygrad_cnn.nn.layers import Flatten, Linear
from tinygrad_cnn.nn.lazy import LazyConv2d, LazyLinear
from tinygrad_cnn.nn.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.normalisation import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from tinygrad_cnn.nn.padding import CircularPad2d, ReflectionPad2d, ReplicationPad2d, ZeroPad2d
from tinygrad_cnn.nn.parameters import Parameter
from tinygrad_cnn.nn.paths import path_of
from tinygrad_cnn.nn.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    MaxPool1d,
    MaxPool2d,
)
from tinygrad_cnn.nn.regularisation import Dropout, Dropout2d
from tinygrad_cnn.nn.resampling import Fold, Unfold, Upsample
from tinygrad_cnn.nn.shapes import infer_shapes
from tinygrad_cnn.nn.states import LoadResult

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "CircularPad2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "Fold",
    "GroupNorm",
    "Hardswish",
    "HookHandle",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "KLDivLoss",
    "L1Loss",
    "LayerNorm",
    "LazyConv2d",
    "LazyLinear",
    "LeakyReLU",
    "Linear",
    "LoadResult",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "ReLU",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unfold",
    "Upsample",
    "ZeroPad2d",
    "infer_shapes",
    "init",
    "path_of",
]
