"""What a training run looked like: loss and accuracy, entry by entry."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinygrad_cnn.atomic import atomic_write
from tinygrad_cnn.errors import DataError

_CURVES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass
class History(Mapping[str, Sequence[float]]):
    """Loss and accuracy of a training run, one number per entry: an epoch, or the updates since the entry before.

    The training figures are means over all images of the entry, each taken just before the update that its batch
    caused and in training mode (dropout on): they cost nothing, and lag behind the test figures, which are measured
    at the end of the entry and in evaluation mode. Where that matters, `evaluate` measures both with one ruler.

    The lists are attributes; as a mapping, which `viz.plot_history` and pandas take, it gives them by name.

    test_loss, test_accuracy: NaN where there were no test data.
    step: how many updates had been made at each entry; empty, and left out of the mapping, where entries are epochs.

    Units: losses as the loss function has them, accuracies as fractions in [0, 1].

    Example:
        >>> history = History([0.9, 0.4], [0.6, 0.8], test_loss=[0.7, 0.5], test_accuracy=[0.7, 0.75])
        >>> history.test_accuracy[-1], list(history)
        (0.75, ['train_loss', 'train_accuracy', 'test_loss', 'test_accuracy'])
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)
    step: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        return iter(self._lists())

    def __len__(self) -> int:
        return len(self._lists())

    def __getitem__(self, name: str) -> Sequence[float]:
        return self._lists()[name]

    def _lists(self) -> dict[str, Sequence[float]]:
        lists: dict[str, Sequence[float]] = {name: getattr(self, name) for name in _CURVES}
        return lists | {"step": self.step} if self.step else lists

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the lists as JSON, whole or not at all; null where nothing was measured."""
        lists = {name: [None if math.isnan(value) else value for value in curve] for name, curve in self.items()}
        lines = [f"  {json.dumps(name)}: {json.dumps(values)}" for name, values in lists.items()]
        with atomic_write(path) as draft:
            draft.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """The history that `save` wrote, bit for bit.

        Raises: DataError, naming the file, where it holds something else; OSError where it cannot be read.
        """
        try:
            lists = json.loads(Path(path).read_bytes())
        except ValueError as error:
            raise DataError(f"{path}: expects JSON as History.save writes it; {error}") from None
        if not isinstance(lists, dict) or set(lists) - {"step"} != set(_CURVES):
            raise DataError(f"{path}: expects a JSON object with the lists {', '.join(_CURVES)}, and at most step")
        return cls(**{name: _curve(path, name, values) for name, values in lists.items()})


def _curve(path: str | os.PathLike[str], name: str, values: Any) -> list[Any]:
    if not isinstance(values, list) or not all(type(value) in (int, float, type(None)) for value in values):
        raise DataError(f"{path}: {name} expects a list of numbers")
    return [math.nan if value is None else value for value in values]
