"""e^x, lane by lane, of a vector.

    e^x = 2^n e^r        n = x / log 2, rounded        r = x - n log 2, at most log(2) / 2 either way

e^r is as much of its Taylor series as shows in the last digit. n is rounded by the addition of a number so large that
its last digit counts ones. A number is made 2^n by its exponent's bits; in two halves, because for the smallest and the
largest results n is more than one exponent holds.

Source: Cody & Waite 1980, "Software manual for the elementary functions", chapter 6.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic


class _Format(NamedTuple):
    """What a format of floating-point numbers asks for."""

    bits: int
    digits: int  # of the mantissa
    terms: int  # of the series
    least: float  # beyond these, e^x is 0 or infinite
    most: float
    log2: tuple[float, float]  # a sum: the first with so few digits that n times it is exact


_FORMATS = {
    "float": _Format(32, 23, 8, -104.0, 89.0, (0.693359375, -2.12194440054690583e-4)),
    "double": _Format(64, 52, 14, -746.0, 710.0, (6.93147180369123816490e-1, 1.90821492927058770002e-10)),
}


def _exponential(typing: Any, x: Any, minus: int) -> Any:
    """e^x - minus, which is 0 or 1; NaN of NaN."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        form = _FORMATS[str(x.type.element)]
        integers = ir.VectorType(ir.IntType(form.bits), x.type.count)
        name = f"llvm.fma.v{x.type.count}f{form.bits}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(x.type, [x.type] * 3), name)

        def number(value: float) -> ir.Constant:
            return ir.Constant(x.type, [value] * x.type.count)

        def whole(value: int) -> ir.Constant:
            return ir.Constant(integers, [value] * x.type.count)

        def power_of_2(exponent: Any) -> Any:
            bias = (1 << form.bits - form.digits - 2) - 1
            return builder.bitcast(builder.shl(builder.add(exponent, whole(bias)), whole(form.digits)), x.type)

        least = number(-(form.digits + 2) * math.log(2) if minus else form.least)  # there, e^x - 1 is -1 already
        x = builder.select(builder.fcmp_ordered("<", x, least), least, x)
        x = builder.select(builder.fcmp_ordered(">", x, number(form.most)), number(form.most), x)
        rounding = number(1.5 * 2**form.digits)
        rounded = builder.call(fma, [x, number(1 / math.log(2)), rounding])
        n = builder.fsub(rounded, rounding)
        power = builder.sub(builder.bitcast(rounded, integers), builder.bitcast(rounding, integers))
        r = x
        for part in form.log2:
            r = builder.call(fma, [n, number(-part), r])
        e = number(1 / math.factorial(form.terms - 1))
        for k in reversed(range(1, form.terms - 1)):
            e = builder.call(fma, [e, r, number(1 / math.factorial(k))])
        if minus:  # 2^n (e^r - 1) + (2^n - 1): near 0, where n = 0, no digit of the series is lost
            whole_power = power_of_2(power)
            return builder.call(fma, [builder.fmul(e, r), whole_power, builder.fsub(whole_power, number(1))])
        e = builder.call(fma, [e, r, number(1)])
        half = builder.ashr(power, whole(1))
        return builder.fmul(builder.fmul(e, power_of_2(half)), power_of_2(builder.sub(power, half)))

    return x(x), generate


@intrinsic
def exp(typing: Any, x: Any) -> Any:
    """e^x; NaN of NaN."""
    return _exponential(typing, x, 0)


@intrinsic
def expm1(typing: Any, x: Any) -> Any:
    """e^x - 1, for x up to the logarithm of half of the largest number; NaN of NaN."""
    return _exponential(typing, x, 1)
