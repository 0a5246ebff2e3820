"""The distribution function of the normal distribution, by way of the error function that NumPy does not have.

    P(x) = erfc(-x / sqrt 2) / 2,  where erfc(z) = 1 - erf(z) and erf(z) = 2 / sqrt(pi) * integral of e^(-t^2), 0 to z

For z >= 0, by W. J. Cody's rational approximations, whose errors are below 1e-18 before rounding:

    erfc(z) = 1 - z R1(z^2)                                         z <= 0.46875
    erfc(z) = e^(-z^2) R2(z)                                        0.46875 < z <= 4
    erfc(z) = e^(-z^2) / z (1 / sqrt(pi) - R3(1 / z^2) / z^2)       4 < z

P is taken from erfc, not from erf, as 1 + erf would lose its digits where P is small.

Source: W. J. Cody 1969, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23; the
coefficients as in his program CALERF (SPECFUN, 1990).
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ratio: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]  # numerator and denominator, highest power first

BLOCK = 1 << 14  # elements taken at once, so that every step of a polynomial finds them in the cache
SMALL, LARGE, ZERO = 0.46875, 4.0, 30.0  # erfc(30) is 0 in float64

_R1: Ratio = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
MIDDLE: Ratio = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1),
        *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
        1.23033935479799725e3,
    ),
    (
        *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
        *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
    ),
)
_R3: Ratio = (
    (
        *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1),
        *(1.60837851487422766e-2, 6.58749161529837803e-4),
    ),
    (
        *(1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1),
        *(6.05183413124413191e-2, 2.33520497626869185e-3),
    ),
)


def normal_cdf(x: NDArray[Any]) -> NDArray[Any]:
    """P(x), the probability that a standard normal variable is below x, for each element. Dtype: that of x.

    Example:
        >>> normal_cdf(np.array([0.0, -1.0, np.inf])).round(6).tolist()
        [0.5, 0.158655, 1.0]
    """
    flat = x.reshape(-1)
    y = np.empty_like(flat)
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK]
        tail = _erfc(np.abs(block) * math.sqrt(0.5)) * 0.5
        y[start : start + BLOCK] = np.where(block < 0, tail, 1 - tail)
    return y.reshape(x.shape)


def _erfc(z: NDArray[Any]) -> NDArray[Any]:
    """erfc of z >= 0."""
    z = np.minimum(z, ZERO)
    squares = z * z
    gauss = np.exp(-squares)
    y: NDArray[Any] = gauss * _value(MIDDLE, z)
    if z.dtype == np.float32:  # outside its interval R2 is still right to 5e-12, as far as float32 does not underflow
        return y
    y = np.where(z <= SMALL, 1 - z * _value(_R1, squares), y)
    far = z > LARGE
    if far.any():
        inverse = 1 / squares[far]
        y[far] = gauss[far] / z[far] * (1 / math.sqrt(math.pi) - inverse * _value(_R3, inverse))
    return y


def _value(ratio: Ratio, x: NDArray[Any]) -> NDArray[Any]:
    """The quotient of two polynomials at x, each by Horner's rule."""
    top, bottom = (_polynomial(coefficients, x) for coefficients in ratio)
    top /= bottom
    return top


def _polynomial(coefficients: tuple[float, ...], x: NDArray[Any]) -> NDArray[Any]:
    value: NDArray[Any] = x * coefficients[0]
    for coefficient in coefficients[1:-1]:
        value += coefficient
        value *= x
    value += coefficients[-1]
    return value
