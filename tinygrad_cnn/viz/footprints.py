"""How much memory a training step needs, told from one recorded run of an empty batch.

What an operation returns lives until the last one that takes it has run, and longer where its rule kept it. Backward,
what a rule kept is let go once it has run; cotangents live from the first rule that adds to them to the one that takes
them; gradients of parameters stay. Of what a kernel needs in between only that counts which grows with the batch; the
loss is not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.core import Event, Tensor
from tinygrad_cnn.core.edges import Edge, Leaf, Node
from tinygrad_cnn.nn.trials import EMPTY, Shape, Trial
from tinygrad_cnn.ops.costs import Cost, Outline, forward_cost, outlined, rule_cost

_SLICED = frozenset({"cat", "pad", "stack", "sum"})  # their gradients are views of g


@dataclass(frozen=True, slots=True)
class Scale:
    """From the batch that ran to one of `batch` inputs. In an empty one a dimension of size 0 stands for it.

    constants: ids of the arrays that have no batch, parameters and buffers.
    """

    probe: int
    batch: int
    constants: frozenset[int]

    def shape(self, shape: Shape) -> Shape:
        if self.probe == EMPTY:
            return tuple(self.batch if size == EMPTY else size for size in shape)
        return (self.batch, *shape[1:]) if shape[:1] == (self.probe,) else shape

    def nbytes(self, array: Any) -> int:
        """Of an array, a Tensor or an edge of the graph."""
        return math.prod(self.shape(array.shape)) * int(array.dtype.itemsize)

    def outlined(self, value: Any) -> Any:
        """`value` as the costs of operations read it."""
        if isinstance(value, Tensor | np.ndarray):
            fixed = id(value.data if isinstance(value, Tensor) else value) in self.constants and self.probe != EMPTY
            return Outline(value.shape if fixed else self.shape(value.shape), value.dtype)
        return tuple(map(self.outlined, value)) if type(value) in (tuple, list) else value


def arguments_of(event: Event) -> dict[str, Any]:
    """What the operation was called with, by name."""
    primitive = event.primitive
    if primitive.arity >= 0:
        return dict(zip(primitive.parameters, event.inputs, strict=True))
    name, *others = primitive.parameters
    return {name: event.inputs, **dict(zip(others, primitive.defaults[1:], strict=True)), **event.options}


def cost_of(event: Event, scale: Scale) -> Cost:
    """What the operation costs on a batch of that size."""
    arguments = {name: scale.outlined(value) for name, value in arguments_of(event).items()}
    return forward_cost(event.primitive, arguments, scale.outlined(event.output))


def memory_of(array: NDArray[Any]) -> NDArray[Any]:
    """The array that owns the memory of this one."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def training_bytes(trial: Trial, scale: Scale) -> tuple[int, int]:
    """(forward, backward): what is held when the output is there, and the most that is held beyond that at any moment
    until the last gradient is. Parameters, buffers and the inputs of the model are there anyway.
    """
    there = {id(memory_of(tensor.data)) for tensor in trial.inputs}
    ledger = _Ledger(scale, there | scale.constants)
    kept = _run_forward(trial, ledger)
    forward = ledger.held
    _run_backward(trial, kept, ledger)
    return forward, ledger.highest - forward


class _Ledger:
    """Pieces of memory, how many hold each, and the most that was held at once."""

    def __init__(self, scale: Scale, others: AbstractSet[int]) -> None:
        self.scale = scale
        self._others = others  # ids of what is not on the ledger
        self._holders: Counter[int] = Counter()
        self._sizes: dict[int, int] = {}
        self.held = self.highest = 0

    def pieces(self, arrays: Iterable[NDArray[Any]]) -> dict[int, int]:
        """The memory that the arrays lie in, each piece once, with its size."""
        found: dict[int, int] = {}
        for array in arrays:
            piece = id(memory_of(array))
            if piece not in self._others:
                found[piece] = max(found.get(piece, 0), self.scale.nbytes(array))
        return found

    def hold(self, piece: int, nbytes: int) -> None:
        self._holders[piece] += 1
        self.held += max(0, nbytes - self._sizes.get(piece, 0))
        self._sizes[piece] = max(nbytes, self._sizes.get(piece, 0))
        self.highest = max(self.highest, self.held)

    def release(self, piece: int) -> None:
        self._holders[piece] -= 1
        if not self._holders[piece]:
            self.held -= self._sizes.pop(piece)

    def pass_through(self, nbytes: int) -> None:
        """Hold so much for a moment."""
        self.highest = max(self.highest, self.held + nbytes)

    def is_shared(self, piece: int) -> bool:
        return self._holders[piece] > 1


def _run_forward(trial: Trial, ledger: _Ledger) -> dict[Node, list[int]]:
    """Up to the output; what each recorded node keeps from then on."""
    recorded = _nodes_behind([tensor._edge for tensor in trial.outputs])
    last = {piece: place for place, event in enumerate(trial.events) for piece in ledger.pieces(_arrays(event.inputs))}
    last |= dict.fromkeys(ledger.pieces(tensor.data for tensor in trial.outputs), len(trial.events))
    kept: dict[Node, list[int]] = {}
    alive: set[int] = set()
    for place, event in enumerate(trial.events):
        ledger.pass_through(_scratch(event, ledger.scale))
        for piece, nbytes in ledger.pieces([event.output.data]).items():
            if piece not in alive:
                alive.add(piece)
                ledger.hold(piece, nbytes)
        if event.node in recorded:
            pieces = ledger.pieces(_arrays(event.node.kept))
            kept[event.node] = list(pieces)
            for piece, nbytes in pieces.items():
                ledger.hold(piece, nbytes)
        for piece in [piece for piece in alive if last.get(piece, place) <= place]:
            alive.remove(piece)
            ledger.release(piece)
    return kept


def _run_backward(trial: Trial, kept: dict[Node, list[int]], ledger: _Ledger) -> None:
    """From a cotangent of each output to the gradients of all leaves."""
    fresh = count(1)  # cotangents have numbers of their own, which are no ids
    cotangents: dict[Edge, int] = {}

    def make(edge: Edge) -> int:
        piece = -next(fresh)
        ledger.hold(piece, _edge_nbytes(edge, ledger.scale))
        return piece

    for tensor in trial.outputs:
        if tensor._edge is not None and tensor._edge not in cotangents:
            cotangents[tensor._edge] = make(tensor._edge)
    for event in reversed(trial.events):
        node = event.node
        if node not in kept or node not in cotangents:
            continue
        given = cotangents.pop(node)
        made = []
        scratch = _scratch(event, ledger.scale) or (_edge_nbytes(node, ledger.scale) if _masks(event) else 0)
        ledger.hold(0, scratch)
        for position, parent in enumerate(node.parents):
            if parent is None:
                continue
            if _hands_on(event, position):
                ledger.hold(given, 0)
                made.append((parent, given))
            else:
                made.append((parent, make(parent)))
        for piece in (0, given, *kept[node]):
            ledger.release(piece)
        for parent, piece in made:
            before = cotangents.get(parent)
            if before is None:
                cotangents[parent] = piece
                continue
            if ledger.is_shared(before):  # the sum needs a place of its own
                cotangents[parent] = make(parent)
                ledger.release(before)
            ledger.release(piece)


def _hands_on(event: Event, position: int) -> bool:
    """Whether the rule computes nothing: the gradient is the cotangent itself, or a view of it."""
    primitive, node = event.primitive, event.node
    if primitive.views or primitive.name in _SLICED:
        return True
    name = primitive.parameters[0] if primitive.arity < 0 else node.plan.argument(position)
    if name not in primitive.costs:
        return False
    known = {key: outlined(value) for key, value in arguments_of(event).items()}
    known |= dict(zip(node.plan.kept, map(outlined, node.kept), strict=True))
    one = {key: _of_one(value) for key, value in known.items()}  # nothing computes anything on an empty batch
    return rule_cost(primitive, one, _of_one(Outline(node.shape, node.dtype)), [name]).flops == 0


def _scratch(event: Event, scale: Scale) -> int:
    """What layers that were fused with their pooling hold in between: the image before it."""
    if event.primitive.name != "conv2d_relu_max_pool2d":
        return 0
    before, after = (int(math.prod(arguments_of(event)[name].output_size)) for name in ("window", "pool"))
    return scale.nbytes(event.output) // after * before


def _masks(event: Event) -> bool:
    """Whether the rule of a layer that was fused with its relu makes an array of the cotangent where it is not 0."""
    return event.primitive.name in ("conv2d_relu", "linear_relu", "normalise_relu")


def _of_one(value: Any) -> Any:
    if isinstance(value, Outline):
        return Outline(tuple(max(size, 1) for size in value.shape), value.dtype)
    return tuple(map(_of_one, value)) if type(value) is tuple else value


def _edge_nbytes(edge: Edge, scale: Scale) -> int:
    if isinstance(edge, Leaf):
        return math.prod(edge.shape) * int(edge.dtype.itemsize)
    return scale.nbytes(edge)


def _nodes_behind(edges: Sequence[Edge | None]) -> set[Node]:
    found: set[Node] = set()
    ahead = list(edges)
    while ahead:
        edge = ahead.pop()
        if isinstance(edge, Node) and edge not in found:
            found.add(edge)
            ahead += edge.parents
    return found


def _arrays(values: Iterable[Any]) -> list[NDArray[Any]]:
    """The arrays among the values, and in tuples of them."""
    found: list[NDArray[Any]] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value.data)
        elif isinstance(value, np.ndarray):
            found.append(value)
        elif type(value) is tuple:
            found += _arrays(value)
    return found
