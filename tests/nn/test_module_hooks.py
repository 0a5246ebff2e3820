from __future__ import annotations

from typing import Any

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn


def test_forward_hooks_see_the_call_and_may_replace_the_output() -> None:
    relu = nn.ReLU()
    x = tg.tensor([-1.0, 2.0])
    seen: list[Any] = []
    watch = relu.register_forward_hook(lambda module, args, output: seen.append((module, args, output.tolist())))
    double = relu.register_forward_hook(lambda module, args, output: output * 2)
    assert relu(x).tolist() == [0.0, 4.0]
    assert seen == [(relu, (x,), [0.0, 2.0])]
    double.remove()
    double.remove()
    assert relu(x).tolist() == [0.0, 2.0]
    watch.remove()
    relu(x)
    assert len(seen) == 2


def test_pre_hooks_run_first_and_may_replace_the_arguments() -> None:
    relu = nn.ReLU()
    order: list[str] = []
    relu.register_forward_hook(lambda module, args, output: order.append("after"))
    relu.register_forward_pre_hook(lambda module, args: order.append("before"))
    with relu.register_forward_pre_hook(lambda module, args: args[0] * -1):
        assert relu(tg.tensor([-1.0, 2.0])).tolist() == [1.0, 0.0]
    with relu.register_forward_pre_hook(lambda module, args: (args[0] + 1,)):
        assert relu(tg.tensor([-1.0, 2.0])).tolist() == [0.0, 3.0]
    assert relu(tg.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert order == ["before", "after"] * 3


def test_a_hook_may_remove_itself_while_it_runs() -> None:
    relu = nn.ReLU()
    seen: list[int] = []

    def once(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        seen.append(1)
        handle.remove()

    handle = relu.register_forward_hook(once)
    relu(tg.tensor([1.0]))
    relu(tg.tensor([1.0]))
    assert seen == [1]


def test_gradients_flow_through_what_a_hook_put_in() -> None:
    relu = nn.ReLU()
    relu.register_forward_hook(lambda module, args, output: output * 3)
    x = tg.tensor([2.0], requires_grad=True)
    relu(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0]


def test_hooks_run_inside_containers_and_their_errors_name_the_layer() -> None:
    model = nn.Sequential(nn.ReLU(), nn.ReLU())

    def fail(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        raise ValueError("a hook's own")

    model[1].register_forward_hook(fail)
    with pytest.raises(ValueError, match="a hook's own") as caught:
        model(tg.tensor([1.0]))
    assert caught.value.__notes__ == ["in layer 1 (ReLU())"]
