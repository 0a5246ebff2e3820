"""Points in the plane of two classes that no straight line divides: moons, rings and spirals, made by NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.data import ImageData

Points = NDArray[np.float64]
NAMES = ("class 0", "class 1")


def moons(angles: Points) -> tuple[Points, Points]:
    """Two half circles, each with one end inside the other; angles in [0, 1] -> (N, 2) of either class."""
    bow = np.stack([np.cos(np.pi * angles), np.sin(np.pi * angles)], axis=1)
    return bow - [0.5, 0.25], [0.5, 0.25] - bow


def rings(angles: Points) -> tuple[Points, Points]:
    """A circle within another of twice its radius."""
    circle = np.stack([np.cos(2 * np.pi * angles), np.sin(2 * np.pi * angles)], axis=1)
    return 0.5 * circle, circle


def spirals(angles: Points) -> tuple[Points, Points]:
    """Two arms that go once and a half around the origin, one the other's reflection in it."""
    turn = 3 * np.pi * np.sqrt(angles)  # the square root spreads the points evenly along the arm
    arm = np.stack([turn * np.cos(turn), turn * np.sin(turn)], axis=1) / (3 * np.pi)
    return arm, -arm


def draw(shape: Callable[[Points], tuple[Points, Points]], seed: int, noise: float, train: int = 400) -> ImageData:
    """So many points to train on, and 1,000 to test on, half of either class, each moved by normal noise.

    As all else here learns from images, each point is one: a single pixel with the two channels x1 and x2.
    """
    generator = np.random.default_rng([seed, 2])
    parts = []
    for count in (train, 1_000):
        pair = np.concatenate(shape(generator.random(count // 2)))
        points = (pair + generator.normal(0.0, noise, pair.shape)).astype(np.float32)
        parts += [points.reshape(-1, 2, 1, 1), np.repeat([0, 1], count // 2)]
    return ImageData(shape.__name__, NAMES, *parts)
