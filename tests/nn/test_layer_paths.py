from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.core import Event
from tinygrad_cnn.core.modes import MODE
from tinygrad_cnn.errors import ArgumentError, ShapeError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), nn.Linear(4, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.features(x))


class Shortcut(Net):
    """Calls a child of its child, past the Sequential."""

    def forward(self, x: Any) -> Any:
        return self.features[0][0](x)


class Raising(nn.Module):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: Any) -> Any:
        raise self.error


def batch(features: int) -> tg.Tensor:
    return tg.tensor(np.ones((2, features), np.float32))


# ---- errors


@pytest.mark.parametrize("model", [Net(), Shortcut()], ids=["straight", "shortcut"])
def test_our_errors_begin_with_the_path(model: nn.Module) -> None:
    with pytest.raises(ShapeError) as caught:
        model(batch(5))
    assert str(caught.value).startswith("features.0.0: linear: weight expects 3 features, input has 5")
    assert caught.value.__notes__[-1:] == ["in layer features.0.0 (Linear(in_features=3, out_features=4, bias=True))"]
    assert sum(note.startswith("in layer") for note in caught.value.__notes__) == 1


def test_convolution_in_a_sequential() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 5))
    with pytest.raises(ShapeError, match=r"^0: conv2d: kernel 5x5 is larger"):
        model(tg.tensor(np.ones((1, 1, 3, 3), np.float32)))


def test_a_layer_called_alone_adds_nothing() -> None:
    with pytest.raises(ShapeError, match=r"^linear: ") as caught:
        nn.Linear(3, 4)(batch(5))
    assert not hasattr(caught.value, "__notes__")


def test_an_error_of_the_outermost_forward_adds_nothing() -> None:
    with pytest.raises(ArgumentError, match=r"^mine$"):
        Raising(ArgumentError("mine"))(batch(3))


def test_other_exceptions_keep_their_message_and_get_a_note() -> None:
    error = KeyError("nothing here")
    model = nn.Sequential(nn.ReLU(), nn.Sequential(Raising(error)))
    with pytest.raises(KeyError) as caught:
        model(batch(3))
    assert caught.value is error
    assert caught.value.args == ("nothing here",)
    assert caught.value.__notes__ == ["in layer 1.0 (Raising())"]
    assert caught.traceback[-1].name == "forward"


def test_an_error_that_is_caught_and_replaced_starts_anew() -> None:
    class Guard(nn.Sequential):
        def forward(self, x: Any) -> Any:
            try:
                return super().forward(x)
            except ShapeError as error:
                raise ArgumentError("the guard's own") from error

    model = nn.Sequential(Guard(nn.Linear(3, 4)))
    with pytest.raises(ArgumentError) as caught:
        model(batch(5))
    assert str(caught.value) == "0: the guard's own"


def test_a_module_that_its_caller_does_not_hold_goes_by_its_class() -> None:
    stranger = nn.Linear(3, 4)

    class Caller(nn.Module):
        def forward(self, x: Any) -> Any:
            return stranger(x)

    with pytest.raises(ShapeError, match=r"^0.Linear: linear: "):
        nn.Sequential(Caller())(batch(5))


def test_what_is_no_exception_passes_untouched() -> None:
    model = nn.Sequential(Raising(KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt) as caught:
        model(batch(3))
    assert not hasattr(caught.value, "__notes__")


# ---- observers


def paths(model: nn.Module, features: int = 3) -> list[tuple[str, str]]:
    events: list[Event] = []
    with tg.observe(events.append):
        model(batch(features)).sum().backward()
    return [(event.primitive.name, nn.path_of(event.modules)) for event in events if event.kind == "forward"]


def test_an_observer_learns_the_path_of_each_call() -> None:
    assert paths(Net()) == [
        ("linear", "features.0.0"),
        ("relu", "features.0.1"),
        ("linear", "features.1"),
        ("linear", "head"),
        ("sum", ""),
    ]


def test_the_path_of_a_child_of_a_child() -> None:
    assert paths(Shortcut())[0] == ("linear", "features.0.0")


def test_rule_calls_carry_the_modules_of_their_forward_call() -> None:
    events: list[Event] = []
    model = nn.Sequential(nn.Linear(3, 1))
    with tg.observe(events.append):
        model(batch(3)).sum().backward()
    assert [nn.path_of(event.modules) for event in events if event.kind == "rule"] == ["", "0"]


def test_the_stack_is_empty_after_an_error_and_without_an_observer() -> None:
    with pytest.raises(ShapeError):
        paths(Net(), features=5)
    assert MODE.modules == []
    stacks: list[int] = []
    model = nn.Sequential(nn.ReLU())
    model[0].register_forward_hook(lambda module, args, output: stacks.append(len(MODE.modules)))
    model(batch(3))
    with tg.observe(lambda event: None):
        model(batch(3))
    assert stacks == [0, 2]
    assert nn.path_of(()) == nn.path_of((model,)) == ""
