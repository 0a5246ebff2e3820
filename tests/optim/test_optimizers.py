from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn, optim
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, EditedInPlaceError, GradientError

MAKERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda params: optim.SGD(params, lr=0.1),
    "momentum": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": lambda params: optim.Adam(params, lr=0.1, weight_decay=0.01),
    "amsgrad": lambda params: optim.Adam(params, lr=0.1, amsgrad=True),
    "adamw": lambda params: optim.AdamW(params, lr=0.1, weight_decay=0.01),
    "adagrad": lambda params: optim.Adagrad(params, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.1),
    "rmsprop": lambda params: optim.RMSprop(params, lr=0.1, weight_decay=0.01),
    "rmsprop_all": lambda params: optim.RMSprop(params, lr=0.1, alpha=0.9, momentum=0.5, centered=True),
}
SGD: Any = optim.SGD  # called with arguments that a type checker refuses too
Adam: Any = optim.Adam
every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(np.array(values or (1.0, 2.0), np.float32))


def with_gradient(*values: float) -> nn.Parameter:
    result = parameter(*values)
    result.grad = tg.tensor(np.arange(1, 1 + result.numel(), dtype=np.float32))
    return result


# ---- which parameters


def test_params_may_be_a_generator_and_are_kept_in_order() -> None:
    model = nn.Linear(2, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    assert optimizer.param_groups[0]["params"] == [model.weight, model.bias]
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_groups_have_hyper_parameters_of_their_own() -> None:
    a, b, c = with_gradient(1.0), with_gradient(1.0), with_gradient(1.0)
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": (p for p in [c]), "lr": 0.0})
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item(), c.item()], [0.9, 0.5, 1.0], rtol=1e-6)
    optimizer.param_groups[0]["lr"] = 0.2
    optimizer.step()
    np.testing.assert_allclose([a.item(), b.item(), c.item()], [0.7, 0.0, 1.0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (list, ArgumentError, r"got no parameter; pass model.parameters\(\)"),
        (lambda: nn.ReLU().parameters(), ArgumentError, "got no parameter"),
        (lambda: parameter(), ArgumentTypeError, "got Parameter; put it in a list"),
        (lambda: nn.Linear(1, 1), ArgumentTypeError, r"got Linear; pass model.parameters\(\)"),
        (lambda: nn.Linear(1, 1).named_parameters(), ArgumentTypeError, r"pass parameters\(\), not named_parameters"),
        (lambda: [parameter(), np.ones(2)], ArgumentTypeError, "parameter 1: expects a Tensor, got ndarray"),
        (lambda: [parameter()] * 2, ArgumentError, r"parameter 1 \(shape \(2,\)\) comes twice"),
        (lambda: [parameter() * 2], GradientError, "is the result of an operation"),
        (lambda: [tg.tensor([1, 2])], ArgumentTypeError, "floating-point Tensor, got int64"),
        (lambda: [tg.Tensor(np.broadcast_to(1.0, (3,)))], ArgumentError, "read-only"),
        (lambda: [parameter(), {"params": [parameter()]}], ArgumentTypeError, "got both"),
        (lambda: [{"params": []}], ArgumentError, "got no parameter"),
        (lambda: [{"lr": 0.1}], ArgumentError, "'params' is missing"),
        (lambda: [{"params": [parameter()], "learning_rate": 1}], ArgumentError, "unknown 'learning_rate'"),
        (lambda: [{"params": [parameter()], "lr": -1}], ArgumentError, "lr must be .* at least 0, got -1"),
    ],
    ids=[
        "empty", "no_parameters", "tensor", "module", "named", "array", "twice", "result", "integers", "read_only",
        "mixed", "empty_group", "no_params", "unknown", "group_lr",
    ],
)  # fmt: skip
def test_wrong_params_are_refused(params: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        optim.SGD(params(), lr=0.1)


def test_a_parameter_belongs_to_one_group() -> None:
    shared = parameter()
    with pytest.raises(ArgumentError, match="comes twice"):
        optim.SGD([{"params": [shared]}, {"params": [shared]}], lr=0.1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: SGD(p, lr=-0.1), ArgumentError, "SGD: lr must be a finite number, at least 0, got -0.1"),
        (lambda p: SGD(p, lr=float("nan")), ArgumentError, "SGD: lr .* got nan"),
        (lambda p: SGD(p, lr=float("inf")), ArgumentError, "SGD: lr .* got inf"),
        (lambda p: SGD(p, lr="0.1"), ArgumentTypeError, "SGD: lr expects a number, got '0.1'"),
        (lambda p: SGD(p, lr=0.1, momentum=-1), ArgumentError, "SGD: momentum"),
        (lambda p: SGD(p, lr=0.1, weight_decay=-1), ArgumentError, "SGD: weight_decay"),
        (lambda p: SGD(p, lr=0.1, dampening=float("inf")), ArgumentError, "SGD: dampening"),
        (lambda p: SGD(p, lr=0.1, nesterov=True), ArgumentError, "SGD: nesterov needs a momentum"),
        (lambda p: SGD(p, 0.1, 0.9, 0.5, nesterov=True), ArgumentError, "no dampening"),
        (lambda p: SGD(p, 0.1, nesterov=1), ArgumentTypeError, "SGD: nesterov expects a bool"),
        (lambda p: Adam(p, lr=-1), ArgumentError, "Adam: lr"),
        (lambda p: Adam(p, eps=-1), ArgumentError, "Adam: eps"),
        (lambda p: Adam(p, weight_decay=-1), ArgumentError, "Adam: weight_decay"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), ArgumentError, r"Adam: betas\[1\] .* at least 0, below 1, got 1.0"),
        (lambda p: Adam(p, betas=(-0.1, 0.9)), ArgumentError, r"Adam: betas\[0\]"),
        (lambda p: Adam(p, betas=0.9), ArgumentTypeError, "Adam: betas expects a pair"),
        (lambda p: Adam(p, amsgrad=1), ArgumentTypeError, "Adam: amsgrad expects a bool"),
        (lambda p: Adam(p, maximize=1), ArgumentTypeError, "Adam: maximize expects a bool"),
        (lambda p: optim.AdamW(p, weight_decay=-1), ArgumentError, "AdamW: weight_decay"),
        (lambda p: optim.Adagrad(p, lr_decay=-1), ArgumentError, "Adagrad: lr_decay"),
        (lambda p: optim.Adagrad(p, initial_accumulator_value=-1), ArgumentError, "initial_accumulator_value"),
        (lambda p: optim.RMSprop(p, alpha=1.5), ArgumentError, "RMSprop: alpha must be .* at most 1"),
        (lambda p: optim.RMSprop(p, momentum=-1), ArgumentError, "RMSprop: momentum"),
    ],
)
def test_hyper_parameters_are_checked(
    make: Callable[[Any], optim.Optimizer], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make([parameter()])


# ---- what a step does, and what it leaves alone


@every_optimizer
def test_a_step_edits_in_place_and_leaves_the_gradient(make: Callable[[Any], optim.Optimizer]) -> None:
    learned, frozen, unused = with_gradient(), parameter(), parameter()
    frozen.requires_grad_(False)
    memory = learned.data
    assert learned.grad is not None
    gradient = learned.grad.data.copy()
    optimizer = make([learned, frozen, unused])
    for _ in range(3):
        optimizer.step()
    assert learned.data is memory
    assert (memory < [1.0, 2.0]).all()
    np.testing.assert_array_equal(learned.grad.data, gradient)
    assert frozen.tolist() == unused.tolist() == [1.0, 2.0]


@every_optimizer
def test_maximize_climbs(make: Callable[[Any], optim.Optimizer]) -> None:
    up, down = with_gradient(3.0), with_gradient(3.0)
    assert down.grad is not None
    down.grad = tg.tensor(-down.grad.data)
    climbing, descending = make([up]), make([down])
    climbing.param_groups[0]["maximize"] = True
    for _ in range(3):
        climbing.step()
        descending.step()
    assert up.tolist() == down.tolist() != [3.0]
    assert up.grad is not None
    assert up.grad.tolist() == [1.0]


def test_maximize_of_a_parameter_without_dimensions() -> None:
    p = nn.Parameter(np.float32(1))
    p.grad = tg.tensor(np.float32(1))
    optim.Adam([p], lr=0.5, maximize=True).step()
    np.testing.assert_allclose(p.item(), 1.5, rtol=1e-6)


def test_a_closure_computes_the_loss_first() -> None:
    p = parameter(4.0)
    optimizer = optim.SGD([p], lr=0.25)

    def loss() -> tg.Tensor:
        optimizer.zero_grad()
        value = (p * p).sum()
        value.backward()
        return value

    with tg.no_grad():
        assert optimizer.step(loss).item() == 16.0
    assert p.tolist() == [2.0]
    assert optimizer.step() is None


def test_centered_rmsprop_survives_a_constant_gradient() -> None:
    # mean of squares - square of mean is 0 there, and rounding makes it negative now and then.
    p = parameter(*range(1, 200))
    optimizer = optim.RMSprop([p], lr=1e-9, alpha=0.5, centered=True)
    for _ in range(60):
        p.grad = tg.tensor(np.linspace(0.1, 3, 199, dtype=np.float32))
        optimizer.step()
    assert np.isfinite(p.data).all()


@every_optimizer
def test_an_older_graph_refuses_to_go_on_after_a_step(make: Callable[[Any], optim.Optimizer]) -> None:
    learned = parameter()
    optimizer = make([learned])
    loss = (learned * learned).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(EditedInPlaceError):
        loss.backward()
    (learned * learned).sum().backward()  # a fresh graph goes on


def test_control_without_a_step_the_graph_goes_on() -> None:
    learned = parameter()
    loss = (learned * learned).sum()
    loss.backward(retain_graph=True)
    optim.SGD([learned], lr=0.1).zero_grad()
    loss.backward()
    assert learned.grad is not None
    assert learned.grad.tolist() == [2.0, 4.0]


@every_optimizer
def test_numpy_scalars_do_not_promote(make: Callable[[Any], optim.Optimizer]) -> None:
    values, gradient = np.random.default_rng(0).normal(size=(2, 50)).astype(np.float32)
    plain, scalars = nn.Parameter(values), nn.Parameter(values)
    plain.grad = scalars.grad = tg.Tensor(gradient)
    expected, optimizer = make([plain]), make([scalars])
    for group in optimizer.param_groups:
        group.update({key: np.float64(value) for key, value in group.items() if isinstance(value, float)})
    for _ in range(3):
        expected.step()
        optimizer.step()
    assert scalars.data.tobytes() == plain.data.tobytes()
    arrays = [value for value in optimizer.state[scalars].values() if isinstance(value, np.ndarray)]
    assert {array.dtype for array in [*arrays, scalars.data]} == {np.dtype(np.float32)}


@every_optimizer
@pytest.mark.parametrize("shape", [(), (0,), (70000,), (3, 20000), (300, 7, 3, 5), (2, 2)], ids=str)
def test_any_size_and_layout_is_updated_alike(make: Callable[[Any], optim.Optimizer], shape: tuple[int, ...]) -> None:
    # Large arrays go block by block; element by element the result is that of one small array.
    generator = np.random.default_rng(0)
    values, gradients = generator.normal(size=shape), generator.normal(size=shape)
    whole, reverse = nn.Parameter(values), nn.Parameter(values)
    reverse.data = np.array(values, order="F")
    flat = [nn.Parameter(part) for part in np.array_split(values.ravel(), 7)]
    parts = np.array_split(gradients.ravel(), 7)
    one, other, many = make([whole]), make([reverse]), make(flat)
    for step in (1, 2, 3):
        whole.grad = reverse.grad = tg.Tensor(np.asarray(gradients * step))
        for piece, part in zip(flat, parts, strict=True):
            piece.grad = tg.Tensor(part * step)
        one.step()
        other.step()
        many.step()
    expected = np.concatenate([piece.data for piece in flat]).reshape(shape)
    np.testing.assert_array_equal(whole.data, expected)
    np.testing.assert_array_equal(reverse.data, expected)


def test_parameters_of_many_sizes_take_the_same_step() -> None:
    sizes = (3, 5, 2, 30000, 7)
    parameters = [nn.Parameter(np.ones(size)) for size in sizes]
    for each in parameters:
        each.grad = tg.Tensor(np.ones(each.shape))
    optim.Adam(parameters, lr=0.5, weight_decay=0.0).step()
    for each in parameters:
        np.testing.assert_allclose(each.data, 0.5, rtol=1e-7)


def test_zero_grad() -> None:
    learned = with_gradient()
    optimizer = optim.SGD([learned], lr=0.1, weight_decay=1.0)
    assert learned.grad is not None
    learned.grad.data[0] = np.nan
    optimizer.zero_grad(set_to_none=False)
    assert learned.grad is not None
    assert learned.grad.tolist() == [0.0, 0.0]
    optimizer.step()
    np.testing.assert_allclose(learned.data, [0.9, 1.8], rtol=1e-6)  # it still decays
    optimizer.zero_grad()
    assert learned.grad is None
    optimizer.step()
    np.testing.assert_allclose(learned.data, [0.9, 1.8], rtol=1e-6)


def test_state_is_kept_by_parameter() -> None:
    first, second = with_gradient(), with_gradient()
    optimizer = optim.Adam([first, second])
    optimizer.step()
    second.grad = None
    optimizer.step()
    assert optimizer.state[first]["step"] == 2
    assert optimizer.state[second]["step"] == 1
    assert set(optimizer.state[first]) == {"step", "exp_avg", "exp_avg_sq"}


def test_repr_shows_the_groups() -> None:
    optimizer = optim.SGD([{"params": [parameter()]}, {"params": [parameter(), parameter()], "lr": 0.5}], lr=0.1)
    assert "1 parameters, lr=0.1" in repr(optimizer)
    assert "2 parameters, lr=0.5" in repr(optimizer)
