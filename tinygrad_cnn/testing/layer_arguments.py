"""Hypothesis strategies for the arguments of activations, normalisations and losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_cnn.kernels import Layout
from tinygrad_cnn.testing.strategies import arrays, shapes


@st.composite
def normalisations(draw: Any) -> tuple[Any, ...]:
    """Arguments of the one normalisation, laid out as each of its uses does: x, w, b, the layout, eps."""
    N, C, P = draw(st.integers(2, 3)), draw(st.integers(1, 3)), draw(st.integers(2, 4))
    layout, parameters = draw(
        st.sampled_from(
            [
                (Layout((N, C, P), (0, 2), (1, C, 1)), (C,)),  # batch norm
                (Layout((N, C), (0,), (1, C)), (C,)),
                (Layout((N, C * P), (1,), (1, C * P)), (C, P)),  # layer norm
                (Layout((N, C, 2, P), (2, 3), (1, C, 2, 1)), (2 * C,)),  # group norm
                (Layout((N, C, P), (2,), (1, C, 1)), (C,)),  # instance norm
            ]
        )
    )
    w = draw(st.one_of(st.none(), arrays(parameters)))
    b = draw(st.one_of(st.none(), arrays(parameters)))
    return draw(arrays(layout.view)), w, b, layout, 0.1


@st.composite
def scores(draw: Any, soft: bool = False) -> tuple[Any, Any]:
    """Scores (N, C, ...) and the targets of `cross_entropy`: class numbers, or (soft) a share for each class."""
    batch, classes, pixels = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(shapes(0, 2))
    x = draw(arrays((batch, classes, *pixels)))
    if soft:
        return x, draw(arrays(x.shape, values="positive"))
    return x, np.random.default_rng(draw(st.integers(0, 99))).integers(0, classes, (batch, *pixels))


@st.composite
def probabilities(draw: Any) -> tuple[Any, Any]:
    """Two arrays of one shape, between 0 and 1 and not too near to either."""
    shape = draw(shapes())
    x, t = (np.asarray(draw(arrays(shape, values="positive")) / 2.5) for _ in range(2))
    return x, t
