"""PyTorch: eager, eager with images and weights in channels-last memory, and compiled, fastest with them so too."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from benchmarks.modules import model as build_model
from benchmarks.processes import LeftOut
from benchmarks.workloads import Array, Workload

torch: Any = import_module("torch")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def build(
    workload: Workload, arrays: Mapping[str, Array], channels_last: bool = False, compiled: bool = False
) -> Callable[[], Any]:
    if channels_last and not compiled and not workload.of_images:
        raise LeftOut("without images there are no channels")
    if compiled and not any(map(shutil.which, filter(None, [os.environ.get("CXX"), "c++", "g++", "clang++"]))):
        raise LeftOut("needs a C++ compiler")
    model = build_model(workload, torch, torch.nn)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(arrays[name]))
    images, labels = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    if channels_last and workload.of_images:
        model, images = (thing.to(memory_format=torch.channels_last) for thing in (model, images))
    optimizer = torch.optim.SGD(model.parameters(), lr=workload.lr)

    def loss_of(images: Any, labels: Any) -> Any:
        return torch.nn.functional.cross_entropy(model(images), labels)

    if compiled:
        torch.compiler.reset()  # or the shapes of the last workload make those of this one symbolic, and it slower
    forward = torch.compile(loss_of) if compiled else loss_of

    def step() -> Any:
        optimizer.zero_grad()
        loss = forward(images, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}
