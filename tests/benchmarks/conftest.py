"""What all tests of benchmarks share: measuring without delay, and frameworks that are missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import rounds

Without = Callable[..., None]


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel is compiled, no round waits, or is repeated because other programs run."""
    monkeypatch.setenv("TINYGRAD_CNN_KERNELS", "numpy")
    monkeypatch.setattr(rounds, "PAUSE", 0)
    monkeypatch.setattr(rounds, "QUIET", 99.0)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Without:
    """Hides packages from the processes that start from now on, whether they are installed or not."""

    def hide(*modules: str) -> None:
        folder = tmp_path_factory.mktemp("hidden")
        for module in modules:
            Path(folder, f"{module}.py").write_text("raise ImportError('hidden')\n", "utf-8")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))

    return hide
