"""What pytest gains where tinygrad_cnn is installed: the fixture `check_gradients`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="session")
def check_gradients() -> Callable[..., Any]:
    """`testing.check_grad`, without an import: `check_gradients(f, [x, w], order=2)`; a mismatch fails the test."""
    from tinygrad_cnn.testing import check_grad  # not before a test asks: pytest starts as fast as without us

    return check_grad
