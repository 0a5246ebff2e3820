"""Where the time goes: what every operation and every module of a block of code took, moved and allocated."""

from __future__ import annotations

from tinygrad_cnn.ops.costs import Cost
from tinygrad_cnn.profiling.profiles import Profile, profile
from tinygrad_cnn.profiling.rows import Row

__all__ = ["Cost", "Profile", "Row", "profile"]
