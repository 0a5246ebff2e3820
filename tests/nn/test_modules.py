from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter([2.0])
        self.features = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.head = nn.Linear(4, 2, bias=False)

    def forward(self, x: tg.Tensor) -> Any:
        return self.head(self.features(x)) * self.scale


class Holder(nn.Module):
    """Takes whatever a test assigns to it."""

    a: Any
    b: Any
    blocks: Any
    cache: Any
    child: Any
    mean: Any
    missing: Any


def names(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters()]


def wide() -> nn.Linear:
    return nn.Linear(2, 2)


# ---- Parameter


def test_a_parameter_is_a_tensor_that_owns_its_memory() -> None:
    array = np.ones((2, 3), np.float32)
    parameter = nn.Parameter(array)
    array[:] = 5
    assert isinstance(parameter, tg.Tensor)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert parameter.tolist() == [[1.0] * 3] * 2
    assert nn.Parameter(tg.tensor([1.0, 2.0])).dtype == np.float32
    assert nn.Parameter(np.broadcast_to(np.float64(1), (3,))).data.flags.writeable
    assert not nn.Parameter([1.0], requires_grad=False).requires_grad


def test_a_parameter_of_integers_cannot_be_learned() -> None:
    with pytest.raises(DTypeError, match="floating-point"):
        nn.Parameter(np.arange(3))


# ---- registration


def test_everything_registers_in_the_order_of_assignment() -> None:
    net = Net()
    assert names(net) == ["scale", "features.0.weight", "features.0.bias", "head.weight"]
    assert [name for name, _ in net.named_children()] == ["features", "head"]
    assert list(net.children()) == [net.features, net.head]
    assert [name for name, _ in net.named_modules()] == ["", "features", "features.0", "features.1", "head"]
    assert next(iter(net.modules())) is net
    assert next(net.parameters()) is net.scale
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]


def test_reassignment_replaces_in_place_and_deletion_removes() -> None:
    net = Net()
    net.features = nn.Sequential(nn.Linear(3, 4, bias=False))
    assert names(net) == ["scale", "features.0.weight", "head.weight"]
    del net.features
    assert names(net) == ["scale", "head.weight"]
    net.scale = None  # type: ignore[assignment]
    assert names(net) == ["head.weight"]


def test_a_module_is_ready_before_its_init_runs() -> None:
    class Silent(nn.Module):
        def __init__(self) -> None:  # no super().__init__()
            self.fc = wide()

        def forward(self, x: tg.Tensor) -> Any:
            return self.fc(x)

    class Late(nn.Module):
        def __init__(self) -> None:
            self.fc = wide()
            super().__init__()

    model = Silent()
    assert names(model) == names(Late()) == ["fc.weight", "fc.bias"]
    assert model.eval().fc.training is False
    assert model(tg.tensor([[1.0, 2.0]])).shape == (1, 2)


def test_a_module_without_arguments_takes_none() -> None:
    with pytest.raises(TypeError):
        nn.ReLU(3)  # type: ignore[call-arg]


def test_shared_parameters_and_modules_count_once() -> None:
    model = Holder()
    model.a, model.b = wide(), wide()
    model.b.weight = model.a.weight
    model.c = model.a
    assert names(model) == ["a.weight", "a.bias", "b.bias"]
    assert len(list(model.modules())) == 3
    assert [name for name, _ in model.named_children()] == ["a", "b"]
    every = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    assert every == ["a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"]
    assert [name for name, _ in model.named_modules(remove_duplicate=False)] == ["", "a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([wide(), wide()], r"Holder.blocks: a list of Modules does not register itself; wrap it in nn.ModuleList"),
        ((nn.ReLU(),), "a tuple of Modules"),
        ({"first": nn.ReLU()}, "a dict of Modules"),
        ([None, [nn.ReLU()]], "a list of Modules"),
        ([nn.Parameter([1.0])], "a list of Parameters does not register itself; assign them one by one"),
    ],
    ids=["list", "tuple", "dict", "nested", "parameters"],
)
def test_collections_of_modules_are_refused(value: Any, message: str) -> None:
    model = Holder()
    with pytest.raises(ArgumentTypeError, match=message):
        model.blocks = value
    model.blocks = [1, "two", None]  # any other list is welcome


def test_modules_appended_to_a_list_later_are_noticed() -> None:
    model = Holder()
    model.blocks = []
    model.blocks.append(wide())
    with pytest.raises(ArgumentTypeError, match=r"Holder.blocks: a list of Modules"):
        list(model.parameters())


def test_cycles_are_refused() -> None:
    parent, child = Holder(), Holder()
    parent.child = nn.Sequential(child)
    for module in (parent, parent.child, child):
        with pytest.raises(ArgumentError, match="holds this Module, and cannot be its part too"):
            child.parent = module
    assert "parent" not in repr(parent)


def test_names_that_would_do_harm_are_refused() -> None:
    model = Holder()
    for name in ("a.b", ""):
        with pytest.raises(ArgumentError, match="holds no dot"):
            setattr(model, name, wide())
    for name in ("forward", "parameters", "training", "_buffers"):
        with pytest.raises(ArgumentError, match="belongs to the Module itself"):
            setattr(model, name, wide())
        with pytest.raises(ArgumentError, match="belongs to the Module itself"):
            model.register_buffer(name, np.zeros(2))


def test_a_parameter_gives_way_only_to_its_like() -> None:
    model = wide()
    with pytest.raises(ArgumentTypeError, match=r"Linear.weight: is a Parameter .* got Tensor"):
        model.weight = tg.tensor([1.0])  # type: ignore[assignment]
    holder = Holder()
    holder.fc = model
    with pytest.raises(ArgumentTypeError, match=r"Holder.fc: is a Module"):
        holder.fc = lambda x: x
    assert names(holder) == ["fc.weight", "fc.bias"]


def test_buffers_belong_to_the_state_and_are_not_learned() -> None:
    model = Holder()
    model.register_buffer("mean", np.zeros(3, np.float32))
    model.register_buffer("cache", None, persistent=False)
    assert names(model) == []
    assert [name for name, _ in model.named_buffers()] == ["mean"]
    model.mean = model.mean + 1
    assert [buffer.tolist() for buffer in model.buffers()] == [[1.0, 1.0, 1.0]]
    model.cache = tg.tensor([1.0])
    assert [name for name, _ in nn.Sequential(model).named_buffers()] == ["0.mean", "0.cache"]
    with pytest.raises(ArgumentTypeError, match="is a buffer"):
        model.mean = nn.Parameter([1.0])
    with pytest.raises(ArgumentTypeError, match="is a buffer"):
        model.mean = 3
    with pytest.raises(ArgumentError, match="exists already"):
        model.register_buffer("mean", None)
    with pytest.raises(ArgumentTypeError, match="not learned"):
        model.register_buffer("other", nn.Parameter([1.0]))
    del model.mean
    model.mean = 3
    assert [name for name, _ in model.named_buffers()] == ["cache"]


# ---- what it does


def test_train_and_eval_reach_every_module() -> None:
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.features.train()
    assert [module.training for module in net.modules()] == [False, True, True, True, False]
    with pytest.raises(ArgumentTypeError, match="mode expects a bool, got list"):
        net.train([1])  # type: ignore[arg-type]


def test_a_module_may_refuse_to_train() -> None:
    class Frozen(nn.Linear):
        def train(self, mode: bool = True) -> Frozen:
            return super().train(False)

    assert not nn.Sequential(Frozen(2, 2)).train()[0].training


def test_gradients_and_freezing() -> None:
    net = Net()
    net.head.requires_grad_(False)
    net(tg.tensor(np.ones((2, 3), np.float32))).sum().backward()
    assert net.scale.grad is not None
    assert net.head.weight.grad is None
    net.zero_grad()
    assert [parameter.grad for parameter in net.parameters()] == [None] * 4
    assert net.requires_grad_().head.weight.requires_grad


def test_apply_visits_children_first() -> None:
    seen: list[str] = []
    net = Net()
    assert net.apply(lambda module: seen.append(type(module).__name__)) is net
    assert seen == ["Linear", "ReLU", "Sequential", "Linear", "Net"]


def test_arguments_reach_forward() -> None:
    class Affine(nn.Module):
        def forward(self, x: tg.Tensor, *, scale: float = 1.0) -> tg.Tensor:
            return x * scale

    assert Affine()(tg.tensor([1.0]), scale=3.0).tolist() == [3.0]


def test_a_missing_forward_is_explained() -> None:
    with pytest.raises(ArgumentTypeError, match="Holder: has no forward; define"):
        Holder()(1)


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        _ = Holder().missing


def test_copies_are_independent() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert repr(twin) == repr(model)
        for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            assert theirs is not ours
            assert isinstance(theirs, nn.Parameter)
            np.testing.assert_array_equal(theirs.data, ours.data)
        twin[0].weight.data = np.zeros((2, 2))
        assert model[0].weight.data.any()


# ---- repr


def test_repr_is_the_tree() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (features): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=4, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (head): Linear(in_features=4, out_features=2, bias=False)\n"
        ")"
    )


def test_repr_shows_extra_facts_above_the_children() -> None:
    class Block(Holder):
        def extra_repr(self) -> str:
            return "depth=1"

    block = Block()
    assert repr(block) == "Block(depth=1)"
    block.act = nn.ReLU()
    assert repr(block) == "Block(\n  depth=1\n  (act): ReLU()\n)"
