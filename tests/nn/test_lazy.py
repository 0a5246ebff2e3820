from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, ShapeError


def images(channels: int = 3) -> tg.Tensor:
    return tg.tensor(np.random.default_rng(0).normal(size=(2, channels, 6, 8)).astype(np.float32))


def network() -> nn.Sequential:
    return nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5, bias=False))


def test_after_the_first_call_they_are_ordinary_layers() -> None:
    model = network()
    assert "(0): LazyConv2d(out_channels=4, kernel_size=3" in repr(model)
    assert "(3): LazyLinear(out_features=5, bias=False)" in repr(model)
    assert model(images()).shape == (2, 5)
    assert [type(module) for module in model] == [nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear]
    assert (model[0].in_channels, model[3].in_features, model[3].bias) == (3, 4 * 6 * 8, None)
    ordinary = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(192, 5, bias=False))
    assert repr(model) == repr(ordinary)
    assert set(vars(model[3])) == set(vars(ordinary[3]))
    assert ordinary.load_state_dict(model.state_dict()) == ([], [])
    np.testing.assert_array_equal(ordinary(images()).data, model(images()).data)
    optim.Adam(model.parameters())


def test_the_same_seed_gives_the_same_weights_as_an_ordinary_layer() -> None:
    lazy, ordinary = (make(np.random.default_rng(7)) for make in (_lazy, _ordinary))
    x = tg.tensor(np.ones((1, 6), np.float32))
    assert lazy(x).tolist() == ordinary(x).tolist()
    tg.manual_seed(3)
    first = nn.LazyLinear(2)
    first(x)
    tg.manual_seed(3)
    np.testing.assert_array_equal(first.weight.data, nn.Linear(6, 2).weight.data)


def _lazy(generator: np.random.Generator) -> Any:
    return nn.LazyLinear(3, generator=generator)


def _ordinary(generator: np.random.Generator) -> Any:
    return nn.Linear(6, 3, generator=generator)


def test_it_learns_at_its_first_call_also_without_recording() -> None:
    layer = nn.LazyLinear(2)
    with tg.no_grad():
        layer(tg.tensor([[1.0, 2.0, 3.0]]))
    layer(tg.tensor([[1.0, 2.0, 3.0]])).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 2.0, 3.0]] * 2


@pytest.mark.parametrize(
    "use",
    [
        lambda model: optim.SGD(model.parameters(), lr=0.1),
        lambda model: model.state_dict(),
        lambda model: model.load_state_dict({}, strict=False),
        lambda model: list(model.named_parameters()),
        lambda model: list(model.named_buffers()),
        lambda model: model.requires_grad_(False),
        lambda model: model.double(),
        lambda model: model.zero_grad(),
    ],
    ids=["optimizer", "state_dict", "load", "parameters", "buffers", "freeze", "cast", "zero_grad"],
)
def test_what_needs_the_parameters_before_says_so(use: Callable[[nn.Module], Any]) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.LazyLinear(5)))
    with pytest.raises(ArgumentError, match=r"1\.0 \(LazyLinear\): .* run one batch through the model first"):
        use(model)
    model(tg.tensor([[1.0, 2.0]]))
    use(model)


def test_what_does_not_need_them_works_before() -> None:
    model = network().eval()
    seen: list[str] = []
    model.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["LazyConv2d", "ReLU", "Flatten", "LazyLinear", "Sequential"]
    assert not model[0].training
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin(images(1)).shape == (2, 5)
        assert not twin[0].training
    assert type(model[0]) is nn.LazyConv2d
    with pytest.raises(AttributeError, match="no attribute 'weight'; it is there after the first call"):
        _ = model[0].weight
    assert not hasattr(model[0], "anything")


def test_hooks_stay() -> None:
    layer = nn.LazyLinear(2)
    shapes: list[Any] = []
    layer.register_forward_hook(lambda module, args, output: shapes.append((type(module).__name__, output.shape)))
    for _ in range(2):
        layer(tg.tensor([[1.0]]))
    assert shapes == [("Linear", (1, 2))] * 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.LazyLinear(0), ArgumentError, "out_features must be at least 1"),
        (lambda: nn.LazyLinear(2.5), ArgumentTypeError, "out_features expects an int"),  # type: ignore[arg-type]
        (lambda: nn.LazyConv2d(4, 0), ArgumentError, "kernel_size"),
        (lambda: nn.LazyConv2d(4, 3, groups=3), ArgumentError, "out_channels must be a multiple of groups"),
        (lambda: nn.LazyConv2d(4, 3, padding_mode="mirror"), ArgumentError, "padding_mode"),
    ],
)
def test_wrong_arguments_are_refused_at_once(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_inputs_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"LazyConv2d: expects an input \(N, C, H, W\) or \(C, H, W\), got shape \(2,"):
        nn.LazyConv2d(4, 3)(tg.tensor([[1.0], [2.0]]))
    with pytest.raises(ShapeError, match="LazyLinear: expects"):
        nn.LazyLinear(4)(tg.tensor(1.0))
    grouped = nn.LazyConv2d(4, 3, groups=2)
    with pytest.raises(ArgumentError, match="in_channels must be a multiple of groups, got 3"):
        grouped(images(3))
    assert grouped(images(4)).shape == (2, 4, 4, 6)  # it is still lazy, and learns from the next input
