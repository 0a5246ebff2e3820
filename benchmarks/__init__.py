"""Benchmarks: speed, and the gradient checks against other checkers."""

from __future__ import annotations
