"""What every experiment shares: its options, its data and seeds, and the table, picture and claims that it ends with.

Example:
    >>> def main(argv):
    ...     experiment = Experiment("examples/luck.py", "How often does a coin show heads?", argv, seeds=3)
    ...     heads = [np.random.default_rng(seed).integers(2, size=100).mean() for seed in experiment.seeds]
    ...     experiment.claim("about half of the time", heads, at_most=0.7)
    ...     return experiment
    >>> main([]).complaint is None
    <BLANKLINE>
    about half of the time (worst of 3: 0.56, claimed: at most 0.7): holds
    True
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Literal, TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tqdm import tqdm

from tinygrad_cnn import data, viz

T = TypeVar("T")

TRAIN, TEST = 9_000, 1_000  # of MNIST's training file; few, so that differences show within minutes
DPI = 150  # of pictures, 9 inches wide
PICTURES = "pictures"  # the folder of pictures and numbers, inside --out


@dataclass(frozen=True)
class Claim:
    """An inequality that holds for each of the values, one per seed, or for their mean."""

    statement: str
    values: list[float]
    relation: Literal["at least", "at most"]
    bound: float
    of: Literal["each", "mean"] = "each"

    @property
    def measured(self) -> float:
        """The value that the bound is held against: the mean, or the worst of all."""
        worst = np.min if self.relation == "at least" else np.max  # NaN, where one is, which keeps no bound
        return float(np.mean(self.values) if self.of == "mean" else worst(self.values))

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.relation == "at least" else self.measured <= self.bound

    def __str__(self) -> str:
        which = "mean" if self.of == "mean" else "worst"
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        measured = f"{which} of {len(self.values)}: {self.measured:.3g}, claimed: {self.relation} {self.bound:.3g}"
        return f"{self.statement} ({measured}): {verdict}"


class Experiment:
    """One run of a script: what it was asked to do, and what it found.

    file, doc: the script's `__file__` and `__doc__`; argv: its command line, by default the process's own.
    seeds: how often it repeats, unless `--seeds` says otherwise.
    """

    def __init__(self, file: str, doc: str | None, argv: Sequence[str] | None, seeds: int) -> None:
        self._start = perf_counter()
        self.name = Path(file).stem
        self.doc = doc or ""
        options = _parser(self.doc, seeds).parse_args(argv)
        self.on_mnist: bool = options.data == "mnist"
        self.seed_count: int = options.seeds
        self._data_dir: Path | None = options.data_dir
        self.folder: Path = options.out / PICTURES
        self._tables: list[str] = []
        self._has_graph = False
        self.claims: list[Claim] = []

    # ---- what it works on

    @cached_property
    def data(self) -> data.ImageData:
        """The 8x8 digits; or, of MNIST, 9,000 images to train on and 1,000 to test on, all from its training file."""
        return data.mnist(self._data_dir, train=TRAIN, test=TEST) if self.on_mnist else data.digits()

    def choose(self, *, digits: T, mnist: T) -> T:
        """The setting for the data of this run."""
        return mnist if self.on_mnist else digits

    @property
    def seeds(self) -> Iterator[int]:
        """0, 1, 2, ..., with a bar of progress where there is a terminal."""
        return self.progress(range(self.seed_count), "seeds")

    def progress(self, things: Sequence[T], what: str) -> Iterator[T]:
        """The things, one by one, with a bar of progress where there is a terminal."""
        return iter(tqdm(things, desc=f"{self.name}: {what}", leave=False, disable=None))

    # ---- what it found

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
        """Print a table, its first column to the left and all others to the right, and keep it for the gallery."""
        text = f"{caption}\n\n{markdown(head, rows)}" if caption else markdown(head, rows)
        self._tables.append(text)
        print(f"\n{text}")

    def picture(self, figure: Figure) -> None:
        """Save the picture of the experiment, `pictures/NAME.png`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.png"
        figure.savefig(path, dpi=DPI)
        print(f"\ndrawn: {path}")

    def graph(self, graph: viz.Graph) -> None:
        """Save a computation graph beside the picture, `pictures/NAME.svg`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        graph.save(self.folder / f"{self.name}.svg")
        self._has_graph = True

    def claim(
        self,
        statement: str,
        values: ArrayLike,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        of: Literal["each", "mean"] = "each",
    ) -> None:
        """Hold what the docstring claims against what was measured.

        values: one per seed. of: whether each of them has to keep the bound, or their mean.
        """
        if (at_least is None) == (at_most is None):
            raise ValueError("claim: expects either at_least or at_most")
        measured = [float(value) for value in np.atleast_1d(np.asarray(values, np.float64))]
        if at_least is not None:
            claim = Claim(statement, measured, "at least", at_least, of)
        else:
            claim = Claim(statement, measured, "at most", at_most or 0.0, of)
        self.claims.append(claim)
        print(f"\n{claim}")

    def finish(self) -> Experiment:
        """Write the numbers beside the picture, `pictures/NAME.json`, where the gallery finds them."""
        seconds = perf_counter() - self._start
        found = self._tables, self.claims, self._has_graph
        Result(self.name, self.doc, self.data.name, self.seed_count, seconds, *found).save(self.folder)
        return self

    @property
    def complaint(self) -> str | None:
        """What a process ends with: nothing, and status 0; or the claims that do not hold, and status 1."""
        failed = [str(claim) for claim in self.claims if not claim.holds]
        return "\n".join([f"{self.name}:", *failed]) if failed else None


@dataclass(frozen=True)
class Result:
    """What the gallery shows of an experiment."""

    name: str
    doc: str
    data: str
    seeds: int
    seconds: float
    tables: list[str]
    claims: list[Claim]
    graph: bool = False  # whether one lies beside the picture

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / f"{self.name}.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> Result:
        fields = json.loads((folder / f"{name}.json").read_text("utf-8"))
        return cls(**{**fields, "claims": [Claim(**claim) for claim in fields["claims"]]})


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, aligned so that a terminal shows it well too."""
    table = Table(box=box.MARKDOWN)
    for number, name in enumerate(head):
        table.add_column(Text(name), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell.replace("|", "\\|")) for cell in row))  # Text: brackets are not markup
    text = StringIO()
    Console(file=text, width=1_000).print(table)
    first, rule, *others = text.getvalue().strip().splitlines()
    aligned = rule.replace("-|", ":|").replace(":|", "-|", 1)  # all columns to the right but the first
    return "\n".join([first, aligned, *others])


def _parser(doc: str, seeds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument(
        "--seeds", metavar="N", type=_positive, default=seeds, help=f"repeat with so many (default: {seeds})"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expects a positive integer, got {text!r}")
    return int(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that a single experiment and the gallery of all have in common."""
    parser.add_argument(
        "--data", choices=("digits", "mnist"), default="digits", help="8x8 digits, or MNIST (default: digits)"
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="the folder of MNIST's four IDX files (default: download them)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs/examples"), help="for the results (default: %(default)s)"
    )
