"""The page of all experiments: question, picture, numbers, claims, and the command that made them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from examples.experiments import PICTURES, Result

# From learning at all over what a CNN is made of to what else can be asked of a network.
EXPERIMENTS = (
    "mnist_cnn",
    "cnn_vs_mlp",
    "edge_filters",
    "filters",
    "padding_stride",
    "feature_maps",
    "pooling",
    "shift_robustness",
    "pixel_permutation",
    "parameter_count",
    "depth_width",
    "activations",
    "initialisation",
    "dropout",
    "batch_norm",
    "optimizers",
    "residual",
    "custom_op",
    "saliency",
    "adversarial",
    "gradient_penalty",
)
SECTIONS = ("Set-up", "Look for", "Claim", "Run it")  # the paragraphs of each script's docstring, after the question

_HEAD = """\
# Experiments

Each script asks one question, answers it with a table and a picture, and holds its answer against a claim: an
inequality that fails the run where it does not hold. `python -m examples` runs them all on the 8x8 digits, with
`--data mnist --data-dir DIR` on MNIST, and writes a page like this, with what it needs, to `runs/examples/README.md`
(`--out DIR`: elsewhere). The first two scripts to read are [custom_model.py]({scripts}custom_model.py), a model of your
own in ten lines, and [figures.py]({scripts}figures.py), every figure that `viz` draws.

What the accuracies mean: of MNIST the networks learn from 9,000 images, unless a set-up names fewer, and are tested on
1,000 others, both from the file of 60,000 training images; the 8x8 digits are 1,437 and 360. Small networks that learn
from so few, often for some hundred updates only, read fewer digits than MNIST allows; what counts is how they differ.
"""


def page(results: Sequence[Result], scripts: str = "") -> str:
    """The gallery as Markdown; scripts: where the scripts lie, seen from it, ending in "/" unless it is beside them."""
    contents = "\n".join(f"- [{question(result.doc)}](#{result.name}) `{result.name}`" for result in results)
    entries = [entry(result, scripts) for result in results]
    return "\n".join([_HEAD.format(scripts=scripts), contents, "", *entries])


def entry(result: Result, scripts: str = "") -> str:
    """What the gallery says of one experiment."""
    parts = sections(result.doc)
    seconds = round(result.seconds)
    data = " --data mnist --data-dir DIR" if result.data == "mnist" else ""
    lines = [
        f'<a id="{result.name}"></a>',
        f"## {question(result.doc)}",
        f"**Set-up:** {parts['Set-up']}",
        f"**Look for:** {parts['Look for']}",
        f"![{question(result.doc)}]({PICTURES}/{result.name}.png)",
        *([f"![The computation graph]({PICTURES}/{result.name}.svg)"] if result.graph else []),
        *result.tables,
        "\n".join(f"- {claim}" for claim in result.claims),
        f"`python -m examples.{result.name}{data}` · [source]({scripts}{result.name}.py) · {result.seeds} seeds · "
        f"{seconds} second{'s' * (seconds != 1)}",
    ]
    return "\n\n".join(lines) + "\n"


def question(doc: str) -> str:
    """The first line of the docstring."""
    return doc.strip().partition("\n")[0]


def sections(doc: str) -> dict[str, str]:
    """The paragraphs of the docstring that begin with one of the `SECTIONS`, by name, each in one line.

    Raises: ValueError naming what is missing.
    """
    paragraphs = {}
    for paragraph in re.split(r"\n\s*\n", doc.strip()):
        name, colon, text = paragraph.partition(":")
        if colon and name in SECTIONS:
            paragraphs[name] = " ".join(text.split())
    missing = [name for name in SECTIONS if name not in paragraphs]
    if missing:
        raise ValueError(f"{question(doc)!r} has no paragraph {', '.join(missing)}")
    return paragraphs
