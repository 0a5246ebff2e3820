"""The table of specifications, run: row by row, for some or all primitives, and for a user's own."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import Parameter
from time import perf_counter
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygrad_cnn.core.primitives import Primitive
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.testing.reports import GradientMismatch
from tinygrad_cnn.testing.specifications import TABLE, Specification
from tinygrad_cnn.testing.strategies import Array, shapes


@dataclass(slots=True)
class RowResult:
    """What checking one primitive gave. mismatch: the smallest example on which a rule is wrong, or None."""

    name: str
    order: int
    cases: int = 0
    comparisons: int = 0
    kinks: int = 0
    seconds: float = 0.0
    mismatch: GradientMismatch | None = None


def check_table(names: Sequence[str] = (), *, order: int = 2, examples: int = 20, seed: int = 0) -> Iterator[RowResult]:
    """Check primitives by name, or all of the table, on `examples` drawn inputs each.

    names: of the package's primitives (`conv2d`), or of a user's primitive or Specification (`package.module:name`).
    Inputs of a user's primitive are arrays of one common shape, one for each parameter without a default.

    Raises: ArgumentError for a name that is not to be found.
    """
    rows = [_row(name) for name in names] if names else [row for row in TABLE if not row.constant]
    for row in rows:
        yield check_row(row, order=order, examples=examples, seed=seed)


def check_row(row: Specification, *, order: int = 2, examples: int = 20, seed: int = 0) -> RowResult:
    """Check one row on `examples` inputs; where a rule is wrong, on ever smaller ones while these show it."""
    result = RowResult(row.name, order)

    @hypothesis.seed(seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(row.arguments)
    def run(arguments: tuple[Any, ...]) -> None:
        report = row.check(arguments, order=order, seed=seed)
        result.cases += 1
        result.comparisons += report.checked
        result.kinks += report.counts["kink-ok"]

    start = perf_counter()
    try:
        run()
    except GradientMismatch as mismatch:
        mismatch.report.line = ""  # the call came from here, not from a line of the user's
        result.mismatch = mismatch
    result.seconds = perf_counter() - start
    return result


def _row(name: str) -> Specification:
    if ":" in name:
        return _users_row(name)
    for row in TABLE:
        if row.name == name:
            if row.constant:
                raise ArgumentError(f"check: {name} has no rule to check ({row.constant})")
            return row
    known = sorted(row.name for row in TABLE if not row.constant)
    similar = get_close_matches(name, known, n=3, cutoff=0.5)
    there_are = f"did you mean {' or '.join(similar)}?" if similar else f"there are {', '.join(known)}."
    raise ArgumentError(f"check: no primitive is called {name}; {there_are} Yours are named package.module:name")


def _users_row(name: str) -> Specification:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ArgumentError(f"check: cannot import {module_name} ({error})") from error
    subject = getattr(module, attribute, None)
    if isinstance(subject, Specification):
        return subject
    if isinstance(subject, Primitive):
        if not subject.differentiable:
            raise ArgumentError(f"check: {name} has no rule yet; add one with {attribute}.defvjp(...)")
        return Specification(subject, _common_shape(sum(default is Parameter.empty for default in subject.defaults)))
    found = "nothing" if subject is None else type(subject).__name__
    raise ArgumentError(f"check: {name} must be a primitive or a Specification, found {found}")


@st.composite
def _common_shape(draw: Any, count: int) -> tuple[Array, ...]:
    shape = draw(shapes(1, 3, min_side=2))  # a single element would show no pattern
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return tuple(generator.uniform(0.3, 1.7, shape) * generator.choice([-1.0, 1.0], shape) for _ in range(count))
