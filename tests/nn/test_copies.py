"""Copies and pickles of Tensors and Modules, and Modules in another dtype."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentTypeError, DTypeError, EditedInPlaceError, GradientError


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


deep = pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled], ids=["deepcopy", "pickle"])
Duplicate = Callable[[Any], Any]


class Counter(nn.Module):
    seen: tg.Tensor
    mean: tg.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)
        self.head.weight = self.fc.weight
        self.register_buffer("seen", np.zeros((), np.int64))
        self.register_buffer("mean", np.zeros(2, np.float32), persistent=False)
        self.names = ["a", "b"]

    def forward(self, x: tg.Tensor) -> Any:
        self.seen = self.seen + 1
        return self.head(self.fc(x))


# ---- Tensors


@deep
@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_leaf_becomes_a_leaf_of_its_own(duplicate: Duplicate, requires_grad: bool) -> None:
    for leaf in (tg.tensor([1.0, 2.0], requires_grad=requires_grad), nn.Parameter([1.0, 2.0], requires_grad)):
        if requires_grad:
            leaf.grad = tg.tensor([3.0, 4.0])
        twin = duplicate(leaf)
        assert type(twin).__name__ == type(leaf).__name__
        assert twin.requires_grad is requires_grad
        assert twin.dtype == np.float32
        assert twin.tolist() == [1.0, 2.0]
        twin.data[0] = 7
        assert leaf.tolist() == [1.0, 2.0]
        held = leaf.grad
        if held is not None:
            assert twin.grad is not held
            assert twin.grad.tolist() == [3.0, 4.0]
            (twin * twin).sum().backward()
            assert held.tolist() == [3.0, 4.0]


@deep
def test_what_an_operation_made_is_refused(duplicate: Duplicate) -> None:
    x = tg.tensor([1.0], requires_grad=True)
    with pytest.raises(GradientError, match=r"an operation made cannot be deep-copied or pickled.*use .clone\(\)"):
        duplicate(x * 2)
    assert duplicate((x * 2).detach()).tolist() == [2.0]
    with tg.no_grad():
        assert duplicate(x * 2).tolist() == [2.0]


@deep
def test_one_tensor_stays_one(duplicate: Duplicate) -> None:
    x = tg.tensor([1.0])
    a, b, c = duplicate([x, x, tg.tensor([1.0])])
    assert a is b
    assert a is not c


def test_the_copy_notices_its_own_edits_only() -> None:
    x = tg.tensor([2.0], requires_grad=True)
    for _ in range(3):
        x.data = np.array([3.0])
    twin = pickled(x)
    ours, its = (x * x).sum(), (twin * twin).sum()
    x.data = np.array([4.0])
    its.backward()
    assert twin.grad.tolist() == [6.0]
    with pytest.raises(EditedInPlaceError):
        ours.backward()


def test_a_shallow_copy_shares_the_array_and_its_edits() -> None:
    x = nn.Parameter([2.0])
    twin = copy.copy(x)
    assert isinstance(twin, nn.Parameter)
    assert twin.data is x.data
    loss = (x * x).sum()
    optim.SGD([twin], lr=1.0).zero_grad()
    twin.grad = tg.tensor([1.0])
    optim.SGD([twin], lr=1.0).step()
    assert x.tolist() == [1.0]
    with pytest.raises(EditedInPlaceError):
        loss.backward()


# ---- Modules


@deep
def test_a_module_with_all_it_holds(duplicate: Duplicate) -> None:
    model = Counter()
    model.fc.eval()
    model.fc.bias.requires_grad_(False)  # type: ignore[union-attr]
    model(tg.tensor([[1.0, 2.0]])).sum().backward()
    twin = duplicate(model)
    assert twin.head.weight is twin.fc.weight
    assert twin.fc.weight is not model.fc.weight
    assert (twin.training, twin.fc.training, twin.fc.bias.requires_grad) == (True, False, False)
    assert twin.fc.weight.grad.tolist() == model.fc.weight.grad.tolist()  # type: ignore[union-attr]
    assert twin.seen.item() == 1
    assert list(twin.state_dict()) == list(model.state_dict())
    assert [name for name, _ in twin.named_buffers()] == ["seen", "mean"]
    twin(tg.tensor([[1.0, 2.0]])).sum().backward()
    assert (twin.seen.item(), model.seen.item()) == (2, 1)
    twin.names.append("c")
    assert model.names == ["a", "b"]
    twin.register_buffer("another", np.zeros(1))
    assert "another" not in dict(model.named_buffers())


def test_hooks_are_copied_but_not_pickled() -> None:
    model, calls = nn.Sequential(nn.Linear(1, 1)), []
    handle = model[0].register_forward_hook(lambda module, args, output: calls.append(module))
    twin = copy.deepcopy(model)
    handle.remove()
    twin(tg.tensor([[1.0]]))
    model(tg.tensor([[1.0]]))
    assert len(calls) == 1
    assert calls[0] is twin[0]
    with pytest.raises(ArgumentTypeError, match=r"Linear: has forward hooks.*remove them first"):
        pickle.dumps(twin)
    pickle.dumps(model)


# ---- other dtypes


def test_a_module_in_another_dtype() -> None:
    model = Counter()
    weight = model.fc.weight
    model(tg.tensor([[1.0, 2.0]])).sum().backward()
    values, slope = weight.data.copy(), weight.grad.data.copy()  # type: ignore[union-attr]
    assert model.double() is model
    assert model.fc.weight is model.head.weight is weight
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float64)}
    assert model.seen.dtype == np.int64
    assert model.mean.dtype == np.float64
    assert weight.grad is not None
    assert weight.grad.dtype == np.float64
    np.testing.assert_array_equal(weight.data, values)
    np.testing.assert_array_equal(weight.grad.data, slope)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    output = model(tg.tensor(np.ones((1, 2))))
    assert output.dtype == np.float64
    output.sum().backward()
    optimizer.step()
    assert model.float().fc.weight.dtype == np.float32
    assert model.to("float64").fc.weight.dtype == np.float64


def test_a_frozen_parameter_stays_frozen() -> None:
    model = nn.Linear(1, 1).requires_grad_(False).double()
    assert not model.weight.requires_grad
    assert model.weight.dtype == np.float64


def test_a_graph_with_the_old_values_is_refused() -> None:
    model = nn.Linear(2, 2)
    loss = model(tg.tensor([[1.0, 2.0]], requires_grad=True)).sum()
    model.double()
    with pytest.raises(EditedInPlaceError):
        loss.backward()


def test_only_floating_point_dtypes_are_taken() -> None:
    with pytest.raises(DTypeError, match=r"Linear.to: expects a floating-point dtype, got int64"):
        nn.Linear(1, 1).to(np.int64)


def test_gradients_may_become_zeros() -> None:
    model = nn.Linear(1, 1)
    model(tg.tensor([[3.0]])).sum().backward()
    model.zero_grad(set_to_none=False)
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[0.0]]
    model.zero_grad()
    assert model.weight.grad is None
