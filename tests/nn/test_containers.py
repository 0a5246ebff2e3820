from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

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


def test_a_place_takes_another_module() -> None:
    model = three()
    model[-1] = head = nn.Linear(3, 7)
    assert model[2] is head
    assert [name for name, _ in model.named_children()] == ["0", "1", "2"]
    with pytest.raises(IndexError, match="no Module at 3"):
        model[3] = head
    with pytest.raises(ArgumentTypeError, match="expects Modules"):
        model[0] = None  # type: ignore[assignment]


def test_identity_returns_its_input() -> None:
    x = tg.tensor([1.0])
    assert nn.Identity()(x) is x
    assert nn.Identity(54, unused=0.1)(x) is x
    assert list(nn.Identity().parameters()) == []


# ---- ModuleList


class Residual(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(depth))
        self.ways = nn.ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})

    def forward(self, x: Any, way: str = "relu") -> Any:
        for block in self.blocks:
            x = x + self.ways[way](block(x))
        return x


def test_a_list_and_a_dict_of_modules_belong_to_the_model() -> None:
    model = Residual(2)
    assert list(model.state_dict()) == ["blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"]
    x = tg.tensor([[1.0, 2.0]])
    assert model(x).tolist() != model(x, "tanh").tolist()
    assert not model.eval().ways["tanh"].training
    twin = copy.deepcopy(model)
    assert twin(x).tolist() == model(x).tolist()
    assert twin.blocks[0] is not model.blocks[0]
    assert repr(model).splitlines()[:3] == [
        "Residual(",
        "  (blocks): ModuleList(",
        "    (0): Linear(in_features=2, out_features=2, bias=True)",
    ]


def test_a_module_list_does_what_a_list_does() -> None:
    a, b, c, d = nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.Flatten()
    plain: list[nn.Module] = []
    modules = nn.ModuleList()

    def check() -> None:
        assert list(modules) == plain
        names = [name for name, _ in modules.named_modules(remove_duplicate=False)]
        assert names == ["", *(str(i) for i in range(len(plain)))]
        assert len(modules) == len(plain)

    acts: list[Callable[[Any], Any]] = [
        lambda each: each.append(a),
        lambda each: each.extend([b, c]),
        lambda each: each.insert(1, d),
        lambda each: each.__setitem__(0, nn.ModuleList([each[0]])[0]),
        lambda each: each.__delitem__(-1),
        lambda each: each.pop(0),
        lambda each: each.__iadd__([a]),
        lambda each: each.__setitem__(slice(0, 2), [c, a, b]),
        lambda each: each.reverse(),
        lambda each: each.remove(a),
    ]
    for act in acts:
        act(plain)
        act(modules)
        check()
    assert list(modules[1:]) == plain[1:]
    assert isinstance(modules[1:], nn.ModuleList)
    more = modules + nn.ModuleList([a])
    assert isinstance(more, nn.ModuleList)
    assert list(more) == [*plain, a]
    assert b in modules
    assert modules.index(b) == plain.index(b)
    for index in (9, -9):
        with pytest.raises(IndexError):
            modules[index]


def test_what_a_module_list_refuses_changes_nothing() -> None:
    modules = nn.ModuleList([nn.ReLU()])
    outer = nn.Sequential(modules)
    for wrong, error in ((nn.ReLU, ArgumentTypeError), ([nn.ReLU()], ArgumentTypeError), (outer, ArgumentError)):
        with pytest.raises(error, match="ModuleList"):
            modules.insert(0, wrong)  # type: ignore[arg-type]
        assert len(modules) == 1
    with pytest.raises(ArgumentTypeError, match="ModuleList: has no forward"):
        modules(1)


# ---- ModuleDict


def test_a_module_dict_does_what_a_dict_does() -> None:
    relu, tanh = nn.ReLU(), nn.Tanh()
    modules = nn.ModuleDict({"relu": relu})
    modules["tanh"] = tanh
    modules.update({"flat": nn.Flatten()})
    assert list(modules.keys()) == ["relu", "tanh", "flat"]
    assert list(modules.items())[:2] == [("relu", relu), ("tanh", tanh)]
    assert "tanh" in modules
    assert "training" not in modules
    assert modules.pop("flat") is not None
    modules["relu"] = tanh
    assert list(modules.values()) == [tanh, tanh]
    assert [name for name, _ in modules.named_children()] == ["relu"]
    del modules["relu"]
    assert len(modules) == 1
    assert modules.get("relu") is None
    modules.clear()
    assert not list(modules)
    with pytest.raises(KeyError, match="no Module 'relu', it has none"):
        modules["relu"]
    with pytest.raises(KeyError):
        del modules["training"]


def test_two_module_dicts_are_two() -> None:
    relu = nn.ReLU()
    a, b = nn.ModuleDict({"relu": relu}), nn.ModuleDict({"relu": relu})
    assert a != b
    assert len({a, b}) == 2


@pytest.mark.parametrize(
    ("key", "module", "error"),
    [
        ("keys", nn.ReLU(), ArgumentError),
        ("training", nn.ReLU(), ArgumentError),
        ("a.b", nn.ReLU(), ArgumentError),
        (3, nn.ReLU(), ArgumentTypeError),
        ("relu", nn.ReLU, ArgumentTypeError),
        ("relu", None, ArgumentTypeError),
    ],
    ids=["method", "flag", "dot", "number", "class", "none"],
)
def test_what_a_module_dict_refuses(key: str, module: nn.Module, error: type[Exception]) -> None:
    modules = nn.ModuleDict()
    with pytest.raises(error):
        modules[key] = module
    assert not modules
