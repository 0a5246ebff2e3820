"""`summary`: what each layer of a model makes of an input, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core import Event, Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.geometry import Padding, Pair, Window
from tinygrad_cnn.nn import Module, Parameter
from tinygrad_cnn.nn.shapes import InputShape, tried
from tinygrad_cnn.nn.trials import SMALL, Shape, Step, Trial, batch_of, run_training
from tinygrad_cnn.ops.costs import Cost
from tinygrad_cnn.optim import Adam
from tinygrad_cnn.viz.borders import lost, mends
from tinygrad_cnn.viz.footprints import Scale, arguments_of, cost_of, memory_of, training_bytes
from tinygrad_cnn.viz.layer_rows import LayerRow, Totals
from tinygrad_cnn.viz.layer_tables import as_html, as_rich, as_text
from tinygrad_cnn.viz.receptive_fields import Field, Fields, is_sliding


class Summary:
    """A model, layer by layer: `print(summary)` shows it as text, a notebook as a table, `rich.print` in colours.

    rows: the calls of its layers in order; totals: of all of them; batch_size: of the batch that they are for.
    """

    def __init__(
        self,
        model: str,
        input_shapes: Sequence[Shape],
        batch_size: int,
        rows: Sequence[LayerRow],
        totals: Totals,
        optimizer: str,
    ) -> None:
        self.model = model
        self.input_shapes = tuple(input_shapes)
        self.batch_size = batch_size
        self.rows = tuple(rows)
        self.totals = totals
        self.optimizer = optimizer

    def __str__(self) -> str:
        return as_text(self)

    def __repr__(self) -> str:
        return f"Summary({self.model}: {len(self.rows)} rows, {self.totals.parameters:,} parameters)"

    def __rich__(self) -> Any:
        return as_rich(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def summary(
    model: Module,
    input_shape: InputShape | None = None,
    *,
    batch_size: int = 1,
    optimizer: Callable[[Any], Any] = Adam,
) -> Summary:
    """What each layer of a model makes of an input, what it costs, and where a stride leaves a border unread.

    The model is run on an empty batch, every layer by itself, so this is fast, and nothing in the model changes: see
    `nn.infer_shapes`. Multiply-adds are those of the forward pass in evaluation mode, the products of an operation's
    definition: a bias costs none, a batch norm one for each element. Memory is that of a training step as it runs, with
    layers fused where they are, without what kernels need in between. (NumPy's kernels need little; those that Numba
    compiles keep memory for the next step too.)

    input_shape: of one input, without the batch; for a model of several inputs a list of shapes.
    optimizer: makes the optimiser whose state is counted, optim.Adam or lambda p: optim.SGD(p, lr=0.1, momentum=0.9).

    Raises: as `nn.infer_shapes`; ArgumentError, ArgumentTypeError for a batch size or an optimiser that is none.

    Example:
        >>> from tinygrad_cnn import nn, viz
        >>> found = viz.summary(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2)), (3, 28, 28))
        >>> [(row.path, row.outputs, row.parameters, row.multiply_adds) for row in found.rows][0]
        ('0', ((16, 26, 26),), 448, 292032)
        >>> viz.summary(nn.Sequential(nn.Conv2d(3, 16, 3, stride=2)), (3, 32, 32)).rows[0].mend
        'padding=1, or input 33x33'
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
        raise ArgumentTypeError(f"summary: batch_size expects an int, got {batch_size!r}")
    if batch_size < 1:
        raise ArgumentError(f"summary: batch_size must be at least 1, got {batch_size}")
    trial = tried(model, input_shape, "summary")
    scale = Scale(trial.batch, int(batch_size), frozenset(_fixed_arrays(model)))
    rows = _Rows(trial, scale).made()
    name, copies = _optimizer_state(optimizer)
    totals = _totals(model, trial, scale, rows, copies)
    shapes = [tensor.shape[1:] for tensor in trial.inputs]
    return Summary(type(model).__name__, shapes, int(batch_size), rows, totals, name)


# ---- rows


class _Rows:
    """Turns the steps of a trial into rows, in order."""

    def __init__(self, trial: Trial, scale: Scale) -> None:
        self._trial = trial
        self._scale = scale
        self._fields = Fields(trial.inputs)
        self._counted: set[int] = set()  # ids of parameters

    def made(self) -> list[LayerRow]:
        return [self._row(step) for step in self._trial.steps if not step.is_container]

    def _row(self, step: Step) -> LayerRow:
        axes = 1 if step.outputs and len(step.outputs[0].shape) == 3 else 2
        slides, frames = [], []
        for event in step.events:
            arguments = arguments_of(event)
            if isinstance(arguments.get("window"), Window):
                frames.append(arguments["window"])
            if is_sliding(event):
                slides.append((event, arguments["window"], self._border(event)))
            self._fields.follow(event, arguments)
        frame = frames[0] if len(frames) == 1 else None
        parameters = _parameters(step)
        new = [parameter for parameter in parameters if id(parameter) not in self._counted]
        self._counted.update(map(id, new))
        field = self._fields.of(step.outputs[0]) if step.outputs else None
        unread, mend = _unread(*slides[0], axes) if len(slides) == 1 else (None, "")
        return LayerRow(
            path=step.path,
            kind=step.kind,
            is_operation=step.is_operation,
            kernel=None if frame is None else frame.kernel[-axes:],
            stride=None if frame is None else frame.stride[-axes:],
            padding=None if frame is None else _brief(frame.padding)[-axes:],
            outputs=tuple(self._trial.without_batch(tensor.shape) for tensor in step.outputs),
            parameters=sum(parameter.numel() for parameter in new),
            is_repeated=bool(parameters) and not new,
            multiply_adds=sum((cost_of(event, self._scale) for event in step.events), Cost(bytes=0)).multiply_adds,
            activation_bytes=self._new_bytes(step),
            receptive_field=_seen(field, axes) if step.outputs and len(step.outputs[0].shape) in (3, 4) else None,
            unread=unread,
            mend=mend,
        )

    def _border(self, event: Event) -> Pair:
        field = self._fields.of(event.inputs[0])
        return (0, 0) if field is None else (field[0].border, field[1].border)

    def _new_bytes(self, step: Step) -> int:
        old = {id(memory_of(tensor.data)) for tensor in step.inputs}
        new = {id(memory_of(tensor.data)): self._scale.nbytes(tensor) for tensor in step.outputs}
        return sum(nbytes for piece, nbytes in new.items() if piece not in old)


def _parameters(step: Step) -> list[Parameter]:
    if step.is_operation:
        return [tensor for tensor in step.inputs if isinstance(tensor, Parameter)]
    return list(step.module.parameters())


def _brief(padding: Padding) -> tuple[int | Pair, ...]:
    """One number where both ends of an axis have the same."""
    return tuple(start if start == end else (start, end) for start, end in padding)


def _seen(field: Field | None, axes: int) -> tuple[int, ...] | None:
    return None if field is None else tuple(int(axis.seen) for axis in field[-axes:])


def _unread(event: Event, frame: Window, border: Pair, axes: int) -> tuple[tuple[int, ...], str]:
    """Lost pixels along each axis, and the smallest mends in words."""
    pixels = lost(frame, border)
    if pixels == (0, 0):
        return pixels[-axes:], ""
    words = []
    for argument, sizes in mends(event.primitive.name, frame, border):
        if argument == "input":
            words.append(f"input {'x'.join(map(str, sizes[-axes:]))}")
        elif argument == "ceil_mode":
            words.append("ceil_mode=True")
        else:
            words.append(f"padding={sizes[-1] if axes == 1 or sizes[0] == sizes[1] else sizes}")
    return pixels[-axes:], ", or ".join(words)


# ---- totals


def _totals(model: Module, trial: Trial, scale: Scale, rows: Sequence[LayerRow], state_copies: int) -> Totals:
    parameters = list(model.parameters())
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    count = sum(parameter.numel() for parameter in parameters)
    training = _trained(model, trial)
    forward, backward = training_bytes(training, Scale(training.batch, scale.batch, scale.constants))
    return Totals(
        parameters=count,
        trainable=sum(parameter.numel() for parameter in trainable),
        unused=count - sum(row.parameters for row in rows),
        multiply_adds=sum(row.multiply_adds for row in rows),
        parameter_bytes=sum(tensor.data.nbytes for tensor in (*parameters, *model.buffers())),
        input_bytes=sum(map(scale.nbytes, trial.inputs)),
        forward_bytes=forward,
        backward_bytes=backward,
        optimizer_bytes=state_copies * sum(parameter.data.nbytes for parameter in trainable),
    )


def _trained(model: Module, trial: Trial) -> Trial:
    """The model's run in a training step; on inputs in evaluation mode where training refuses an empty batch."""
    shapes = [tensor.shape[1:] for tensor in trial.inputs]
    training = batch_of(model, shapes, trial.batch)
    try:
        run_training(model, training)
    except Exception:
        training = batch_of(model, shapes, SMALL)
        run_training(model, training)
    return training


def _fixed_arrays(model: Module) -> Iterable[int]:
    for tensor in (*model.parameters(), *model.buffers()):
        yield id(tensor.data)
        yield id(memory_of(tensor.data))


def _optimizer_state(make: Callable[[Any], Any]) -> tuple[str, int]:
    """The optimiser's name, and how many arrays of a parameter's size it keeps: what one step of it leaves."""
    if not callable(make):
        raise ArgumentTypeError(
            f"summary: optimizer expects a class such as optim.Adam, or a function of parameters, got {make!r:.60}"
        )
    parameter = Parameter(np.zeros(3, np.float32))
    parameter.grad = Tensor(np.zeros(3, np.float32))
    optimizer = make([parameter])
    optimizer.step()
    values = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    return type(optimizer).__name__, sum(np.shape(value) == (3,) for value in values)
