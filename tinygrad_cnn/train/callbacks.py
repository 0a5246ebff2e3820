"""What watches a training run: a progress bar, a row per entry, or whatever a user writes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tinygrad_cnn.optional import require
from tinygrad_cnn.train.history import History

_TITLES = "   training loss  accuracy       test loss  accuracy"
_FIGURES = "   {:13.4f}  {:8.2%}   {:13.4f}  {:8.2%}"


@dataclass
class Progress:
    """Where a run stands: what every callback is told.

    step, steps: updates made so far, and in all.
    epoch, epochs: passes over the training data begun so far, and in all.
    loss: the loss of the latest batch, before the update that it caused; NaN before the first.
    history: the entries so far.
    """

    steps: int
    epochs: int
    step: int = 0
    epoch: int = 0
    loss: float = float("nan")
    history: History = field(default_factory=History)


class Callback:
    """Something told how a run goes: inherit, and override what you need.

    A callback reads; what it draws, prints or measures changes no bit of the training. An exception that it raises
    ends the run.

    Example:
        >>> class Best(Callback):
        ...     def on_entry(self, progress):
        ...         self.accuracy = max(progress.history.test_accuracy)
    """

    def on_start(self, progress: Progress) -> None:
        """Before the first update."""

    def on_step(self, progress: Progress) -> None:
        """After every update."""

    def on_entry(self, progress: Progress) -> None:
        """After every new entry of the history: each epoch, or every so many updates."""

    def on_end(self, progress: Progress) -> None:
        """When the run ends, by an error or Ctrl-C too."""


class ProgressBar(Callback):
    """A bar on stderr (tqdm): updates made, time left, the latest loss. It clears itself at the end.

    In a terminal it moves ten times a second; in a log file it leaves a trace every ten seconds.

    Raises: MissingDependencyError where tqdm is not installed.
    """

    def __init__(self) -> None:
        self._tqdm = require("tqdm", feature="ProgressBar", extra="train").tqdm
        self._bar: Any = None

    def on_start(self, progress: Progress) -> None:
        seconds = 0.1 if sys.stderr.isatty() else 10
        self._bar = self._tqdm(total=progress.steps, unit=" updates", leave=False, mininterval=seconds)

    def on_step(self, progress: Progress) -> None:
        self._bar.set_postfix_str(f"epoch {progress.epoch}/{progress.epochs}, loss {progress.loss:.4f}", refresh=False)
        self._bar.update()

    def on_end(self, progress: Progress) -> None:
        if self._bar is not None:
            self._bar.close()


class EntryRows(Callback):
    """A table on stdout that grows by a row with every entry: loss and accuracy, training and test.

    write: takes one line, by default to stdout; beside a ProgressBar pass `tqdm.write`, which steps around the bar.

    Example:
        >>> history = History(train_loss=[0.5], train_accuracy=[0.875], test_loss=[0.25], test_accuracy=[1.0])
        >>> EntryRows().on_entry(Progress(steps=10, epochs=1, step=10, epoch=1, history=history))
          epoch   training loss  accuracy       test loss  accuracy
              1          0.5000    87.50%          0.2500   100.00%
    """

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = _write_line if write is None else write

    def on_entry(self, progress: Progress) -> None:
        history = progress.history
        entries = len(history.train_loss)
        if entries == 1:
            self._write(f"{'update' if history.step else 'epoch':>7}{_TITLES}")
        figures = (history.train_loss, history.train_accuracy, history.test_loss, history.test_accuracy)
        number = history.step[-1] if history.step else entries
        self._write(f"{number:>7,}" + _FIGURES.format(*(curve[-1] for curve in figures)))


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
