"""Modules in drawings: what they cost, drawn as one box, folded."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.classical_networks import VGG, lenet, resnet_18, resnet_152
from tinygrad_cnn import nn, viz
from tinygrad_cnn.errors import ArgumentError, ShapeError
from tinygrad_cnn.train.networks import classifier

IMAGES = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
BATCH = np.ones((2, 3), np.float32)


def shown(graph: viz.Graph) -> list[str]:
    """What the boxes are called that are drawn, sources and results apart."""
    return [node["label"] for node in graph._shown["nodes"] if node["kind"] in ("operation", "module")]


def module(graph: viz.Graph, path: str) -> Any:
    return next(module for module in graph.description["modules"] if module["path"] == path)


def operation(graph: viz.Graph, label: str) -> Any:
    return next(node for node in graph.description["nodes"] if node["label"] == label)


# ---- what a description says


def test_costs_of_the_note_s_network() -> None:
    model = classifier((1, 28, 28), 10, filters=(4, 4), hidden=(20,), padding=0)
    graph = viz.graph(model, np.zeros((1, 1, 28, 28), np.float32))
    conv = operation(graph, "conv2d")
    assert (conv["shape"], conv["parameters"], conv["multiply_adds"]) == ([1, 4, 26, 26], 40, 26 * 26 * 4 * 9)
    assert conv["kept_bytes"] == 4 * 28 * 28  # the images; the weight is there anyway
    root = module(graph, "Sequential")
    assert root["parameters"] == sum(parameter.data.size for parameter in model.parameters()) == 2418
    assert root["multiply_adds"] == 24336 + 4 * 11 * 11 * 36 + 100 * 20 + 20 * 10
    assert root["kept_bytes"] == sum(node["kept_bytes"] for node in graph.description["nodes"])


def test_an_array_that_two_operations_keep_counts_once() -> None:
    graph = viz.graph(nn.Sequential(nn.ReLU(), nn.Linear(3, 4)), (tg.Tensor(BATCH, requires_grad=True),))
    assert operation(graph, "relu")["kept_bytes"] == 24  # its result, which is the input of linear
    assert operation(graph, "linear")["kept_bytes"] == 0


def test_parameters_are_there_anyway_and_count_once() -> None:
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    square = operation(viz.graph((w * w).sum()), "mul")
    assert (square["parameters"], square["kept_bytes"]) == (2, 0)
    frozen = nn.Linear(3, 4).requires_grad_(False)
    assert operation(viz.graph(frozen, (tg.Tensor(BATCH, requires_grad=True),)), "linear")["kept_bytes"] == 0


def test_rules_are_quoted_with_their_place() -> None:
    rule = operation(viz.graph(lambda x: x.exp() * x, BATCH), "mul")["rule"]
    assert re.fullmatch(r"a: .*lambda.*# tinygrad_cnn/ops/arithmetic.py:\d+\nb: .*", rule)
    joint = operation(viz.graph(nn.Linear(3, 4), BATCH), "linear")["rule"]
    assert joint.startswith("x, w, b: def ")


def test_a_rule_without_source_goes_by_its_name() -> None:
    @tg.primitive
    def double(x: Any) -> Any:
        return 2 * x

    typed: dict[str, Any] = {}
    exec("def rule(g): return 2 * g", typed)
    double.defvjp(x=typed["rule"])
    assert operation(viz.graph(double, BATCH), "double")["rule"] == "x: rule"


def test_a_description_is_plain_json_also_with_nan() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    model[0].weight.data = np.full((4, 3), np.nan, np.float32)
    graph = viz.graph(model, BATCH, backward=True, statistics=True)
    assert json.loads(json.dumps(graph.description, allow_nan=False)) == graph.description
    weight = operation(graph, "0.weight")
    nothing = dict.fromkeys(["mean", "std", "min", "max", "histogram"])
    assert weight["value"] == {**nothing, "not_finite": 12}


def test_statistics_are_those_of_the_arrays() -> None:
    graph = viz.graph(nn.ReLU(), np.array([[-1.0, 0.0, 3.0]], np.float32), statistics=True)
    value = operation(graph, "relu")["value"]
    assert (value["mean"], value["min"], value["max"], value["not_finite"]) == (1.0, 0.0, 3.0, 0)
    assert value["std"] == pytest.approx(np.sqrt(2))
    assert value["histogram"] == {"low": 0.0, "high": 3.0, "counts": [2, *[0] * 14, 1]}
    assert operation(viz.graph(nn.ReLU(), BATCH), "relu")["value"] is None


def test_an_inserted_layer_leaves_the_names_elsewhere() -> None:
    class Net(nn.Module):
        def __init__(self, more: bool) -> None:
            super().__init__()
            self.head = nn.Sequential(nn.Linear(3, 3), *([nn.Tanh()] if more else []))
            self.tail = nn.Sequential(nn.Linear(3, 3), nn.ReLU())

        def forward(self, x: Any) -> Any:
            return self.tail(self.head(x))

    plain, longer = (
        {node["id"] for node in viz.graph(Net(more), BATCH).description["nodes"]} for more in (False, True)
    )
    assert longer - plain == {"Net.head.1/tanh"}
    assert plain - longer == set()


def test_statistics_tell_a_huge_range() -> None:
    wide = np.array([-3e38, 3e38], np.float32)
    value = operation(viz.graph(nn.ReLU(), wide, statistics=True), "input")["value"]
    assert value["min"] == pytest.approx(-3e38)
    assert value["not_finite"] == 0


# ---- modules as one box


def test_depth_says_how_deep_modules_are_opened() -> None:
    graphs = [viz.graph(lenet(), np.zeros((1, 1, 28, 28), np.float32), depth=depth) for depth in range(3)]
    assert shown(graphs[0]) == ["Sequential"]
    assert shown(graphs[1]) == ["0: Sequential", "1: Flatten", "2: Sequential"]
    assert shown(graphs[2])[:3] == ["0: Conv2d", "1: Tanh", "2: MaxPool2d"]
    assert "0.0.weight" not in graphs[2].dot
    assert len(graphs[0].description["nodes"]) == len(graphs[2].description["nodes"])  # nothing is forgotten


def test_one_box_says_what_all_inside_cost() -> None:
    graph = viz.graph(lenet(), np.zeros((1, 1, 28, 28), np.float32), depth=0)
    (box,) = [node for node in graph._shown["nodes"] if node["kind"] == "module"]
    assert (box["shape"], box["parameters"]) == ([1, 10], 61706)
    assert box["multiply_adds"] == 117600 + 240000 + 48000 + 10080 + 840
    assert [(edge["from"], edge["to"]) for edge in graph._shown["edges"]] == [
        ("input", "Sequential/"),
        ("Sequential/", "output"),
    ]
    assert "61,706 parameters" in graph.dot


def test_a_layer_of_several_operations_is_one_box() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    graph = viz.graph(model, IMAGES)
    assert shown(graph) == ["conv2d", "1: BatchNorm2d"]
    assert len([node for node in graph.description["nodes"] if node["kind"] == "operation"]) > 2
    assert len(shown(viz.graph(model[1], np.zeros((1, 4, 2, 2), np.float32)))) > 1  # unless it was asked for
    assert shown(viz.graph(model.train(), IMAGES)) == ["conv2d", "normalise"]


def test_a_user_s_module_of_several_operations_stays_open() -> None:
    class Twice(nn.Module):
        def forward(self, x: Any) -> Any:
            return (x * 2).tanh()

    assert shown(viz.graph(nn.Sequential(Twice()), BATCH)) == ["mul", "tanh"]


def test_a_layer_called_twice_in_a_row_is_not_one_box() -> None:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Any, y: Any) -> Any:
            return self.fc(x), self.fc(y)

    assert shown(viz.graph(Siamese(), (tg.Tensor(BATCH), tg.Tensor(BATCH)))) == ["linear", "linear"]


def test_a_shared_input_of_a_box_is_one_arrow() -> None:
    graph = viz.graph(resnet_18(8), IMAGES, depth=2)
    pairs = [(edge["from"], edge["to"]) for edge in graph._shown["edges"]]
    assert len(pairs) == len(set(pairs))
    assert ("ResNet.layer1.0/", "ResNet.layer2.0/") in pairs  # over the folded layer1.1


def test_a_depth_below_0_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"depth expects 0 .* got -1"):
        viz.graph(nn.ReLU(), BATCH, depth=-1)


def test_an_input_that_does_not_fit_names_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"^classifier\.0: linear: "):
        viz.graph(VGG(size=64, hidden=8, classes=3), IMAGES)


# ---- equal neighbours


class Chain(nn.Module):
    """Equal layers one after another, where `step` says how one follows on."""

    def __init__(self, count: int, *, other: int | None = None, step: Any = None) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3, bias=number == other) for number in range(count)])
        self.step = step or (lambda layer, x, first: layer(x))

    def forward(self, x: Any) -> Any:
        first = x
        for layer in self.layers:
            x = self.step(layer, x, first)
        return x


def copies(graph: viz.Graph) -> list[int]:
    return [module["copies"] for module in graph.description["modules"][1:]]


def test_equal_neighbours_are_drawn_once() -> None:
    graph = viz.graph(Chain(4), BATCH)
    assert copies(graph) == [4, 1, 1, 1]
    assert "<b>layers.0 to layers.3: Linear × 4</b>" in graph.dot
    assert shown(graph) == ["linear"]
    assert graph.dot.count(" -> ") == 3
    assert shown(viz.graph(Chain(4), BATCH, fold=False)) == ["linear"] * 4


def test_a_different_layer_divides_a_run() -> None:
    graph = viz.graph(Chain(5, other=2), BATCH)
    assert copies(graph) == [2, 1, 1, 2, 1]
    assert shown(graph) == ["linear", "linear", "linear"]


@pytest.mark.parametrize(
    "step",
    [
        lambda layer, x, first: layer(x) + x,  # something between them
        lambda layer, x, first: layer(first) * x,  # side by side
    ],
    ids=["sums", "branches"],
)
def test_what_is_no_chain_is_not_folded(step: Any) -> None:
    assert copies(viz.graph(Chain(3, step=step), BATCH)) == [1, 1, 1]


def test_neighbours_without_a_link_are_not_folded() -> None:
    class Idle(Chain):
        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                layer(x)
            return x.exp()

    assert copies(viz.graph(Idle(3), BATCH)) == [1, 1, 1]


@pytest.mark.parametrize(("shared", "expected"), [(True, [3, 1, 1]), (False, [1, 1, 1])])
def test_what_comes_from_elsewhere_must_be_the_same_for_all(shared: bool, expected: list[int]) -> None:
    class Gate(nn.Module):
        def forward(self, x: Any, mask: Any) -> Any:
            return x * mask

    class Gates(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gates = nn.ModuleList([Gate(), Gate(), Gate()])

        def forward(self, x: Any, a: Any, b: Any, c: Any) -> Any:
            for gate, mask in zip(self.gates, (a, a, a) if shared else (a, b, c), strict=True):
                x = gate(x, mask)
            return x

    inputs = tuple(tg.Tensor(BATCH.copy()) for _ in range(4))
    assert copies(viz.graph(Gates(), inputs)) == expected


def test_a_result_that_is_used_elsewhere_is_not_folded_away() -> None:
    class Dense(Chain):
        def forward(self, x: Any) -> Any:
            results = [x]
            for layer in self.layers:
                results.append(layer(results[-1]))
            return tg.cat(results, 1)

    assert copies(viz.graph(Dense(3), BATCH)) == [1, 1, 1]


@pytest.mark.parametrize("training", [True, False])
def test_residual_blocks_are_folded_with_all_that_is_inside(training: bool) -> None:
    graph = viz.graph(resnet_18(8).train(training), IMAGES)
    assert [module(graph, f"ResNet.layer1.{i}")["copy_of"] for i in range(2)] == ["", "ResNet.layer1.0"]
    assert module(graph, "ResNet.layer2.0")["copies"] == 1  # it has a shortcut of its own
    ids = {node["id"] for node in graph._shown["nodes"]}
    assert all(edge["from"] in ids and edge["to"] in ids for edge in graph._shown["edges"])
    assert "layer1.1.conv1.weight" not in graph.dot
    assert "layer2.1.conv1.weight" in graph.dot


def test_a_tied_layer_is_folded_beside_its_parameter() -> None:
    model = Chain(3)
    for number in (1, 2):
        model.layers[number].weight = model.layers[0].weight
    graph = viz.graph(model, BATCH)
    assert copies(graph) == [3, 1, 1]
    assert "layers.0.weight" in graph.dot


def test_a_deep_residual_network_is_drawn_at_once() -> None:
    model = resnet_152(width=4)
    start = time.perf_counter()
    graph = viz.graph(model, IMAGES)
    dot = graph.dot
    assert time.perf_counter() - start < 20  # seconds; under 1 on an idle machine
    assert [m["copies"] for m in graph.description["modules"] if m["copies"] > 1] == [2, 7, 35, 2]
    assert "1 to 35: Bottleneck × 35" in dot
    assert len(graph.description["nodes"]) > 900
    assert len(graph._shown["nodes"]) < 200
