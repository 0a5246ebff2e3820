"""tinygrad_cnn, the framework of this repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tinygrad_cnn as tg
from benchmarks.modules import model as build_model
from benchmarks.workloads import Array, Workload
from tinygrad_cnn import kernels, nn, optim


def parameter_shapes(workload: Workload) -> dict[str, tuple[int, ...]]:
    """The parameters of the workload's network by name, in order."""
    return {name: p.shape for name, p in build_model(workload, tg, nn).named_parameters()}


def build(workload: Workload, arrays: Mapping[str, Array]) -> Callable[[], Any]:
    model = build_model(workload, tg, nn)
    for name, parameter in model.named_parameters():
        parameter.data = arrays[name].copy()
    images, labels = tg.tensor(arrays["x"]), arrays["y"]
    optimizer = optim.SGD(model.parameters(), lr=workload.lr)

    def step() -> Any:
        optimizer.zero_grad()
        loss = tg.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def versions() -> dict[str, str]:
    return {"tinygrad_cnn": tg.__version__, "numpy": np.__version__, "kernels": str(kernels.info())}
