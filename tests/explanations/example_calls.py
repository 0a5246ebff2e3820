"""Calls of `explain` that the tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.explanations.derivations import OPERATIONS

RNG = np.random.default_rng(5)


def arguments() -> list[Any]:
    """Every operation with its small example, and with arguments that leave nothing at its default."""
    image = RNG.integers(-4, 5, (2, 4, 6, 7)).astype(np.float32)
    filters = RNG.standard_normal((2, 2, 3, 2)).astype(np.float32)
    cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [(name, (), {}) for name in OPERATIONS]
    cases += [
        ("conv2d", (image, filters, np.ones(2)), {"stride": 2, "padding": (1, 2), "dilation": (2, 1), "groups": 2}),
        ("conv2d", (tg.Tensor(image[0, :2]), tg.Tensor(filters)), {"padding": "same"}),
        ("conv2d", (np.ones((1, 1, 20, 20)), np.ones((1, 1, 7, 7))), {"stride": 3}),
        ("max_pool2d", (image, (3, 2)), {"stride": (1, 2), "padding": 1, "ceil_mode": True}),
        ("max_pool2d", (image, 2), {"dilation": 2}),
        ("avg_pool2d", (image, (3, 2)), {"stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
        ("avg_pool2d", (image, 3), {"divisor_override": 5}),
        ("linear", (RNG.standard_normal((2, 3, 4)), RNG.standard_normal((5, 4))), {}),
        ("matmul", (RNG.standard_normal((4, 3)), RNG.standard_normal((3, 2))), {}),
        ("relu", (-np.ones((2, 2)),), {}),
        ("sigmoid", (np.array([-800.0]),), {}),
        ("softmax", (np.array([900.0, 0.0, 901.0]),), {}),
        ("softmax", (RNG.standard_normal((3, 4)),), {"dim": 0}),
        ("cross_entropy", (RNG.standard_normal((5, 3)), np.array([0, 2, 1, 1, 0])), {}),
        ("batch_norm", (image, np.array([1.0, 2, 3, 4]), np.zeros(4)), {"eps": 0.1}),
        ("dropout", (np.arange(1, 9),), {"p": 0.25}),
    ]
    return [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(cases)]


CASES = arguments()
