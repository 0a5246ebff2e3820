"""What the current thread does with the operations it runs: record them, and report them to observers.

One thread-local word of flags covers both, so that an operation asks once. A new thread starts recording, unobserved.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, TypeVar

from tinygrad_cnn.errors import ArgumentTypeError

SILENT = 1  # nothing is recorded
OBSERVED = 2  # every forward and rule call is reported
LAYERED = 4  # to an observer who wants every layer by itself: nothing may be fused across layers

_PACKAGE = str(Path(__file__).parents[1]) + os.sep
_F = TypeVar("_F", bound=Callable[..., Any])


class _Mode(threading.local):
    def __init__(self) -> None:
        self.flags = 0
        self.saved: list[int] = []
        self.observers: tuple[Callable[[Event], None], ...] = ()
        self.modules: list[Any] = []  # the Modules being called, outermost first; kept only while observed


MODE = _Mode()


class Line(NamedTuple):
    """A place in the caller's code."""

    file: str
    number: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number} in {self.function}"


@dataclass(frozen=True, slots=True)
class Event:
    """One call reported to an observer.

    A `forward` event carries the arguments as they were passed and the resulting Tensor; a `rule` event the cotangent
    that came in (`inputs[0]`) and the tuple of cotangents that go out, one per recorded input of the primitive.
    """

    kind: Literal["forward", "rule"]
    primitive: Any
    inputs: tuple[Any, ...]
    output: Any
    node: Any  # the recorded node, the same object in both kinds of event; None for a constant
    start: float  # by time.perf_counter
    seconds: float
    line: Line | None  # where the user's code made the forward call
    modules: tuple[Any, ...]  # the Modules that were running, outermost first
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword arguments of a variadic primitive


def is_grad_enabled() -> bool:
    """Whether operations on Tensors are recorded in this thread."""
    return not MODE.flags & SILENT


class _SetFlag:
    """A context manager and decorator that sets or clears SILENT, per thread, nested as you like."""

    _silent: bool

    def __init__(self, *arguments: Any) -> None:
        if arguments:
            name = type(self).__name__
            raise ArgumentTypeError(
                f"{name}: takes no arguments; write `with {name}():`, or @{name}() above a function"
            )

    def __enter__(self) -> None:
        MODE.saved.append(MODE.flags)
        MODE.flags = MODE.flags | SILENT if self._silent else MODE.flags & ~SILENT

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # An observer may have come or gone inside the block: only our own flag is put back.
        MODE.flags = MODE.flags & ~SILENT | MODE.saved.pop() & SILENT

    def __call__(self, function: _F) -> _F:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise ArgumentTypeError(
                f"{type(self).__name__}: cannot decorate the coroutine {function.__name__}, which would hold the mode "
                "while others run; use a with block between two awaits"
            )
        wrap = self._wrap_generator if inspect.isgeneratorfunction(function) else self._wrap_function
        return functools.wraps(function)(wrap(function))  # type: ignore[return-value]

    def _wrap_function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return wrapped

    def _wrap_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            resume: Callable[[], Any] = functools.partial(next, generator)
            while True:
                try:
                    with self:  # held only while the generator's own code runs
                        value = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    sent = yield value
                    resume = functools.partial(generator.send, sent)
                except GeneratorExit:
                    with self:
                        generator.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(generator.throw, error)

        return wrapped


class no_grad(_SetFlag):  # noqa: N801  (the field's name for it)
    """Operations inside are computed but not recorded: a context manager and a decorator.

    It holds for the current thread only; a decorated generator holds it only while its own code runs.

    Example:
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> with tg.no_grad():
        ...     (x * 2).requires_grad
        False
    """

    _silent = True


class enable_grad(_SetFlag):  # noqa: N801
    """Operations inside are recorded, also within `no_grad`."""

    _silent = False


@contextmanager
def observe(callback: Callable[[Event], None], layers: bool = True) -> Iterator[None]:
    """Report every forward and rule call of this thread to `callback` while the block runs.

    Drawing, summaries, profiles and the search for a faulty rule all stand on this one hook; nobody pays for it while
    no observer is set.

    layers: False lets containers fuse layers into one operation, as they do when nobody watches; by default every layer
    runs by itself, which is what a drawing or an explanation shows.

    Example:
        >>> import tinygrad_cnn as tg
        >>> names = []
        >>> with observe(lambda event: names.append((event.kind, event.primitive.name))):
        ...     (tg.tensor([1.0, 2.0], requires_grad=True) * 3).sum().backward()
        >>> names
        [('forward', 'mul'), ('forward', 'sum'), ('rule', 'sum'), ('rule', 'mul')]
    """
    before, flags = MODE.observers, MODE.flags
    MODE.observers = (*before, callback)
    MODE.flags |= OBSERVED | LAYERED if layers else OBSERVED
    try:
        yield
    finally:
        MODE.observers = before
        MODE.flags &= flags | ~(OBSERVED | LAYERED)  # as they were before; SILENT may have changed meanwhile


def report(event: Event) -> None:
    """Hand `event` to every observer of this thread; what they compute themselves is not reported."""
    flags = MODE.flags
    MODE.flags = flags & ~(OBSERVED | LAYERED)
    try:
        for callback in MODE.observers:
            callback(event)
    finally:
        MODE.flags = flags


def users_line() -> Line | None:
    """The innermost line outside this package that led here."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else Line(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
