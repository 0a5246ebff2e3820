"""Derivations: how the backward rule of an operation follows from its definition, in English and in Japanese."""

from __future__ import annotations

from tinygrad_cnn.explanations.derivations import Explanation, explain

__all__ = ["Explanation", "explain"]
