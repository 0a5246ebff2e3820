"""`tinygrad-cnn explain`: the derivation of a backward rule, on the terminal."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from tinygrad_cnn.errors import ArgumentError

_EXAMPLES = """examples:
  tinygrad-cnn explain conv2d --kernel 3 --stride 2 --padding 1 --size 5
  tinygrad-cnn explain max_pool2d --lang ja
  tinygrad-cnn explain batch_norm --latex > batch_norm.tex

operations: conv2d max_pool2d avg_pool2d linear matmul relu sigmoid tanh softmax cross_entropy batch_norm dropout
"""
_GEOMETRY = {
    "conv2d": ("size", "kernel", "stride", "padding", "dilation"),
    "max_pool2d": ("size", "kernel", "stride", "padding", "dilation"),
    "avg_pool2d": ("size", "kernel", "stride", "padding"),
}


def declare_explain(commands: Any) -> None:
    """Add the command `explain` to the subparsers."""
    parser = commands.add_parser(
        "explain",
        help="derive the backward rule of an operation, with numbers",
        description="Derive the backward rule of an operation: its formulas, the code that runs, one element of the "
        "output and one of the input with every term written out, and the finite difference beside the analytic value.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("operation", metavar="OP", help="its name, such as conv2d")
    example = parser.add_argument_group("example, for conv2d, max_pool2d and avg_pool2d")
    example.add_argument("--size", type=int, metavar="N", help="pixels along each side of the image (default: 5)")
    example.add_argument("--kernel", type=int, metavar="N", help="pixels along each side of a window (default: 3 or 2)")
    example.add_argument("--stride", type=int, metavar="N", help="pixels (default: 1; when pooling, the kernel)")
    example.add_argument("--padding", type=_padding, metavar="N|same", help="pixels around the image (default: 0)")
    example.add_argument(
        "--dilation", type=int, metavar="N", help="pixels between taps, not for avg_pool2d (default: 1)"
    )
    parser.add_argument("--lang", default="en", metavar="en|ja", help="English or Japanese (default: en)")
    parser.add_argument("--latex", action="store_true", help="write LaTeX, the body of a document that loads amsmath")
    parser.set_defaults(run=run_explain)


def run_explain(options: argparse.Namespace) -> None:
    """Write the explanation of a small example."""
    from tinygrad_cnn.explanations.derivations import explain

    explanation = explain(options.operation, lang=options.lang, **_arguments(options))
    text = explanation.latex() if options.latex else explanation.text
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError as error:
        sign = error.object[error.start]
        raise ArgumentError(
            f"explain: the output's encoding, {error.encoding}, has no {sign!a}; set PYTHONIOENCODING=utf-8"
        ) from None


def _arguments(options: argparse.Namespace) -> dict[str, Any]:
    """What `explain` is called with: an image and filters of the sizes asked for."""
    from tinygrad_cnn.explanations import samples

    names = ("size", "kernel", "stride", "padding", "dilation")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    for name in given:
        takers = [operation for operation, taken in _GEOMETRY.items() if name in taken]
        if options.operation not in takers:
            raise ArgumentError(f"argument --{name}: goes with {', '.join(takers)}, not with {options.operation}")
    size, kernel = given.pop("size", samples.IMAGE_SIZE), given.pop("kernel", None)
    for name, value in (("size", size), ("kernel", kernel)):
        if value is not None and value < 1:
            raise ArgumentError(f"argument --{name}: must be at least 1, got {value}")
    if options.operation == "conv2d":
        given |= {"input": samples.image(size), "weight": samples.filters(kernel or samples.KERNEL_SIZE)}
        given["bias"] = samples.bias()
    elif options.operation in _GEOMETRY:
        given |= {"input": samples.image(size), "kernel_size": kernel or samples.POOL_SIZE}
    return given


def _padding(text: str) -> int | str:
    return text if text == "same" else int(text)
