"""The command line: `tinygrad-cnn COMMAND`.

Each command declares its options and the function that runs it. Whatever is wrong with the input is said in one line on
stderr, with exit status 2; a fault of the program keeps its traceback.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from tinygrad_cnn import __version__
from tinygrad_cnn.errors import ArgumentError, TinygradCnnError
from tinygrad_cnn.explanations.command import declare_explain
from tinygrad_cnn.kernels.command import declare_warm_up
from tinygrad_cnn.testing.command import declare_check
from tinygrad_cnn.train.command import declare_train
from tinygrad_cnn.train.summary_command import declare_summary

_PROGRAM = "tinygrad-cnn"
_BAD_INPUT = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, by default what this process was called with, and return the exit status."""
    try:
        options = _parser().parse_args(argv)
        status: int | None = options.run(options)
    except KeyboardInterrupt:
        return _stop("interrupted, no file was written", _INTERRUPTED)
    except (TinygradCnnError, OSError, MemoryError) as error:
        return _stop(f"error: {_in_one_line(error)}", _BAD_INPUT)
    return status or 0


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints reach `main` like any other error, without a usage block."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    about = "Convolutional networks that you can read, verify and see, on NumPy."
    parser = _Parser(prog=_PROGRAM, description=about, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{_PROGRAM} {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    declare_train(commands)
    declare_summary(commands)
    declare_check(commands)
    declare_explain(commands)
    declare_warm_up(commands)
    return parser


def _stop(message: str, status: int) -> int:
    sys.stderr.write(f"{_PROGRAM}: {message}\n")
    return status


def _in_one_line(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split())
