"""Where in a model a Module stands: "features.0", made of the names by which each parent knows its child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from tinygrad_cnn.errors import TinygradCnnError

if TYPE_CHECKING:
    from tinygrad_cnn.nn.modules import Module

_PLACE = "_tinygrad_cnn_place"  # the exception's attribute that holds its _Place


def path_of(modules: Sequence[Module]) -> str:
    """The path of the last of `modules`, a stack of running Modules (as an `Event` carries it), outermost first.

    The outermost Module has no name, so its own path is "". A Module that its caller does not hold goes by its class.

    Example:
        >>> from tinygrad_cnn.nn import Linear, Sequential
        >>> model = Sequential(Sequential(Linear(2, 3)))
        >>> path_of((model, model[0], model[0][0]))
        '0.0'
    """
    return ".".join(_name(parent, child) for parent, child in pairwise(modules))


def _name(parent: Module, child: Module) -> str:
    """The name by which `parent` knows `child`: a path, where it calls a child of its child."""
    return next((name for name, module in parent.named_modules() if module is child), type(child).__name__)


@dataclass(slots=True)
class _Place:
    """Where an exception comes from, as far as the Modules it has passed so far can tell."""

    layer: Module  # the innermost, whose forward raised it
    passed: Module  # the outermost passed so far
    path: str  # of `layer` within `passed`
    message: str | None  # what it said before any path stood in front
    note: str = ""


def locate(error: Exception, module: Module) -> None:
    """Say in `error`, which is passing out of `module`, where it comes from.

    Every Module on its way knows only its own child, so each puts one more name in front of the path. Errors of this
    package begin with the path, `features.0: conv2d: ...`; all exceptions carry it in a note.
    """
    place: _Place | None = vars(error).get(_PLACE)
    if place is None:
        vars(error)[_PLACE] = _Place(module, module, "", _message(error))
    elif place.passed is not module:
        name = _name(module, place.passed)
        place.path = f"{name}.{place.path}" if place.path else name
        place.passed = module
        _write(error, place)


def _message(error: Exception) -> str | None:
    ours = isinstance(error, TinygradCnnError) and error.args and isinstance(error.args[0], str)
    return error.args[0] if ours else None


def _write(error: Exception, place: _Place) -> None:
    if place.message is not None:
        error.args = (f"{place.path}: {place.message}", *error.args[1:])
    note = f"in layer {place.path} ({type(place.layer).__name__}({place.layer.extra_repr()}))"
    notes = getattr(error, "__notes__", [])
    if place.note in notes:
        notes[notes.index(place.note)] = note
    else:
        error.add_note(note)
    place.note = note
