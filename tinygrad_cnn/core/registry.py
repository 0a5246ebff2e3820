"""The operations that Tensor's operators and methods find by name.

`core` knows no operation: `ops` registers its own here, once, at import. A user's primitive never enters, so nobody
replaces `Tensor.__mul__` by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OPS: dict[str, Callable[..., Any]] = {}


def register(*functions: Callable[..., Any], **named: Callable[..., Any]) -> None:
    """Make each function the operation of its own name (or of the keyword's)."""
    OPS.update({function.__name__: function for function in functions})
    OPS.update(named)
