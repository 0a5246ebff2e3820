"""`viz.summary` beside torchinfo, on VGG-16 and ResNet-18 built alike.

torchinfo counts a multiply-add for each bias where it is added, and one for each parameter of a batch norm, however
large the image is. Ours are the products of the operations: no bias, and one for each element that is normalised.
"""

from __future__ import annotations

import math
from importlib import import_module
from itertools import pairwise
from typing import Any

import pytest

from tinygrad_cnn import nn, viz

torch: Any = import_module("torch")
torchinfo: Any = pytest.importorskip("torchinfo")

IMAGE = (3, 224, 224)
VGG16 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)  # 0: pooling


def vgg16(of: Any, bias: bool) -> Any:
    """Configuration D of Simonyan and Zisserman 2015, of `nn` or of `torch.nn`."""
    layers, channels = [], 3
    for width in VGG16:
        layers += [of.Conv2d(channels, width, 3, padding=1, bias=bias), of.ReLU()] if width else [of.MaxPool2d(2)]
        channels = width or channels
    layers += [of.Flatten(), of.Linear(512 * 7 * 7, 4096, bias=bias), of.ReLU(), of.Dropout()]
    layers += [of.Linear(4096, 4096, bias=bias), of.ReLU(), of.Dropout(), of.Linear(4096, 1000, bias=bias)]
    return of.Sequential(*layers)


def resnet18(of: Any) -> Any:
    """He et al. 2015, table 1, of `nn` or of `torch.nn`."""

    class Block(of.Module):  # type: ignore[misc]
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = of.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = of.BatchNorm2d(outputs)
            self.relu = of.ReLU()
            self.conv2 = of.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = of.BatchNorm2d(outputs)
            shortcut = of.Sequential(of.Conv2d(inputs, outputs, 1, stride, bias=False), of.BatchNorm2d(outputs))
            self.shortcut = of.Identity() if inputs == outputs else shortcut

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.shortcut(x))

    widths = (64, 64, 128, 256, 512)
    stages = [
        of.Sequential(Block(inputs, outputs, 1 if inputs == outputs else 2), Block(outputs, outputs, 1))
        for inputs, outputs in pairwise(widths)
    ]
    stem = [of.Conv2d(3, 64, 7, 2, 3, bias=False), of.BatchNorm2d(64), of.ReLU(), of.MaxPool2d(3, 2, 1)]
    return of.Sequential(*stem, *stages, of.AdaptiveAvgPool2d(1), of.Flatten(), of.Linear(512, 1000))


def theirs(model: Any) -> Any:
    with torch.device("meta"):  # no memory for weights
        return torchinfo.summary(model(torch.nn), (1, *IMAGE), verbose=0, device="meta")


def counted_like_theirs(model: Any, found: viz.Summary) -> int:
    """The total of multiply-adds by torchinfo's rules, from our rows and our layers."""
    layers = dict(model.named_modules())
    total = 0
    for row in found.rows:
        layer = layers[row.path]
        if row.is_operation or isinstance(layer, nn.BatchNorm2d):
            total += 0 if row.is_operation else row.parameters
            continue
        bias = getattr(layer, "bias", None)
        total += row.multiply_adds + (0 if bias is None else bias.numel() * math.prod(row.outputs[0][1:]))
    return total


def test_vgg16_without_biases_has_their_totals() -> None:
    found, reference = viz.summary(vgg16(nn, False), IMAGE), theirs(lambda of: vgg16(of, False))

    assert found.totals.parameters == reference.total_params
    assert found.totals.multiply_adds == reference.total_mult_adds == 15_470_264_320


@pytest.mark.parametrize("build", [lambda of: vgg16(of, True), resnet18], ids=["vgg16", "resnet18"])
def test_totals_are_theirs_by_their_rules(build: Any) -> None:
    model = build(nn)
    found, reference = viz.summary(model, IMAGE), theirs(build)

    assert found.totals.parameters == reference.total_params == reference.trainable_params
    assert counted_like_theirs(model, found) == reference.total_mult_adds


def test_every_convolution_and_product_has_their_multiply_adds() -> None:
    found, reference = viz.summary(resnet18(nn), IMAGE), theirs(resnet18)
    learned = [layer.macs for layer in reference.summary_list if layer.class_name == "Conv2d"]
    rows = [row for row in found.rows if row.kind == "Conv2d"]

    assert [row.multiply_adds for row in rows] == learned
    assert len(rows) == 20
    assert sum(learned) == 1_813_561_344
