"""The plain description of a computation that every drawing of it is made from: DOT text and the interactive page.

It is made of dicts, lists, texts and finite numbers only, so `json.dumps` writes it as it is. Nodes stand in the order
in which they ran, each after whatever it uses; a module stands after the one that called it. An id depends on where in
the model a node stands and on what it is, not on how many came before elsewhere, so two descriptions differ only where
the computations do.

A module that is called twice is listed twice, with "#2" after its second path. Paths begin with the class of the
outermost module, `Net.features.0`; nodes outside all modules have the path "".
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

Kind: TypeAlias = Literal["input", "parameter", "constant", "operation", "output", "module"]
Health: TypeAlias = Literal["healthy", "vanishing", "exploding", "zero", "nan"]


class Histogram(TypedDict):
    """How many of the finite values lie in each of the equally wide bins between `low` and `high`."""

    low: float
    high: float
    counts: list[int]


class Statistics(TypedDict):
    """Of the finite values of an array; None where there are none."""

    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    not_finite: int  # NaN and infinite values
    histogram: Histogram | None


class Gradient(TypedDict):
    """dJ/dy, where y is the node's result, or what one edge contributes to it."""

    norm: float | None  # Euclidean; None where it is not finite
    health: Health
    norm_to: NotRequired[float]  # of folded blocks: `norm` is the smallest of theirs, this the largest
    statistics: NotRequired[Statistics]


class Node(TypedDict):
    """A box: what goes in, what is done, what comes out."""

    id: str
    label: str  # the operation, or the name of a parameter, an input, an output; "0: Conv2d" of a collapsed module
    kind: Kind  # "module" only in a drawing, for a module that is drawn as one box
    module: str  # path of the innermost module around it, or ""
    shape: list[int] | None  # of the result; None for an output, which repeats what it is given, and for several
    dtype: str
    parameters: int  # how many numbers it learns; of an operation, those that go straight into it
    multiply_adds: int | None  # None where that is not known
    kept_bytes: int  # kept for the backward pass, not counting parameters and what an earlier node kept already
    notes: list[str]  # whatever else is written in the box, such as "b = 4"
    rule: str  # the source of the backward rules, with file and line; "" where there are none
    value: Statistics | None  # with statistics=True
    gradient: Gradient | None  # with backward=True


# `from` and `to` are ids. `argument` says which operand it is, `x` or `weight`; `shown` whether a drawing must say so.
Edge = TypedDict(
    "Edge",
    {
        "from": str,
        "to": str,
        "shape": list[int],
        "argument": str,
        "shown": bool,
        "gradient": Gradient | None,  # what flows back along it, with backward=True
    },
)


class ModuleEntry(TypedDict):
    """A frame: one call of a module, and what it costs with everything in it."""

    path: str
    parent: str  # path of the module that called it, or ""
    kind: str  # the class
    label: str  # "0: Conv2d": the name in its parent, and the class
    options: str  # "1, 4, kernel_size=(3, 3)": the module's own words
    parameters: int  # each counted once
    multiply_adds: int
    kept_bytes: int
    collapsed: bool  # drawn as one box at first: deeper than `depth`, or a layer of this package in several operations
    copies: int  # how many equal neighbours, this one included, stand one after another from this one on; 1 for none
    copy_of: str  # path of the first of them, for those after it; "" otherwise


class Description(TypedDict):
    """All there is to draw."""

    title: str
    nodes: list[Node]
    edges: list[Edge]
    modules: list[ModuleEntry]
