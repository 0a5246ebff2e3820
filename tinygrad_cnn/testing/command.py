"""`tinygrad-cnn check`: the backward rules, those of the package and those of a user, against differences."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tinygrad_cnn.errors import ArgumentError

_EXAMPLES = """examples:
  tinygrad-cnn check                          every primitive, to second order
  tinygrad-cnn check conv2d max_pool2d --examples 200
  tinygrad-cnn check mypackage.ops:swish      a primitive of your own
"""


def declare_check(commands: Any) -> None:
    """Add the command `check` to the subparsers."""
    parser = commands.add_parser(
        "check",
        help="check backward rules against finite differences",
        description="Check backward rules against finite differences, on inputs that Hypothesis draws.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("ops", nargs="*", metavar="OP", help="its name, or package.module:name (default: all)")
    parser.add_argument("--order", type=int, choices=(1, 2), default=2, help="order of derivative (default: 2)")
    parser.add_argument("--examples", type=int, default=20, metavar="N", help="inputs per primitive (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices (default: 0)")
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    if options.examples < 1:
        raise ArgumentError(f"--examples must be at least 1, got {options.examples}")
    from tinygrad_cnn.testing.table_checks import check_table  # it needs Hypothesis, which the command line does not

    sys.path.insert(0, str(Path.cwd()))  # `mypackage.ops:swish` lies where the user stands
    write = sys.stdout.write
    failed = []
    header = f"{'operation':<24}{'order':>6}{'cases':>7}{'comparisons':>13}{'at kinks':>10}{'seconds':>9}\n"
    for row in check_table(options.ops, order=options.order, examples=options.examples, seed=options.seed):
        write(header)
        header = ""
        numbers = f"{row.order:>6}{row.cases:>7}{row.comparisons:>13,}{row.kinks:>10,}{row.seconds:>9.2f}"
        write(f"{row.name:<24}{numbers}{'   WRONG' if row.mismatch else ''}\n")
        sys.stdout.flush()
        if row.mismatch:
            failed.append(row)
    for row in failed:
        write(f"\n{row.mismatch}\n")
    write(f"\n{len(failed)} wrong\n" if failed else "\nall rules agree with finite differences\n")
    return 1 if failed else 0
