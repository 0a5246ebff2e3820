"""`tinygrad-cnn warm-up`: compile the kernels ahead of the first run."""

from __future__ import annotations

import argparse
import importlib
import sys
from time import perf_counter
from typing import Any

from tinygrad_cnn import kernels


def declare_warm_up(commands: Any) -> None:
    """Add the command `warm-up` to the subparsers."""
    parser = commands.add_parser(
        "warm-up",
        help="compile the fast kernels ahead of the first run",
        description="""\
Compile the fast kernels for float32 and float64, and keep them on disk. Without it each is compiled when it is first
called, so that the first training step on a machine takes as long as this command, and the others do not. Numba keeps
compiled code beside the package, or where NUMBA_CACHE_DIR says.""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run_warm_up)


def run_warm_up(_: argparse.Namespace) -> None:
    """Make a small call of every kernel, which compiles what is not on disk yet; then tell what runs, and where."""
    start = perf_counter()
    with kernels.use("jit", winograd=True):
        warming = importlib.import_module("tinygrad_cnn.kernels.jit.warming")
        calls = warming.calls()
        for number, (name, call) in enumerate(calls.items(), start=1):
            _show(f"{number} of {len(calls)}: {name}")
            call()
        _show("")
    compilation = importlib.import_module("tinygrad_cnn.kernels.jit.compilation")
    folder = compilation.cache_folder()
    where = f"kept in {folder}" if folder else "not kept: no folder may be written to, set NUMBA_CACHE_DIR to one"
    count = len(compilation.FUNCTIONS)
    sys.stdout.write(f"{kernels.info()}\n{count} functions in {perf_counter() - start:.1f} s, {where}\n")


def _show(text: str) -> None:
    """The text, in place of what stood in the line before, where somebody watches."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
