from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, viz
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError

RNG = np.random.default_rng(0)


def leaf(*shape: int) -> tg.Tensor:
    return tg.Tensor(RNG.normal(size=shape).astype(np.float32), requires_grad=True)


def constant(*shape: int) -> tg.Tensor:
    return tg.Tensor(RNG.normal(size=shape).astype(np.float32))


def titles(graph: viz.Graph) -> list[str]:
    """What the boxes are called, in the order in which they ran."""
    return [node["label"] for node in graph.description["nodes"]]


def arrows(graph: viz.Graph) -> set[tuple[str, str]]:
    """Pairs of titles, from and to."""
    named = {node["id"]: node["label"] for node in graph.description["nodes"]}
    return {(named[edge["from"]], named[edge["to"]]) for edge in graph.description["edges"]}


def frames(graph: viz.Graph) -> list[str]:
    return re.findall(r"graph \[label=<<b>(.*?)</b>", graph.dot)


class Net(nn.Module):
    def __init__(self) -> None:
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.head = nn.Linear(18, 4)

    def forward(self, images: Any) -> Any:
        return self.head(tg.flatten(self.features(images), 1))


IMAGES = RNG.normal(size=(5, 1, 8, 8)).astype(np.float32)


# ---- the graph behind a Tensor


def test_a_tensor_shows_what_gradients_flow_through() -> None:
    x, w, b = constant(3, 4), leaf(3, 4), leaf(4)
    graph = viz.graph((x * w + b).relu().sum(), names={"w": w, "b": b})
    assert titles(graph) == ["w", "mul", "b", "add", "relu", "sum", "output"]
    chain = {("mul", "add"), ("add", "relu"), ("relu", "sum"), ("sum", "output")}
    assert arrows(graph) == {("w", "mul"), ("b", "add"), *chain}
    assert repr(graph) == "Graph(7 boxes, 6 arrows)"


def test_a_diamond_shares_its_boxes() -> None:
    x = leaf(3)
    y = x.exp()
    graph = viz.graph(y * y + y)
    assert titles(graph) == ["leaf", "exp", "mul", "add", "output"]
    assert graph.dot.count(" -> ") == 6


def test_a_leaf_alone_is_a_picture() -> None:
    assert titles(viz.graph(leaf(2))) == ["leaf", "output"]


def test_shape_and_dtype_are_shown() -> None:
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    dot = viz.graph(x.sum()).dot
    assert ">(2, 3) float64<" in dot
    assert ">scalar float64<" in dot
    assert ">(2,) float32<" in viz.graph(leaf(2).sum()).dot


def test_a_chain_of_100_000_operations_becomes_text() -> None:
    y = leaf(1)
    for _ in range(100_000):
        y = y * 1.0
    start = time.perf_counter()
    dot = viz.graph(y).dot
    assert time.perf_counter() - start < 30  # seconds; about 2 on an idle machine
    assert dot.count(" -> ") == 100_001


def test_a_tensor_computed_under_an_observer_is_framed_by_module() -> None:
    model = Net()
    with tg.observe(lambda event: None):
        loss = model(tg.Tensor(IMAGES)).sum()
    graph = viz.graph(loss, names=dict(model.named_parameters()))
    assert frames(graph) == ["Net", "features: Sequential", "0: Conv2d", "1: ReLU", "2: MaxPool2d", "head: Linear"]
    assert "features.0.weight" in titles(graph)


def test_a_tensor_without_a_graph_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"nothing was recorded behind this Tensor.*graph\(model, input\)"):
        viz.graph(constant(2) * 2.0)
    with tg.no_grad(), pytest.raises(ArgumentError, match="no_grad"):
        viz.graph(leaf(2) * 2.0)


# ---- one call of a model


def test_a_model_shows_inputs_parameters_frames_and_outputs() -> None:
    graph = viz.graph(Net(), IMAGES)
    assert titles(graph) == [
        *("images", "features.0.weight", "features.0.bias", "conv2d", "relu", "max_pool2d", "reshape"),
        *("head.weight", "head.bias", "linear", "output"),
    ]
    assert ("images", "conv2d") in arrows(graph)
    assert ("features.0.bias", "conv2d") in arrows(graph)
    assert ("linear", "output") in arrows(graph)
    assert frames(graph) == ["Net", "features: Sequential", "0: Conv2d", "1: ReLU", "2: MaxPool2d", "head: Linear"]


def test_two_drawings_of_one_model_are_equal_text() -> None:
    model = Net()
    assert viz.graph(model, IMAGES).dot == viz.graph(model, tg.Tensor(IMAGES)).dot
    assert viz.graph(model, IMAGES).dot == viz.graph(Net(), IMAGES).dot


def test_a_model_without_gradients_is_drawn_alike_but_keeps_nothing() -> None:
    model = Net()
    with tg.no_grad():
        silent = viz.graph(model, IMAGES)
    kept = re.compile(r'<br/><font point-size="9" color="#4D4D4D">keeps [^<]*</font>')
    assert not kept.search(silent.dot)
    assert silent.dot == kept.sub("", viz.graph(model, IMAGES).dot)


def test_drawing_leaves_no_observer_and_no_gradient_behind() -> None:
    model = Net()
    viz.graph(model, IMAGES)
    assert all(parameter.grad is None for parameter in model.parameters())
    y = model(tg.Tensor(IMAGES))
    assert not hasattr(y._edge, "trace")


def test_a_shared_parameter_is_drawn_once_outside_both_layers() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.one, self.two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
            self.two.weight = self.one.weight

        def forward(self, x: Any) -> Any:
            return self.two(self.one(x))

    graph = viz.graph(Tied(), constant(2, 3))
    assert titles(graph) == ["x", "one.weight", "linear", "linear", "output"]
    assert graph.description["nodes"][1]["module"] == "Tied"
    assert graph.description["modules"][0]["parameters"] == 9  # counted once


def test_a_module_that_is_called_twice_gets_two_frames() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            self.relu, self.fc = nn.ReLU(), nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return self.relu(self.fc(self.relu(x)))

    assert frames(viz.graph(Twice(), constant(2, 3))) == ["Twice", "relu: ReLU", "fc: Linear", "relu: ReLU"]


def test_a_function_names_its_arguments_and_its_plain_numbers() -> None:
    graph = viz.graph(lambda x, w: (x - w) / 4, (constant(2, 3), leaf(2, 3)))
    assert titles(graph) == ["x", "w", "sub", "div", "output"]
    assert ">b = 4<" in graph.dot
    assert '"x" -> "sub" [label=" a: 2×3 "' in graph.dot  # which is subtracted from which
    assert '"w" -> "sub" [label=" b "' in graph.dot


def test_operands_that_may_be_exchanged_bear_no_names() -> None:
    assert ": 2" not in viz.graph(lambda x, w: (x + w) * x, (constant(2), leaf(2))).dot


def test_joined_tensors_are_drawn_with_all_their_inputs() -> None:
    graph = viz.graph(lambda x, w: tg.cat([x, w, x]), (constant(2), leaf(2)))
    assert titles(graph) == ["x", "w", "cat", "output"]
    assert graph.dot.count(" -> ") == 4


def test_results_in_containers_are_outputs() -> None:
    graph = viz.graph(lambda x: {"a": x.exp(), "b": [x.exp().sum()]}, constant(2))
    assert titles(graph) == ["x", "exp", "exp", "sum", "output", "output"]


def test_buffers_frozen_parameters_and_masks_are_constants() -> None:
    class Scale(nn.Module):
        shift: tg.Tensor

        def __init__(self) -> None:
            self.factor = nn.Parameter([2.0, 3.0])
            self.register_buffer("shift", tg.tensor([1.0, 1.0]))

        def forward(self, x: Any) -> Any:
            return (x + self.shift) * self.factor * np.array([0.0, 1.0], np.float32)

    learning, frozen = viz.graph(Scale(), constant(2)), viz.graph(Scale().requires_grad_(False), constant(2))
    assert titles(learning) == titles(frozen) == ["x", "shift", "add", "factor", "mul", "constant", "mul", "output"]
    assert learning.dot.count("dashed") == 2
    assert frozen.dot.count("dashed") == 3


def test_a_detached_value_stays_connected() -> None:
    graph = viz.graph(lambda x: x.exp().detach().sum() + x.exp().data.sum(), leaf(2))
    assert ("exp", "sum") in arrows(graph)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"this model was not run; pass what it takes, graph\(model, input\)"):
        viz.graph(Net())
    with pytest.raises(ArgumentTypeError, match="without input"):
        viz.graph(leaf(2).sum(), IMAGES)
    with pytest.raises(ArgumentTypeError, match="expects a Tensor or a model, got int"):
        viz.graph(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"names\['w'\] must be a Tensor or an array, got str"):
        viz.graph(leaf(2), names={"w": "w"})
    with pytest.raises(ArgumentError, match="no operation on Tensors was recorded"):
        viz.graph(lambda x: x, IMAGES)


# ---- recordings


def test_a_training_batch_is_drawn_with_its_loss_and_labels() -> None:
    model, loss_fn, labels = Net(), nn.CrossEntropyLoss(), np.arange(5) % 4
    with viz.record() as recording:
        loss = loss_fn(model(tg.Tensor(IMAGES)), labels)
        loss.backward()
    nameless = recording.graph(model)
    assert {"labels", "cross_entropy", "features.0.weight", "output"} <= set(titles(nameless))
    graph = recording.graph(model, names={"images": IMAGES, "targets": labels, "loss": loss})
    assert {("images", "conv2d"), ("targets", "cross_entropy")} <= arrows(graph)
    assert titles(graph)[-1] == "loss"
    assert frames(graph)[0] == "Net"
    assert frames(graph)[-1] == "CrossEntropyLoss"
    assert ">(5,) int64<" in graph.dot


def test_an_empty_recording_is_refused() -> None:
    with viz.record() as recording:
        pass
    with pytest.raises(ArgumentError, match="inside the with block"):
        recording.graph()


def test_a_recording_ends_with_its_block_also_after_an_error() -> None:
    x = leaf(2)
    with contextlib.suppress(ZeroDivisionError), viz.record() as recording:
        x.exp()
        raise ZeroDivisionError
    x.tanh()
    assert titles(recording.graph()) == ["leaf", "exp", "output"]


def test_arrays_that_were_freed_are_not_taken_for_new_ones() -> None:
    with tg.no_grad(), viz.record() as recording:
        for _ in range(50):  # each result is dropped at once, and its memory used again
            constant(3).exp()
    assert recording.graph().dot.count(" -> ") == 100
