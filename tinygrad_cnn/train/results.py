"""The folder that a training run leaves: pictures, numbers and the model."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.io import save_tensors
from tinygrad_cnn.nn import Conv2d, CrossEntropyLoss, Module
from tinygrad_cnn.train.history import History
from tinygrad_cnn.viz import plot_filters, plot_history, record, save_figure

_FILTERS = re.compile(r"filters-[0-9]+\.png")


@contextmanager
def results_folder(folder: Path) -> Iterator[Path]:
    """A draft inside `folder` to write files in; they move up into `folder` together when the block ends.

    Where the block raises, or is interrupted, nothing is left of it: `folder` stays as it was, or away. That it can be
    written to is found out on the way in, before whatever the block takes hours for.

    Raises: ArgumentError where `folder` is a file or cannot be written to.
    """
    with _made(folder), tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as draft:
        yield Path(draft)
        for file in folder.iterdir():
            if _FILTERS.fullmatch(file.name):  # an earlier run may have had more layers
                file.unlink()
        for file in Path(draft).iterdir():
            file.replace(folder / file.name)


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """`folder`, made where it was missing; what was made goes again where the block raises."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        _check_writable(folder)
        yield
    except BaseException:
        for path in missing:
            with suppress(OSError):  # it was not made after all, or somebody else has put something in it
                path.rmdir()
        raise


def _check_writable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"the results need a folder, {folder} is a file; pass another name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ArgumentError(
            f"the results cannot be written to {folder} ({error.strerror}); pass a folder that can be written to"
        ) from None


def save_graph(path: Path, model: Module, images: NDArray[Any], labels: NDArray[Any]) -> None:
    """Draw what a training step of the model computes on this batch, up to the loss. Runs the model once."""
    batch = Tensor(images)
    with record() as recording:
        loss = CrossEntropyLoss()(model(batch), labels)
    recording.graph(model, names={"images": batch, "labels": labels, "loss": loss}, outputs=[loss]).save(path)


def save_results(folder: Path, model: Module, history: History) -> None:
    """Write the weights, the history, its curves, and a picture of the filters of each convolution."""
    save_tensors(folder / "model.safetensors", model.state_dict())
    history.save(folder / "history.json")
    save_figure(plot_history(history), folder / "learning-curve.png")
    convolutions = [module for module in model.modules() if isinstance(module, Conv2d)]
    for number, convolution in enumerate(convolutions, start=1):
        save_figure(plot_filters(convolution), folder / f"filters-{number}.png")
