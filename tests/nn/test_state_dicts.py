from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentTypeError, EditedInPlaceError, StateDictError


class Model(nn.Module):
    count: tg.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 2)
        self.register_buffer("count", np.zeros((), np.int64))
        self.register_buffer("cache", np.zeros(2), persistent=False)


def bits(model: nn.Module) -> list[bytes]:
    return [array.tobytes() for array in model.state_dict().values()]


def test_the_state_holds_copies_under_paths() -> None:
    model = Model()
    state = model.state_dict()
    assert list(state) == ["count", "first.weight", "first.bias", "second.weight", "second.bias"]
    assert all(type(array) is np.ndarray for array in state.values())
    assert state["count"].dtype == np.int64
    state["first.weight"][:] = 7
    assert not (model.first.weight.data == 7).any()


def test_a_state_goes_into_another_model() -> None:
    source, target = Model(), Model()
    source.count = tg.tensor(np.int64(5))
    weight = target.first.weight
    assert target.load_state_dict(source.state_dict()) == ([], [])
    assert bits(target) == bits(source)
    assert target.first.weight is weight  # an optimiser that holds it goes on
    assert isinstance(target.count, tg.Tensor)
    source.first.weight.data = np.zeros((4, 3))
    assert target.first.weight.data.any()


def test_tensors_are_welcome_and_what_was_given_is_not_shared() -> None:
    model = nn.Linear(2, 1, bias=False)
    given = np.ones((1, 2), np.float32)
    model.load_state_dict({"weight": tg.tensor(given)})
    model.load_state_dict({"weight": given})
    given[:] = 3
    assert model.weight.tolist() == [[1.0, 1.0]]


def test_shared_parameters_keep_every_name() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    twice = nn.Sequential(model[0], model[0])
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert twice.load_state_dict(twice.state_dict()) == ([], [])


def test_one_error_lists_everything_that_is_wrong_and_nothing_changes() -> None:
    model = Model()
    before = bits(model)
    state: dict[str, Any] = {name: array + 1 for name, array in model.state_dict().items()}
    del state["first.bias"], state["second.bias"]
    state["head.weight"] = np.zeros(1)
    state["tail.weight"] = np.zeros(1)
    state["first.weight"] = np.zeros((4, 5), np.float32)
    state["second.weight"] = np.zeros((2, 4))
    with pytest.raises(StateDictError) as caught:
        model.load_state_dict(state)
    message = str(caught.value)
    assert message.startswith(
        "Model.load_state_dict: missing keys: first.bias, second.bias; unexpected keys: head.weight"
    )
    assert "head.weight, tail.weight" in message
    assert "first.weight expects float32 (4, 3), got float32 (4, 5)" in message
    assert "second.weight expects float32 (2, 4), got float64 (2, 4); convert it with .astype(np.float32)" in message
    assert "\n" not in message
    assert bits(model) == before


@pytest.mark.parametrize("spoilt", ["count", "second.bias"])
def test_one_wrong_value_leaves_the_whole_model_as_it_was(spoilt: str) -> None:
    model = Model()
    before = bits(model)
    state: dict[str, Any] = {name: array + 1 for name, array in model.state_dict().items()}
    state[spoilt] = "no array"
    with pytest.raises(StateDictError, match=spoilt):
        model.load_state_dict(state, strict=False)
    assert bits(model) == before


def test_not_strict_loads_what_is_there_and_says_what_is_not() -> None:
    model = Model()
    result = model.load_state_dict({"first.bias": np.full(4, 9, np.float32), "extra": np.zeros(1)}, strict=False)
    assert result.unexpected_keys == ["extra"]
    assert result.missing_keys == ["count", "first.weight", "second.weight", "second.bias"]
    assert model.first.bias is not None
    assert model.first.bias.tolist() == [9.0] * 4


def test_something_else_than_a_dict_is_explained() -> None:
    with pytest.raises(ArgumentTypeError, match=r"expects a dict of arrays, as state_dict\(\) gives it, got str"):
        Model().load_state_dict("weights.safetensors")  # type: ignore[arg-type]


def test_loading_counts_as_an_edit() -> None:
    model = nn.Linear(2, 1)
    loss = (model(tg.tensor([[1.0, 2.0]], requires_grad=True)) ** 2).sum()
    model.load_state_dict(model.state_dict())
    with pytest.raises(EditedInPlaceError):
        loss.backward()
