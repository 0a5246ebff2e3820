"""The lines of the package's own source that compute an operation, found by `inspect`, never copied by hand."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tinygrad_cnn.errors
from tinygrad_cnn.explanations.blocks import Code

_ROOT = Path(tinygrad_cnn.errors.__file__).parent.parent


def source_of(function: Callable[..., Any]) -> Code:
    """A function, a primitive or a rule as it stands in its file, without its docstring."""
    plain = inspect.unwrap(function)
    lines, start = inspect.getsourcelines(plain)
    source = textwrap.dedent("".join(lines)).rstrip()
    path = Path(inspect.getsourcefile(plain) or "")
    place = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path
    return Code(f"{place.as_posix()}:{start}", _without_docstring(source))


def _without_docstring(source: str) -> str:
    try:
        function = ast.parse(source).body[0]
    except SyntaxError:  # a rule inside its defvjp(...)
        return source
    if not isinstance(function, ast.FunctionDef) or ast.get_docstring(function) is None:
        return source
    docstring = function.body[0]
    lines = source.splitlines()
    return "\n".join(lines[: docstring.lineno - 1] + lines[docstring.end_lineno or docstring.lineno :])
