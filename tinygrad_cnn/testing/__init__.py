"""Gradient checks: what a backward rule says against what finite differences find."""

from __future__ import annotations

import importlib
from typing import Any

from tinygrad_cnn.testing.gradient_checks import check_grad, check_op, gradient_report
from tinygrad_cnn.testing.module_checks import check_module
from tinygrad_cnn.testing.reports import Finding, GradientMismatch, GradientReport


def __getattr__(name: str) -> Any:
    if name in ("specifications", "strategies"):  # they need Hypothesis, which the checks do not
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Finding", "GradientMismatch", "GradientReport", "check_grad", "check_module", "check_op", "gradient_report"]
