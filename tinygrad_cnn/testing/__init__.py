"""Gradient checks: what a backward rule says against what finite differences find."""

from __future__ import annotations

from tinygrad_cnn.testing.gradient_checks import check_grad, check_op, gradient_report
from tinygrad_cnn.testing.module_checks import check_module
from tinygrad_cnn.testing.reports import Finding, GradientMismatch, GradientReport

__all__ = ["Finding", "GradientMismatch", "GradientReport", "check_grad", "check_module", "check_op", "gradient_report"]
