"""Neighbours in a Sequential that one operation computes at once, and all that keeps them apart."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.core.modes import Event
from tinygrad_cnn.errors import DTypeError, ShapeError
from tinygrad_cnn.nn import fusion


def batch(*shape: int, dtype: Any = np.float32) -> Any:
    return tg.tensor(np.random.default_rng(0).normal(size=shape).astype(dtype), requires_grad=True)


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))


def operations(run: Callable[[], Any], layers: bool = False) -> list[str]:
    """The names of the operations that run, as they do when nobody asks for every layer."""
    events: list[Event] = []
    with tg.observe(events.append, layers=layers):
        run()
    return [event.primitive.name for event in events if event.kind == "forward"]


def one_by_one(net: nn.Sequential, x: Any) -> Any:
    for layer in net:
        x = layer(x)
    return x


# ---- the same numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 3), (1, 3), (0, 3), (3,), (2, 4, 3)], ids=str)
def test_fused_layers_compute_the_same_values_and_gradients(shape: tuple[int, ...], dtype: Any) -> None:
    net, x, other = model().to(dtype), batch(*shape, dtype=dtype), batch(*shape, dtype=dtype)
    assert operations(lambda: net(x)) == ["linear_relu", "linear_relu", "linear"]
    y = net(x)
    y.sum().backward()
    fused = [parameter.grad.data for parameter in net.parameters() if parameter.grad is not None]
    net.zero_grad()
    expected = one_by_one(net, other)
    expected.sum().backward()
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.grad.data, other.grad.data, rtol=1e-5, atol=1e-6)
    for gradient, parameter in zip(fused, net.parameters(), strict=True):
        assert parameter.grad is not None
        np.testing.assert_allclose(gradient, parameter.grad.data, rtol=1e-5, atol=1e-6)
        assert gradient.dtype == dtype


IMAGES = {
    "conv2d_relu": lambda: [nn.Conv2d(3, 5, 3, padding=1, groups=1), nn.ReLU()],
    "conv2d_relu_max_pool2d": lambda: [nn.Conv2d(3, 5, 3, stride=1), nn.ReLU(), nn.MaxPool2d(2)],
    "normalise_relu": lambda: [nn.BatchNorm2d(3), nn.ReLU()],
}


@pytest.mark.parametrize("name", IMAGES)
def test_layers_of_images_compute_the_same(name: str) -> None:
    net = nn.Sequential(*IMAGES[name]())
    twin = copy.deepcopy(net)
    x, other = batch(2, 3, 7, 6), batch(2, 3, 7, 6)
    assert operations(lambda: net(x)) == [name]
    twin.load_state_dict(net.state_dict())
    y, expected = net(x), one_by_one(twin, other)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-5, atol=1e-5)
    weights = np.random.default_rng(1).normal(size=y.shape).astype(np.float32)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    np.testing.assert_allclose(x.grad.data, other.grad.data, rtol=1e-4, atol=1e-5)
    for parameter, same in zip(net.parameters(), twin.parameters(), strict=True):
        assert parameter.grad is not None
        assert same.grad is not None
        np.testing.assert_allclose(parameter.grad.data, same.grad.data, rtol=1e-4, atol=1e-4)
    for buffer, same_buffer in zip(net.buffers(), twin.buffers(), strict=True):
        np.testing.assert_allclose(buffer.data, same_buffer.data, rtol=1e-5)


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2, stride=1), nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(3, padding=1), nn.MaxPool2d(9)]
)
def test_pooling_that_does_not_fit_runs_by_itself(pool: nn.MaxPool2d) -> None:
    net, x = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), pool), batch(2, 3, 7, 6)
    if pool.kernel_size == (9, 9):
        with pytest.raises(ShapeError, match="max_pool2d: kernel 9x9"):
            net(x)
    else:
        assert operations(lambda: net(x)) == ["conv2d_relu", "max_pool2d"]


def test_without_bias_and_with_frozen_parameters() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU()), batch(2, 3)
    net.requires_grad_(False)
    assert operations(lambda: net(x)) == ["linear_relu"]
    net(x).sum().backward()
    gradient, x.grad = x.grad.data, None
    one_by_one(net, x).sum().backward()
    np.testing.assert_allclose(gradient, x.grad.data, rtol=1e-6)


def test_derivatives_of_any_order() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)).double(), batch(2, 3, dtype=np.float64)
    curvatures = []
    for y in (net(x), one_by_one(net, x)):
        slope: Any = tg.grad((y**3).sum(), x, create_graph=True)[0]
        curvatures.append(tg.grad((slope**2).sum(), (x, net[0].weight)))
    for fused, plain in zip(*curvatures, strict=True):
        assert fused is not None
        assert plain is not None
        np.testing.assert_allclose(fused.data, plain.data, rtol=1e-12)


def test_constants_in_give_constants_out() -> None:
    net = model()
    with tg.no_grad():
        assert not net(batch(2, 3)).requires_grad
    net.requires_grad_(False)
    assert not net(batch(2, 3).data).requires_grad


# ---- what keeps layers apart


def test_an_observer_that_wants_layers_gets_them() -> None:
    net, x = model(), batch(2, 3)
    assert operations(lambda: net(x), layers=True) == ["linear", "relu", "linear", "relu", "linear"]


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_hooks_are_called(layer: int, kind: str) -> None:
    net, x, calls = model(), batch(2, 3), []
    with getattr(net[layer], kind)(lambda module, *_: calls.append(module)):
        assert operations(lambda: net(x)) == ["linear", "relu", "linear_relu", "linear"]
    assert calls == [net[layer]]
    assert operations(lambda: net(x)) == ["linear_relu", "linear_relu", "linear"]  # once it is off again
    assert len(calls) == 1


def test_only_exact_classes_are_fused() -> None:
    class Doubled(nn.ReLU):
        def forward(self, input: Any) -> Any:
            return super().forward(input) * 2

    net, x = nn.Sequential(nn.Linear(3, 4), Doubled()), batch(2, 3)
    assert operations(lambda: net(x)) == ["linear", "relu", "mul"]


def test_a_forward_of_its_own_is_called() -> None:
    net, x = model(), batch(2, 3)
    net[1].forward = lambda input: input * 0
    assert operations(lambda: net(x)) == ["linear", "mul", "linear_relu", "linear"]


def test_changes_of_the_model_count_at_once() -> None:
    net, x = model(), batch(2, 3)
    net(x)
    net[1] = nn.Tanh()
    assert operations(lambda: net(x)) == ["linear", "tanh", "linear_relu", "linear"]
    net[1] = nn.ReLU()
    net.append(nn.ReLU())
    assert operations(lambda: net(x)) == ["linear_relu", "linear_relu", "linear_relu"]
    assert operations(lambda: net[1:](batch(2, 5))) == ["relu", "linear_relu", "linear_relu"]


def test_a_lazy_layer_is_fused_once_it_is_ordinary() -> None:
    net, x = nn.Sequential(nn.LazyLinear(4), nn.ReLU()), batch(2, 3)
    assert operations(lambda: net(x)) == ["linear", "relu"]
    assert operations(lambda: net(x)) == ["linear_relu"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_copies_run_their_own_layers(copied: Callable[[Any], Any]) -> None:
    net, x = model(), batch(2, 3)
    expected = net(x).data
    other = copied(net)
    np.testing.assert_array_equal(other(x).data, expected)
    other[0].weight.data *= 0
    np.testing.assert_array_equal(net(x).data, expected)


# ---- where it happened


def test_errors_name_the_layer() -> None:
    with pytest.raises(ShapeError, match=r"^0: linear: weight expects 3 features, input has 7 .*pass in_features=7"):
        model()(batch(2, 7))
    net = nn.Sequential({"features": model()})
    net[0][2].double()
    with pytest.raises(DTypeError, match=r"^features.2: linear: expects one dtype"):
        net(batch(2, 3))


def test_an_observer_learns_the_first_layer() -> None:
    events: list[Event] = []
    with tg.observe(events.append, layers=False):
        model()(batch(2, 3)).sum().backward()
    paths = [(e.primitive.name, nn.path_of(e.modules)) for e in events if e.kind == "forward"]
    assert paths == [("linear_relu", "0"), ("linear_relu", "2"), ("linear", "4"), ("sum", "")]


# ---- the table


class First(nn.Module):
    def forward(self, input: Any) -> Any:
        return [*input, "first"]


class Second(nn.Module):
    def forward(self, input: Any) -> Any:
        return [*input, "second"]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Entries of a test do not outlive it."""
    monkeypatch.setattr(fusion, "_TABLE", dict(fusion._TABLE))
    yield
    fusion.runs.cache_clear()


@pytest.mark.usefixtures("table")
def test_the_longest_run_comes_first_and_what_declines_gives_way_to_a_shorter_one() -> None:
    taken: list[str] = []

    def entry(name: str, accepts: Callable[[Any], bool]) -> Callable[..., Any]:
        def fused(input: Any, *layers: nn.Module) -> Any:
            taken.append(f"{name} of {len(layers)}")
            return [*input, name] if accepts(input) else None

        return fused

    fusion.fuses(First, Second)(entry("pair", lambda input: "no pair" not in input))
    fusion.fuses(First, Second, First)(entry("three", lambda input: "no three" not in input))
    net = nn.Sequential(First(), Second(), First(), Second())
    assert net([]) == ["three", "second"]
    assert net(["no three"]) == ["no three", "pair", "pair"]
    assert net(["no three", "no pair"]) == ["no three", "no pair", "first", "second", "first", "second"]
    assert taken[:4] == ["three of 3", "three of 3", "pair of 2", "pair of 2"]
    net[2].register_forward_hook(lambda module, args, output: None)  # the longest run is out of the question
    assert net([]) == ["pair", "first", "second"]


@pytest.mark.usefixtures("table")
def test_what_a_fused_function_raises_counts_as_the_first_layers() -> None:
    @fusion.fuses(First, Second)
    def refuses(input: Any, first: First, second: Second) -> Any:
        raise ShapeError("pair: no")

    with pytest.raises(ShapeError, match=r"^1: pair: no"):
        nn.Sequential(Second(), First(), Second())([])
