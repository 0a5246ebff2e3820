"""Layers and Modules under PyTorch's names, which are tinygrad_cnn's too: one builder serves both."""

from __future__ import annotations

from typing import Any

from benchmarks.variants import written_for
from benchmarks.workloads import AvgPool, BatchNorm, Conv, Flatten, Layer, Linear, MaxPool, Relu, Workload


def model(workload: Workload, framework: Any, nn: Any) -> Any:
    """The workload's network. framework: `torch` or `tinygrad_cnn`; nn: its package of layers."""
    if workload.variant:
        return written_for(framework, nn)[workload.variant]()
    return nn.Sequential(*(module(layer, nn) for layer in workload.layers))


def module(layer: Layer, nn: Any) -> Any:
    match layer:
        case Conv(inputs, outputs, kernel, stride, padding):
            return nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding)
        case Linear(inputs, outputs):
            return nn.Linear(inputs, outputs)
        case BatchNorm(channels):
            return nn.BatchNorm2d(channels)
        case MaxPool(size):
            return nn.MaxPool2d(size)
        case AvgPool(size):
            return nn.AvgPool2d(size)
        case Relu():
            return nn.ReLU()
        case Flatten():
            return nn.Flatten()
