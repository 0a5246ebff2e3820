"""Where the figures of a benchmark go: JSON and a picture in the folder of `--out`, a table on the screen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import machine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OUT = Path("runs/benchmarks")


def options(description: str | None, threads: bool = True) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="folder for JSON and picture (default: %(default)s)")
    if threads:
        parser.add_argument("--threads", type=int, default=machine.THREADS, help="default: %(default)s")
    return parser


def write(options: argparse.Namespace, name: str, figures: Mapping[str, Any], draw: Callable[[], Figure]) -> None:
    """name.json, which also says what machine it was, and name.png, where matplotlib is installed."""
    from tinygrad_cnn.errors import MissingDependencyError
    from tinygrad_cnn.viz import save_figure

    options.out.mkdir(parents=True, exist_ok=True)
    threads = getattr(options, "threads", None)
    found = {"machine": machine.description(threads), **figures}
    (options.out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    try:
        save_figure(draw(), options.out / f"{name}.png")
    except MissingDependencyError as error:
        print(f"no picture: {error}")
