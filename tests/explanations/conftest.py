"""The kernels that `explain` shows are those that its tests compare with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tinygrad_cnn import kernels


@pytest.fixture(autouse=True)
def numpy_kernels() -> Iterator[None]:
    with kernels.use("numpy"):
        yield
