"""What a summary holds: a row for each call of a layer, and the totals."""

from __future__ import annotations

from dataclasses import dataclass

from tinygrad_cnn.geometry import Pair
from tinygrad_cnn.nn.trials import Shape


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One call of a layer, or of an operation that a Module with layers inside calls by itself (`is_operation`).

    kernel, stride, padding, unread: along H and W, of the one window that the layer slides; None without one.
    outputs: the shape of each Tensor that it returns, without the batch.
    parameters: those that no row before has counted. is_repeated: its parameters, if any, are all counted already.
    multiply_adds, activation_bytes: for the whole batch; a view of the input takes no bytes.
    receptive_field: pixels of the model's input that one pixel of the output sees, those of padding among them, so it
    may be larger than the image; None where it has no place.
    unread: rows and columns at the far end of the layer's input that the stride never reaches. mend: what would read
    them, an argument of the layer or another size of its input; "" where nothing is unread.
    """

    path: str
    kind: str
    is_operation: bool
    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    padding: tuple[int | Pair, ...] | None
    outputs: tuple[Shape, ...]
    parameters: int
    is_repeated: bool
    multiply_adds: int
    activation_bytes: int
    receptive_field: tuple[int, ...] | None
    unread: tuple[int, ...] | None
    mend: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Of a model and a batch.

    parameters, trainable: numbers, shared ones counted once; unused: those that no layer above has used.
    multiply_adds: of the forward pass.
    parameter_bytes: with buffers. input_bytes: of the batch.
    forward_bytes: what a training step holds when it reaches the output. backward_bytes: what it holds at most beyond
    that: gradients, as far as the rules have not let go of what they kept. optimizer_bytes: the state of the optimiser.
    """

    parameters: int
    trainable: int
    unused: int
    multiply_adds: int
    parameter_bytes: int
    input_bytes: int
    forward_bytes: int
    backward_bytes: int
    optimizer_bytes: int

    @property
    def training_bytes(self) -> int:
        """The most that a training step holds."""
        fixed = self.parameter_bytes + self.input_bytes + self.optimizer_bytes
        return fixed + self.forward_bytes + self.backward_bytes
