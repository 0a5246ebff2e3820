"""The command `tinygrad-cnn train`: its options, and one run from the data to the folder of results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from tinygrad_cnn.data.digits_data import digits
from tinygrad_cnn.data.image_data import ImageData
from tinygrad_cnn.data.mnist_data import mnist
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.nn import Conv2d, Linear, Module
from tinygrad_cnn.optional import require
from tinygrad_cnn.train.callbacks import Callback, EntryRows, ProgressBar
from tinygrad_cnn.train.history import History
from tinygrad_cnn.train.networks import ACTIVATIONS
from tinygrad_cnn.train.options import number, padding, sizes, whole
from tinygrad_cnn.train.recipes import (
    LEARNING_RATES,
    OPTIMIZERS,
    RECIPES,
    SCHEDULES,
    Recipe,
    build_loader,
    build_model,
    build_trainer,
)
from tinygrad_cnn.train.results import results_folder, save_graph, save_results
from tinygrad_cnn.train.trainer import LOG_EVERY

_FOLDS = 5


def declare_train(commands: Any) -> None:
    """Add `train` to the commands of the parser."""
    parser = commands.add_parser(
        "train",
        help="train a convolutional network on handwritten digits",
        description="""\
Train a convolutional network on handwritten digits: blocks of convolution, activation and 2x2 max pooling, then hidden
layers. The results are written at the end, all together: learning-curve.png, filters-1.png, filters-2.png, ...
(one per convolution), graph.svg, history.json and model.safetensors. A run that is interrupted (Ctrl-C) or fails
writes nothing and leaves the results of an earlier run alone. The same seed gives the same weights, bit for bit.""",
        epilog="""\
examples:
  tinygrad-cnn train
  tinygrad-cnn train --filters 8,8 --kernel-size 5 --padding 2 --epochs 10 --out runs/five
  tinygrad-cnn train --data mnist --data-dir ~/mnist --train 9000 --test 1000 --steps 10000 --log-every 100""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run_train)
    _declare_data(parser.add_argument_group("data"))
    declare_network(parser.add_argument_group("network"))
    _declare_training(parser.add_argument_group("training"))
    _declare_output(parser.add_argument_group("output"))


def _declare_data(group: Any) -> None:
    group.add_argument(
        "--data",
        choices=tuple(RECIPES),
        default="digits",
        help="the 8x8 digits that come with scikit-learn, or MNIST's 28x28 (default: digits)",
    )
    group.add_argument(
        "--data-dir",
        metavar="DIR",
        type=Path,
        help="the folder of MNIST's four IDX files, gzipped or not (default: download MNIST through scikit-learn)",
    )
    group.add_argument("--train", metavar="N", type=whole(1), help="take only N training images (default: all)")
    group.add_argument(
        "--test",
        metavar="N",
        type=whole(1),
        help="take only N test images (default: all); with --data mnist --train M both come from the training file: "
        "the first N to test on, the next M to train on",
    )
    group.add_argument(
        "--fold",
        metavar="K",
        type=int,
        choices=range(_FOLDS),
        help=f"which stratified fifth of the digits is held out as the test set, 0 to {_FOLDS - 1} (default: 0)",
    )


def declare_network(group: Any) -> None:
    """Add the options that say what the network is, which are fields of a `Recipe`."""
    group.add_argument(
        "--filters",
        metavar="N,N,...",
        type=sizes,
        help=f"filters of each convolution; '' for a multi-layer perceptron {_defaults('filters')}",
    )
    group.add_argument(
        "--kernel-size", metavar="N", type=whole(1), help=f"pixels along each side {_defaults('kernel_size')}"
    )
    group.add_argument(
        "--padding",
        metavar="N|same",
        type=padding,
        help=f"pixels around the image, or same: as many as keep its size {_defaults('padding')}",
    )
    group.add_argument(
        "--hidden",
        metavar="N,N,...",
        type=sizes,
        help=f"units of each hidden layer; '' for none {_defaults('hidden')}",
    )
    group.add_argument("--activation", choices=tuple(ACTIVATIONS), help=_defaults("activation"))
    group.add_argument(
        "--dropout",
        metavar="P",
        type=number("at least 0 and below 1", lambda p: 0 <= p < 1),
        help=f"probability that training ignores a hidden unit {_defaults('dropout')}",
    )


def _declare_training(group: Any) -> None:
    length = group.add_mutually_exclusive_group()
    length.add_argument(
        "--epochs", metavar="N", type=whole(1), help=f"passes over the training images {_defaults('epochs')}"
    )
    length.add_argument("--steps", metavar="N", type=whole(1), help="so many updates, in place of epochs")
    group.add_argument(
        "--log-every",
        metavar="K",
        type=whole(1),
        help=f"with --steps: measure after every K updates, and after the last (default: {LOG_EVERY})",
    )
    group.add_argument("--batch-size", metavar="N", type=whole(1), help=f"images per update {_defaults('batch_size')}")
    group.add_argument("--optimizer", choices=tuple(OPTIMIZERS), help=_defaults("optimizer"))
    rates = ", ".join(f"{rate} with {name}" for name, rate in LEARNING_RATES.items())
    group.add_argument(
        "--lr",
        metavar="RATE",
        type=number("above 0", lambda rate: rate > 0),
        help=f"learning rate, with one-cycle its peak (default: {rates})",
    )
    group.add_argument(
        "--schedule",
        choices=SCHEDULES,
        help=f"constant, or one-cycle: up, then down to almost nothing {_defaults('schedule')}",
    )
    group.add_argument(
        "--seed",
        metavar="N",
        type=whole(0),
        default=0,
        help="of the initial weights, the order of the images and dropout (default: 0)",
    )


def _declare_output(group: Any) -> None:
    group.add_argument(
        "--out", metavar="DIR", type=Path, help="folder of the results (default: runs/digits, runs/mnist)"
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar and no row per epoch")


def _defaults(field: str) -> str:
    """What the recipes have for an option, as its help says it."""
    values = {name: getattr(recipe, field) for name, recipe in RECIPES.items()}
    texts = {name: ",".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}
    first, *others = texts.values()
    if all(other == first for other in others):
        return f"(default: {first})"
    return f"(default: {', '.join(f'{text} for {name}' for name, text in texts.items())})"


# ---- one run ---------------------------------------------------------------------------------------------------------


def run_train(options: argparse.Namespace) -> None:
    """Train as the options say, and leave the results in a folder.

    Everything that can be wrong with the input is found before the first update.
    """
    _check_combinations(options)
    recipe = _recipe(options)
    data = _load(options)
    model = build_model(recipe, data, options.seed)
    loader = build_loader(recipe, data, options.seed)
    steps = options.steps or recipe.epochs * len(loader)
    trainer = build_trainer(recipe, model, steps)
    require("matplotlib", feature="tinygrad-cnn train", extra="viz")
    require("safetensors", feature="tinygrad-cnn train", extra="train")
    folder = options.out or Path("runs", options.data)
    with results_folder(folder) as draft:
        # Drawing runs the network once: one of its own, whose dropout draws from a generator of its own.
        batch = slice(0, recipe.batch_size)
        twin = build_model(recipe, data, options.seed)
        save_graph(draft / "graph.svg", twin, data.train_images[batch], data.train_labels[batch])
        _say(_introduction(data, model, options))
        start = perf_counter()
        history = trainer.fit(
            loader,
            epochs=None if options.steps else recipe.epochs,
            steps=options.steps,
            log_every=options.log_every,
            test=(data.test_images, data.test_labels),
            callbacks=_callbacks(options.quiet),
        )
        seconds = perf_counter() - start
        if not options.quiet:
            _say("")  # below the table
        save_results(draft, model, history)
        files = sorted(path.name for path in draft.iterdir())
    _say(_conclusion(folder, files, history, seconds))


def _check_combinations(options: argparse.Namespace) -> None:
    if options.log_every is not None and options.steps is None:
        raise ArgumentError("argument --log-every: goes with --steps; with --epochs every epoch is measured")
    if options.data_dir is not None and options.data != "mnist":
        raise ArgumentError("argument --data-dir: goes with --data mnist; the digits come with scikit-learn")
    if options.fold is not None and options.data != "digits":
        raise ArgumentError("argument --fold: goes with --data digits; MNIST has a test set of its own")


def _recipe(options: argparse.Namespace) -> Recipe:
    given = {field.name: getattr(options, field.name) for field in fields(Recipe)}
    return replace(RECIPES[options.data], **{name: value for name, value in given.items() if value is not None})


def _load(options: argparse.Namespace) -> ImageData:
    if options.data == "mnist":
        return mnist(options.data_dir, options.train, options.test)
    return digits(options.fold or 0, _FOLDS, train=options.train, test=options.test)


def _callbacks(quiet: bool) -> list[Callback]:
    if quiet:
        return []
    tqdm = require("tqdm", feature="tinygrad-cnn train", extra="train").tqdm
    return [ProgressBar(), EntryRows(write=tqdm.write)]


def _introduction(data: ImageData, model: Module, options: argparse.Namespace) -> str:
    fold = "" if options.data == "mnist" else f", fold {options.fold or 0} of {_FOLDS}"
    images = f"{len(data.train_images):,} training and {len(data.test_images):,} test images"
    size = "x".join(map(str, data.image_shape))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"data   {data.name}{fold}: {images} of {size}, {data.num_classes} classes\n"
        f"model  {', '.join(_layers(model))}: {parameters:,} parameters\n"
        f"seed   {options.seed}\n"
    )


def _layers(model: Module) -> Iterator[str]:
    """The layers that learn, each with its number of outputs."""
    for module in model.modules():
        if isinstance(module, Conv2d):
            yield f"conv {module.out_channels}"
        elif isinstance(module, Linear):
            yield f"linear {module.out_features}"


def _conclusion(folder: Path, files: Sequence[str], history: History, seconds: float) -> str:
    accuracy, loss = history.test_accuracy[-1], history.test_loss[-1]
    listing = "".join(f"\n  {name}" for name in files)
    return f"test accuracy {accuracy:.2%}, test loss {loss:.4f}, {seconds:.1f} s of training\n\n{folder}{listing}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
