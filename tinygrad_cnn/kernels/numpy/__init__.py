"""The kernels in plain NumPy: readable, always there, and the reference for every other backend."""

from __future__ import annotations
