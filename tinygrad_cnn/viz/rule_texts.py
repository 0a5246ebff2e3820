"""The source of backward rules, as it stands in their files."""

from __future__ import annotations

import functools
import inspect
import linecache
import textwrap
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HOUSE = Path(__file__).parents[2]
_MOST = 24  # lines


@functools.lru_cache(512)
def rule_text(primitive: Any) -> str:
    """The rules of a primitive, each behind the name of the input that it is for, with file and line.

    Example:
        >>> from tinygrad_cnn.ops.functions import _exp
        >>> "g * y" in rule_text(_exp), "tinygrad_cnn/ops/functions.py" in rule_text(_exp)
        (True, True)
    """
    if primitive.joint_rule is not None:
        rules = {", ".join(primitive.differentiable): primitive.joint_rule}
    else:
        rules = {name: primitive.rules[name] for name in primitive.differentiable}
    return "\n".join(f"{name}: {_source(rule)}" for name, rule in rules.items())


def _source(rule: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(rule), "__code__", None)
    if code is None:  # a primitive, a partial function
        return str(getattr(rule, "__name__", type(rule).__name__))
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    if not lines:  # typed into an interpreter
        return str(code.co_name)
    try:
        block = inspect.getblock(lines)[:_MOST]
    except (SyntaxError, tokenize.TokenError):
        block = lines[:1]
    return f"{textwrap.dedent(''.join(block)).strip()}  # {_place(code.co_filename)}:{code.co_firstlineno}"


def _place(file: str) -> str:
    path = Path(file)
    return path.relative_to(_HOUSE).as_posix() if path.is_relative_to(_HOUSE / "tinygrad_cnn") else path.name
