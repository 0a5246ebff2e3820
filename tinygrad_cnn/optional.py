"""Packages that only some features need: imported where they are used, and named where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from tinygrad_cnn.errors import MissingDependencyError


def require(module: str, *, feature: str, extra: str) -> Any:
    """The module, imported now.

    Raises: MissingDependencyError that names the feature and the extra to install.

    Example:
        >>> require("math", feature="rounding", extra="all").floor(2.5)
        2
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{feature} needs {package}, which is not installed: pip install 'tinygrad_cnn[{extra}]'"
        ) from error
