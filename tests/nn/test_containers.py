from __future__ import annotations

from collections import OrderedDict

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError


def three() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def test_modules_run_one_after_another() -> None:
    model = three()
    x = tg.tensor([[1.0, -2.0]])
    expected = x
    for module in model:
        expected = module(expected)
    assert model(x).tolist() == expected.tolist()
    assert nn.Sequential()(x) is x


def test_a_shared_module_runs_as_often_as_it_stands_there() -> None:
    class Increment(nn.Module):
        def forward(self, x: tg.Tensor) -> tg.Tensor:
            return x + 1

    step = Increment()
    model = nn.Sequential(step, step, step)
    assert model(tg.tensor([0.0])).tolist() == [3.0]
    assert len(model) == 3
    assert len(list(model.children())) == 1


def test_indexing_and_slicing() -> None:
    model = three()
    assert len(model) == 3
    first, _, last = model
    assert model[0] is first
    assert model[-1] is last
    assert isinstance(model[1:], nn.Sequential)
    assert list(model[1:]) == list(model)[1:]
    assert [name for name, _ in model[1:].named_children()] == ["1", "2"]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"no Module at {index}, it has 3"):
            model[index]


def test_append_finds_a_free_name() -> None:
    model = nn.Sequential(nn.ReLU())
    assert model.append(nn.Tanh()) is model
    assert [name for name, _ in model.named_children()] == ["0", "1"]
    tail = three()[1:].append(nn.Tanh())
    assert [name for name, _ in tail.named_children()] == ["1", "2", "3"]
    assert len(tail) == 3


def test_names_from_a_dict() -> None:
    model = nn.Sequential(OrderedDict(fc=nn.Linear(2, 2), act=nn.ReLU()))
    assert [name for name, _ in model.named_children()] == ["fc", "act"]
    assert list(model.state_dict()) == ["fc.weight", "fc.bias"]
    assert next(model.children()) is model[0]
    with pytest.raises(ArgumentError, match="belongs to the Module itself"):
        nn.Sequential({"append": nn.ReLU()})


@pytest.mark.parametrize(
    ("wrong", "mend"),
    [
        (nn.ReLU, "call the class: ReLU"),
        ([nn.ReLU()], r"unpack it: Sequential\(\*modules\)"),
        (tg.relu, "define a Module whose forward calls it"),
        (None, "got None"),
    ],
    ids=["class", "list", "function", "none"],
)
def test_what_is_no_module_is_refused(wrong: nn.Module, mend: str) -> None:
    with pytest.raises(ArgumentTypeError, match=mend):
        nn.Sequential(nn.ReLU(), wrong)
    with pytest.raises(ArgumentTypeError, match=mend):
        nn.Sequential().append(wrong)
