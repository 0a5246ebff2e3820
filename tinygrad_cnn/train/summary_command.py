"""The command `tinygrad-cnn summary`: what each layer of a model makes of an input, and what it costs."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.nn import Module
from tinygrad_cnn.random import fork
from tinygrad_cnn.train.command import declare_network
from tinygrad_cnn.train.networks import classifier
from tinygrad_cnn.train.options import sizes, whole
from tinygrad_cnn.train.recipes import OPTIMIZERS, RECIPES, Recipe
from tinygrad_cnn.viz import Summary, summary

_IMAGES: dict[str, tuple[int, int, int]] = {"digits": (1, 8, 8), "mnist": (1, 28, 28)}
_CLASSES = 10


def declare_summary(commands: Any) -> None:
    """Add `summary` to the commands of the parser."""
    parser = commands.add_parser(
        "summary",
        help="show the layers of a network, their shapes and what they cost",
        description="""\
Show the layers of a network: output shapes, parameters, multiply-adds, memory, how many pixels each sees, and the
border that a stride leaves unread. No data are read and nothing is trained. The network is the one that `train` makes
of the same options, or a model of your own.""",
        epilog="""\
examples:
  tinygrad-cnn summary
  tinygrad-cnn summary --filters 8,8 --kernel-size 5 --padding 2 --input 3,32,32
  tinygrad-cnn summary mypackage.models:make_model --input 3,224,224 --batch-size 32""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run_summary)
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="package.module:name of a Module, or of a function that makes one"
    )
    parser.add_argument(
        "--input",
        metavar="C,H,W",
        type=sizes,
        help="shape of one input, without the batch (default: that of the data; with MODEL it must be given)",
    )
    parser.add_argument("--batch-size", metavar="N", type=whole(1), help="inputs at once (default: as in training)")
    parser.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="adam", help="whose state (default: adam)")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the table to a file, in place of showing it")
    group = parser.add_argument_group("network", "in place of MODEL")
    group.add_argument("--data", choices=tuple(RECIPES), help="the data set that it is for (default: digits)")
    declare_network(group)


def run_summary(options: argparse.Namespace) -> None:
    """Show the summary as text, in colours where rich is installed and somebody watches, or write it as HTML."""
    recipe = RECIPES[options.data or "digits"]
    if options.model is None:
        shape = options.input or _IMAGES[options.data or "digits"]
        model: Module = _network(replace(recipe, **_given(options)), shape)
    else:
        shape, model = _own_input(options), _own_model(options.model)
    batch_size = options.batch_size or recipe.batch_size
    found = summary(model, shape, batch_size=batch_size, optimizer=OPTIMIZERS[options.optimizer])
    if options.html is None:
        _show(found)
        return
    with atomic_write(options.html) as draft:
        draft.write_text(_page(found), "utf-8")
    sys.stdout.write(f"{options.html}\n")


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The options that say what the network is, as far as they were given."""
    names = {field.name for field in fields(Recipe)} & set(vars(options)) - {"optimizer", "batch_size"}
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _network(recipe: Recipe, shape: tuple[int, ...]) -> Module:
    if len(shape) != 3:
        raise ArgumentError(f"argument --input: expects an image C,H,W, such as 3,32,32, got {len(shape)} numbers")
    return classifier(
        (shape[0], shape[1], shape[2]),
        _CLASSES,
        filters=recipe.filters,
        hidden=recipe.hidden,
        kernel_size=recipe.kernel_size,
        padding=recipe.padding,
        activation=recipe.activation,
        dropout=recipe.dropout,
        generator=fork(0, "init"),
    )


# ---- a model of the user's


def _own_input(options: argparse.Namespace) -> tuple[int, ...]:
    extra = sorted({*_given(options), *(["data"] if options.data else [])})
    if extra:
        raise ArgumentError(f"argument --{extra[0].replace('_', '-')}: says what the network is, and so does MODEL")
    if not options.input:
        raise ArgumentError("argument --input: MODEL needs the shape of one input, without the batch: --input 3,32,32")
    shape: tuple[int, ...] = options.input
    return shape


def _own_model(place: str) -> Module:
    module_name, colon, name = place.partition(":")
    if not (module_name and colon and name):
        raise ArgumentError(
            f"argument MODEL: expects package.module:name, such as mypackage.models:make, got {place!r}"
        )
    sys.path.insert(0, str(Path.cwd()))  # it may lie where the user stands
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and imports what is not
        raise ArgumentError(f"argument MODEL: there is no module {module_name}, looking from {Path.cwd()}") from error
    if not hasattr(found, name):
        raise ArgumentError(f"argument MODEL: {module_name} has no {name}")
    model = getattr(found, name)
    if not isinstance(model, Module) and callable(model):
        model = model()
    if not isinstance(model, Module):
        raise ArgumentTypeError(
            f"argument MODEL: {place} must be a Module, or make one without arguments, got {type(model).__name__}"
        )
    return model


# ---- to see


def _show(found: Summary) -> None:
    if sys.stdout.isatty():
        try:
            rich = importlib.import_module("rich")
        except ImportError:
            pass
        else:
            rich.print(found)
            return
    sys.stdout.write(f"{found}\n")


def _page(found: Summary) -> str:
    return f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="color-scheme" content="light dark">
<title>Summary of {found.model}</title>
</head>
<body style="font-family: system-ui, sans-serif; font-size: 14px">
{found._repr_html_()}
</body>
</html>
"""
