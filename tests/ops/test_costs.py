"""Costs: multiply-adds and operations, held against what sums over ones count, and against numbers worked out by hand.

A product of arrays of ones adds up a 1 for each multiply-add: the sum of what comes out is the count.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.plans import requests
from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.errors import ArgumentTypeError
from tinygrad_cnn.ops.convolution_layers import conv2d_relu, conv2d_relu_max_pool2d
from tinygrad_cnn.ops.costs import Cost, Outline, forward_cost, outlined, rule_cost
from tinygrad_cnn.ops.products import linear_relu
from tinygrad_cnn.profiling import Profile, Row
from tinygrad_cnn.testing.specifications import primitives

F4 = 4  # bytes of a float32


def ones(*shape: int) -> tg.Tensor:
    return tg.Tensor(np.ones(shape, np.float32), requires_grad=True)


def profiled(run: Callable[[], Any]) -> Profile:
    """The calls of `run`, forward, and backward from the sum of its result."""
    with tg.profile() as p:
        y = run()
        y.backward(np.ones(y.shape, np.float32))
    return p


def row(p: Profile, name: str, direction: str = "forward") -> Row:
    (found,) = [row for row in p.rows() if (row.name, row.direction) == (name, direction)]
    return found


# ---- products, counted by ones


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        ((2, 3, 8, 7), (4, 3, 3, 2), {}),
        ((2, 3, 9, 8), (4, 3, 3, 3), {"stride": (2, 3), "dilation": (1, 2)}),
        ((1, 6, 5, 5), (4, 3, 5, 1), {"groups": 2}),
        ((2, 4, 5, 4), (8, 1, 2, 2), {"groups": 4}),
        ((0, 3, 4, 4), (2, 3, 2, 2), {}),
    ],
    ids=["plain", "strided-and-dilated", "groups", "depthwise", "empty-batch"],
)
def test_a_convolution_and_each_gradient_cost_the_same(x: Any, w: Any, options: Any) -> None:
    count = int(tg.conv2d(ones(*x), ones(*w), **options).data.sum())
    p = profiled(lambda: tg.conv2d(ones(*x), ones(*w), ones(w[0]), **options))
    assert (row(p, "conv2d").multiply_adds, row(p, "conv2d").operations) == (count, 0)
    backward = row(p, "conv2d", "backward")
    outputs = math.prod(tg.conv2d(ones(*x), ones(*w), **options).shape)
    assert (backward.multiply_adds, backward.operations) == (2 * count, outputs)  # the bias's gradient adds them up


def test_padding_counts_as_pixels() -> None:
    p = profiled(lambda: tg.conv2d(ones(1, 1, 3, 3), ones(1, 1, 3, 3), padding=1))
    assert row(p, "conv2d").multiply_adds == 9 * 9


def test_only_what_is_differentiated_costs() -> None:
    x, w, b = ones(2, 3, 6, 6), ones(4, 3, 3, 3), ones(4)
    count = 2 * 4 * 4 * w.numel()
    for chosen, times, sums in [((x,), 1, 0), ((w,), 1, 0), ((x, w), 2, 0), ((b,), 0, 128), ((x, w, b), 2, 128)]:
        for leaf in (x, w, b):
            leaf.requires_grad = any(leaf is other for other in chosen)
        with tg.profile() as p:
            tg.conv2d(x, w, b).sum().backward()
        found = row(p, "conv2d", "backward")
        assert (found.multiply_adds, found.operations) == (times * count, sums)


def test_gradients_towards_one_input_cost_only_that() -> None:
    x, w = ones(2, 3, 6, 6), ones(4, 3, 3, 3)
    with tg.profile() as p:
        tg.grad(tg.conv2d(x, w).sum(), w)
    assert row(p, "conv2d", "backward").multiply_adds == row(p, "conv2d").multiply_adds


@pytest.mark.parametrize("shapes", [((5, 4), (4, 3)), ((2, 5, 4), (4, 3)), ((2, 5, 4), (2, 4, 3)), ((4,), (4, 3))])
def test_matrix_products(shapes: Any) -> None:
    a, b = (ones(*shape) for shape in shapes)
    count = int(tg.matmul(a, b).data.sum())
    p = profiled(lambda: tg.matmul(a, b))
    assert row(p, "matmul").multiply_adds == count
    assert row(p, "matmul", "backward").multiply_adds == 2 * count


def test_the_gradients_of_a_copied_matrix_are_added_up() -> None:
    p = profiled(lambda: tg.matmul(ones(2, 5, 4), ones(4, 3)))
    assert row(p, "matmul", "backward").operations == 2 * 4 * 3


@pytest.mark.parametrize("rows", [(7,), (2, 7), ()])
def test_linear(rows: Any) -> None:
    p = profiled(lambda: tg.linear(ones(*rows, 5), ones(3, 5), ones(3)))
    count = math.prod(rows) * 15
    assert (row(p, "linear").multiply_adds, row(p, "linear").operations) == (count, 0)
    found = row(p, "linear", "backward")
    assert (found.multiply_adds, found.operations) == (2 * count, math.prod(rows) * 3)


def test_einsum() -> None:
    p = profiled(lambda: tg.einsum("ij,jk,kl->il", ones(2, 3), ones(3, 4), ones(4, 5)))
    terms = int(tg.einsum("ij,jk,kl->il", ones(2, 3), ones(3, 4), ones(4, 5)).data.sum())
    assert (row(p, "einsum").multiply_adds, row(p, "einsum").operations) == (terms, terms)  # a b c: one product more
    assert row(p, "einsum", "backward").multiply_adds == 3 * terms


def test_a_transposed_convolution_and_windows_side_by_side() -> None:
    x, w = ones(2, 3, 4, 4), ones(3, 5, 2, 2)
    p = profiled(lambda: tg.conv_transpose2d(x, w))
    count = int(tg.conv_transpose2d(x, w).data.sum())
    assert row(p, "conv2d_input_grad").multiply_adds == count
    assert row(p, "conv2d_input_grad", "backward").multiply_adds == 2 * count
    p = profiled(lambda: tg.unfold(x, 2))
    assert (row(p, "unfold").flops, row(p, "unfold", "backward").flops) == (0, 2 * 3 * 4 * 9)


# ---- pooling, normalisation, cross entropy, by hand


def test_pooling() -> None:
    outputs = 2 * 3 * 2 * 2
    p = profiled(lambda: tg.max_pool2d(ones(2, 3, 6, 4), (3, 2)))
    assert (row(p, "max_pool2d").flops, row(p, "max_pool2d", "backward").flops) == (outputs * 6, outputs)
    p = profiled(lambda: tg.avg_pool2d(ones(2, 3, 6, 4), (3, 2)))
    assert row(p, "avg_pool2d").flops == row(p, "avg_pool2d", "backward").flops == outputs * (6 + 1)


def test_normalisation() -> None:
    """Batch norm of n = 2 * 3 * 4 * 5 elements in 3 groups, with a weight and a bias."""
    n, groups = 120, 3
    p = profiled(lambda: tg.batch_norm(ones(2, 3, 4, 5), None, None, ones(3), ones(3), training=True))
    forward, backward = row(p, "normalise"), row(p, "normalise", "backward")
    # squares, and x^ w + b | the sum, differences, quotients | both means, and 3 for each inv_std
    assert (forward.multiply_adds, forward.operations) == (2 * n, 3 * n + 5 * groups)
    # x: h x^, x^ m; w: g x^ | h = g w, x^ twice, the sum of h, h - its mean, times inv_std; b: its sum | as above
    assert (backward.multiply_adds, backward.operations) == (3 * n, 6 * n + n + 5 * groups)


def test_normalisation_of_constants() -> None:
    """Where x needs no gradient, that of the weight has to work x^ out by itself."""
    x, w = tg.Tensor(np.ones((4, 6), np.float32)), ones(6)
    p = profiled(lambda: tg.layer_norm(x, (6,), w))
    assert (row(p, "normalise").multiply_adds, row(p, "normalise").operations) == (24, 4 * 24 + 5 * 4)
    backward = row(p, "normalise", "backward")
    assert (backward.multiply_adds, backward.operations) == (24, 2 * 24 + 3 * 4)


def test_cross_entropy() -> None:
    x, labels = ones(8, 10), np.arange(8) % 10
    p = profiled(lambda: tg.cross_entropy(x, labels, reduction="none"))
    # the largest, differences, exponentials, sum, quotients | log, + largest, - the label's score; p g, - g
    assert row(p, "cross_entropies").operations == 5 * 80 + 3 * 8
    assert row(p, "cross_entropies", "backward").operations == 80 + 8
    p = profiled(lambda: tg.cross_entropy(x, labels))
    # and their sum, divided by the batch; g too
    assert row(p, "cross_entropy").operations == 5 * 80 + 4 * 8 + 1
    assert row(p, "cross_entropy", "backward").operations == 80 + 8 + 1


def test_elementwise_operations_and_reductions_count_elements() -> None:
    x, w = ones(5, 4), ones(4)
    p = profiled(lambda: (x * w).exp().relu().sum())
    found = {(r.name, r.direction): r.flops for r in p.rows()}
    assert found == {
        ("mul", "forward"): 20,
        ("mul", "backward"): 40,
        ("exp", "forward"): 20,
        ("exp", "backward"): 20,
        ("relu", "forward"): 20,
        ("relu", "backward"): 20,
        ("sum", "forward"): 20,
        ("sum", "backward"): 0,
    }


# ---- bytes


def test_every_array_is_moved_once() -> None:
    p = profiled(lambda: tg.conv2d(ones(2, 3, 6, 6), ones(4, 3, 3, 3), ones(4)))
    x, w, b, y = 2 * 3 * 36, 4 * 27, 4, 2 * 4 * 16
    assert row(p, "conv2d").bytes == F4 * (x + w + b + y)
    assert row(p, "conv2d", "backward").bytes == F4 * (y + x + w + x + w + b)  # g, both operands, three gradients


def test_views_move_nothing_and_copies_do() -> None:
    x = ones(3, 4)
    p = profiled(lambda: x.reshape(12) + ones(12))
    assert (row(p, "reshape").bytes, row(p, "reshape", "backward").bytes) == (0, 0)
    assert row(p, "add", "backward").bytes == 0  # hands g on
    p = profiled(lambda: x.transpose(0, 1).reshape(12))
    assert (row(p, "permute").bytes, row(p, "reshape").bytes) == (0, 2 * 12 * F4)


def test_picking_reads_what_it_picks() -> None:
    x, index = ones(1000, 4), np.zeros((2, 4), np.int64)
    p = profiled(lambda: x.gather(0, index))
    assert row(p, "take_along_dim").bytes == 2 * 8 * F4 + 8 * 8


# ---- costs of one's own


def test_a_primitive_of_ones_own() -> None:
    @tg.primitive
    def outer(a: Any, b: Any) -> Any:
        return a[:, None] * b

    outer.defvjp(a=lambda g, b: g @ b, b=lambda g, a: a @ g)
    x, w = ones(3), ones(4)
    assert row(profiled(lambda: outer(x, w)), "outer").flops == 0  # nothing is known of it but its arrays
    assert row(profiled(lambda: outer(x, w)), "outer").bytes == F4 * (3 + 4 + 12)
    outer.defcost(y=lambda y: Cost(operations=y.size), a=lambda y: Cost(multiply_adds=y.size))
    p = profiled(lambda: outer(x, w))
    assert (row(p, "outer").flops, row(p, "outer", "backward").flops) == (12, 24)
    outer.defcost(y=lambda y: Cost(12, bytes=1), a=lambda: Cost(bytes=2), b=lambda: Cost(bytes=3))
    p = profiled(lambda: outer(x, w))
    assert (row(p, "outer").bytes, row(p, "outer", "backward").bytes) == (1, 5)


def test_what_a_cost_must_not_do() -> None:
    def double(x: Any) -> Any:
        return x * 2

    y = outlined(ones(3))
    asks = tg.primitive(double).defvjp(x=lambda g: g * 2).defcost(y=lambda z: Cost(), x=lambda w: Cost())
    with pytest.raises(ArgumentTypeError, match="double: its cost for y asks for z, which is unknown there; known are"):
        forward_cost(asks, {"x": y}, y)
    with pytest.raises(ArgumentTypeError, match="double: its cost for x asks for w"):
        rule_cost(asks, {"x": y}, y, ["x"])
    returns = tg.primitive(double).defcost(y=lambda y: y.size)
    with pytest.raises(ArgumentTypeError, match="double: its cost for y must be a Cost, got 3"):
        forward_cost(returns, {"x": y}, y)


@pytest.mark.parametrize("primitive", primitives(), ids=lambda primitive: primitive.name)
def test_costs_ask_for_what_is_known(primitive: Primitive) -> None:
    """Of a call all arguments; of a rule its own input, and what that rule asks for."""
    assert set(primitive.costs) <= {"y", *primitive.differentiable}
    for name, cost in primitive.costs.items():
        known = {"y", "needs", *primitive.parameters}
        if name != "y":
            known = {"y", "needs", name, *requests(primitive.joint_rule or primitive.rules[name])}
        assert set(inspect.signature(cost).parameters) <= known


def test_what_has_no_cost_only_moves_numbers() -> None:
    """A new primitive that computes has a line in ops/costs.py."""
    moving = "alias cast cat clone crop flip mT pad permute reshape roll setitem stack tril triu"
    assert {p.name for p in primitives() if not p.costs and not p.elementwise} == set(moving.split())


def test_fused_layers_cost_what_their_layers_do() -> None:
    x, w, b = ones(2, 3, 8, 8), ones(4, 3, 3, 3), ones(4)
    count, full, pooled = int(tg.conv2d(ones(2, 3, 8, 8), w).data.sum()), 2 * 4 * 36, 2 * 4 * 9
    p = profiled(lambda: conv2d_relu(x, w, b))
    (forward,), (backward,) = [[r for r in p.rows() if r.direction == way] for way in ("forward", "backward")]
    assert (forward.multiply_adds, forward.operations) == (count, full)
    assert (backward.multiply_adds, backward.operations) == (2 * count, full + full)
    p = profiled(lambda: conv2d_relu_max_pool2d(x, w, b, 1, 0, 1, 1, (2, 2)))
    (forward,), (backward,) = [[r for r in p.rows() if r.direction == way] for way in ("forward", "backward")]
    assert (forward.multiply_adds, forward.operations) == (count, full + 4 * pooled)
    assert (backward.multiply_adds, backward.operations) == (2 * count, 2 * pooled + full)
    p = profiled(lambda: linear_relu(ones(5, 3), ones(2, 3), ones(2)))
    assert (row(p, "linear_relu").flops, row(p, "linear_relu", "backward").flops) == (2 * 30 + 10, 4 * 30 + 20)


def test_outlines_hold_no_array() -> None:
    found = outlined([ones(2, 3), np.zeros(4), (np.zeros(0, np.int8), 3)])
    assert [x.shape for x in found[:2]] == [(2, 3), (4,)]
    assert found[2] == (Outline((0,), np.dtype(np.int8)), 3)
    assert (found[0].size, found[0].nbytes, found[1].nbytes) == (6, 24, 32)
