"""Running a model only to see what it does: on a batch of nothing, and as if it had never run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import MODE, Event, enable_grad, no_grad, observe
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.nn.modules import Module
from tinygrad_cnn.nn.paths import path_of

Shape = tuple[int, ...]

EMPTY, SMALL = 0, 2  # sizes of batches; batch norm in one that it must average over wants two


@dataclass(slots=True)
class Step:
    """One call of a Module, or of an operation that a Module with others inside calls by itself."""

    path: str
    kind: str
    module: Module
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    events: tuple[Event, ...] = ()  # of the operations inside; none for a Module whose Modules have steps of their own
    is_operation: bool = False
    is_container: bool = False


@dataclass(slots=True)
class Trial:
    """What a model did with a batch of `batch` inputs, in order, up to the error where there was one."""

    batch: int
    inputs: tuple[Tensor, ...]
    steps: list[Step] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    running: list[tuple[Module, tuple[Any, ...]]] = field(default_factory=list)
    outputs: tuple[Tensor, ...] = ()

    def without_batch(self, shape: Shape) -> Shape:
        return shape[1:] if shape[:1] == (self.batch,) else shape


def run_layers(model: Module, trial: Trial) -> None:
    """Run the model, every layer by itself and in evaluation mode, and write into `trial` what each did."""
    with ExitStack() as ending:
        ending.enter_context(_untouched(model))
        model.eval()
        watch = _Watch(model, trial)
        for module in model.modules():
            ending.enter_context(module.register_forward_pre_hook(watch.enter))
            ending.enter_context(module.register_forward_hook(watch.leave))
        ending.enter_context(no_grad())
        ending.enter_context(observe(watch.see))
        trial.outputs = tensors_in(_call(model, trial))


def run_training(model: Module, trial: Trial) -> None:
    """Run the model as a training step does, recorded, and layers fused where they are.

    Modules with buffers run in evaluation mode, for they would change them; an empty batch draws no random number, and
    one that is not empty runs in evaluation mode altogether.
    """
    with _untouched(model), enable_grad(), observe(trial.events.append, layers=False):
        for module in model.modules():
            module.training = trial.batch == EMPTY and not module._buffers
        trial.outputs = tensors_in(_call(model, trial))


def batch_of(model: Module, shapes: Sequence[Shape], batch: int) -> Trial:
    """A trial that has not begun. Its inputs are zeros in the dtype of the model."""
    dtype = next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))
    return Trial(batch, tuple(Tensor(np.zeros((batch, *shape), dtype)) for shape in shapes))


def tensors_in(value: Any) -> tuple[Tensor, ...]:
    """The Tensors that a Module returned, by itself or in tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return (value,)
    values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return tuple(tensor for part in values for tensor in tensors_in(part))


def _call(model: Module, trial: Trial) -> Any:
    with np.errstate(all="ignore") if trial.batch != EMPTY else nullcontext():
        return model(*trial.inputs)


class _Watch:
    """Hooks and an observer, which write a trial."""

    def __init__(self, model: Module, trial: Trial) -> None:
        self._trial = trial
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._inside: dict[int, list[Event]] = {}  # operations of running layers, by id

    def enter(self, module: Module, args: tuple[Any, ...]) -> None:
        self._trial.running.append((module, args))

    def see(self, event: Event) -> None:
        module = event.modules[-1]
        if _is_layer(module):
            self._inside.setdefault(id(module), []).append(event)
            return
        inputs = tuple(value for value in event.inputs if isinstance(value, Tensor))
        step = Step(self._path(event.modules), event.primitive.name, module, inputs, (event.output,), (event,), True)
        self._trial.steps.append(step)

    def leave(self, module: Module, args: tuple[Any, ...], output: Any) -> None:
        self._trial.running.pop()
        events = tuple(self._inside.pop(id(module), ()))
        inputs, outputs = tensors_in(args), tensors_in(output)
        path, kind = self._path(MODE.modules), type(module).__name__
        self._trial.steps.append(Step(path, kind, module, inputs, outputs, events, is_container=not _is_layer(module)))

    def _path(self, modules: Sequence[Module]) -> str:
        return self._paths[id(modules[-1])] if id(modules[-1]) in self._paths else path_of(modules)


def _is_layer(module: Module) -> bool:
    return next(module.children(), None) is None


@contextmanager
def _untouched(model: Module) -> Iterator[None]:
    """Put back, at the end, the mode of every Module, and every buffer with its values."""
    modes = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, vars(module)[name], vars(module)[name].data, vars(module)[name].data.copy())
        for module in model.modules()
        for name in module._buffers
        if vars(module)[name] is not None
    ]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for module, name, buffer, array, values in buffers:
            if vars(module)[name] is not buffer:
                setattr(module, name, buffer)
            if buffer.data is not array:
                buffer.data = array
            if not np.array_equal(array, values, equal_nan=True):
                array[...] = values
