"""Experiments: each asks one question of convolutional networks, and answers it with a table, a picture and a claim."""

from __future__ import annotations
