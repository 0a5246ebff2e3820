"""The transforms of Winograd's convolution, each written once and for anything that adds, subtracts and scales.

Over a tile of numbers they are formulas on Python lists; over vectors of LLVM's, which do as numbers do, they are the
code that a compiled function runs on all channels of a tile: 36 lines of channels in, and as many or fewer out.

A line is the channels of one pixel, or of one of the 36 products. Where lines begin is a table of addresses: those of
pixels outside the image lead to a line of zeros, or to one that nobody reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.jit.vectors import HOST

LANES = HOST.lanes(4)  # float32

Row = list[Any]
Grid = list[Row]
Formula = Callable[..., Row]

# ---- the formulas, along one axis ------------------------------------------------------------------------------------

NEAR, FAR = 5 / 8, 3 / 2  # the points are 0, NEAR, -NEAR, FAR, -FAR and infinity
_N2, _F2 = NEAR**2, FAR**2
_AT_ZERO, _AT_NEAR, _AT_FAR = 1 / (_N2 * _F2), 1 / (2 * _N2 * (_N2 - _F2)), 1 / (2 * _F2 * (_F2 - _N2))


def data(d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any) -> Row:
    """B' d: 6 inputs -> 6."""
    even, odd = d4 - _F2 * d2, d3 - _F2 * d1
    even2, odd2 = d4 - _N2 * d2, d3 - _N2 * d1
    return [
        d4 - (_N2 + _F2) * d2 + (_N2 * _F2) * d0,
        *(even + NEAR * odd, even - NEAR * odd),
        *(even2 + FAR * odd2, even2 - FAR * odd2),
        d5 - (_N2 + _F2) * d3 + (_N2 * _F2) * d1,
    ]


def kernel(w0: Any, w1: Any, w2: Any) -> Row:
    """G w: 3 weights -> 6."""
    even, even2 = _AT_NEAR * (w0 + _N2 * w2), _AT_FAR * (w0 + _F2 * w2)
    near, far = _AT_NEAR * NEAR, _AT_FAR * FAR
    return [_AT_ZERO * w0, even + near * w1, even - near * w1, even2 + far * w1, even2 - far * w1, w2]


def outputs(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any) -> Row:
    """A' m: 6 products -> 4 outputs."""
    even, odd = m1 + m2, m1 - m2
    even2, odd2 = m3 + m4, m3 - m4
    return [
        m0 + even + even2,
        NEAR * odd + FAR * odd2,
        _N2 * even + _F2 * even2,
        m5 + NEAR**3 * odd + FAR**3 * odd2,
    ]


def outputs_grad(g0: Any, g1: Any, g2: Any, g3: Any) -> Row:
    """A g, the adjoint of `outputs`: 4 -> 6."""
    even, odd = g0 + _N2 * g2, g1 + _N2 * g3
    even2, odd2 = g0 + _F2 * g2, g1 + _F2 * g3
    return [g0, even + NEAR * odd, even - NEAR * odd, even2 + FAR * odd2, even2 - FAR * odd2, g3]


def kernel_grad(u0: Any, u1: Any, u2: Any, u3: Any, u4: Any, u5: Any) -> Row:
    """G' u, the adjoint of `kernel`: 6 -> 3."""
    even, odd = _AT_NEAR * (u1 + u2), _AT_NEAR * (u1 - u2)
    even2, odd2 = _AT_FAR * (u3 + u4), _AT_FAR * (u3 - u4)
    return [even + even2 + _AT_ZERO * u0, NEAR * odd + FAR * odd2, u5 + _N2 * even + _F2 * even2]


def both_axes(formula: Formula, grid: Grid) -> Grid:
    """The formula down every column of the grid, and then along every row."""
    columns = [formula(*column) for column in zip(*grid, strict=True)]
    return [formula(*row) for row in zip(*columns, strict=True)]


# ---- the formulas, compiled ------------------------------------------------------------------------------------------

_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
_FLOATS, _BYTES = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_I8, LANES)
_PLACE = types.CPointer(types.float32)
_TABLE = types.CPointer(types.intp)


class _Vector:
    """A register of float32 in code that is being written: adding two of them writes the instruction that adds."""

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: _Vector) -> _Vector:
        if isinstance(other, _Scaled):
            return self._plus(other.factor, other.vector)
        return _Vector(self.builder, self.builder.fadd(self.value, other.value))

    def __sub__(self, other: _Vector) -> _Vector:
        if isinstance(other, _Scaled):
            return self._plus(-other.factor, other.vector)
        return _Vector(self.builder, self.builder.fsub(self.value, other.value))

    def __rmul__(self, factor: float) -> _Vector:
        return _Scaled(self.builder, factor, self)

    def _plus(self, factor: float, vector: _Vector) -> _Vector:
        """One instruction, where LLVM would compute a product that is used twice by itself."""
        signature = ir.FunctionType(_FLOATS, [_FLOATS] * 3)
        fma = cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.fma.v{LANES}f32")
        return _Vector(self.builder, self.builder.call(fma, [_constant(factor), vector.value, self.value]))

    def at_least(self, floor: Any) -> _Vector:
        """The floor where this is lower; NaN stays NaN."""
        below = self.builder.fcmp_ordered("<", self.value, floor)
        return _Vector(self.builder, self.builder.select(below, floor, self.value))

    def beats(self, best: _Vector) -> Any:
        """A mask of where this is larger, or NaN."""
        larger = self.builder.fcmp_ordered(">", self.value, best.value)
        return self.builder.or_(larger, self.builder.fcmp_unordered("uno", self.value, self.value))


class _Scaled(_Vector):
    """A factor times a vector, which is multiplied when it is asked for, or while it is added."""

    def __init__(self, builder: ir.IRBuilder, factor: float, vector: _Vector) -> None:
        self.builder, self.factor, self.vector = builder, factor, vector

    @property
    def value(self) -> Any:
        return self.builder.fmul(_constant(self.factor), self.vector.value)


def _constant(number: float) -> Any:
    return ir.Constant(_FLOATS, [number] * LANES)


def transform(formula: Formula, size: int) -> Any:
    """A function for compiled code: the formula on a grid of size x size lines of `count` numbers.

    run(sources, source_shift, targets, target_shift, count): line k begins source_shift bytes after sources[k].
    """

    @intrinsic
    def run(typing: Any, sources: Any, source_shift: Any, targets: Any, target_shift: Any, count: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            sources, source_shift, targets, target_shift, count = arguments

            def vector_at(start: Any, mask: Any) -> None:
                read = _Lines(builder, sources, source_shift, start, mask)
                write = _Lines(builder, targets, target_shift, start, mask)
                grid = [[read.load(i * size + j) for j in range(size)] for i in range(size)]
                for k, value in enumerate(value for row in both_axes(formula, grid) for value in row):
                    write.store(k, value)

            _each_vector(builder, count, vector_at)
            return context.get_dummy_value()

        return types.void(_TABLE, types.intp, _TABLE, types.intp, types.intp), generate

    return run


@intrinsic
def to_outputs(typing: Any, sources: Any, shift: Any, targets: Any, bias: Any, floor: Any, count: Any) -> Any:
    """`transform(outputs, 6)`, plus a bias for each channel, and the floor instead of what is lower."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        sources, shift, targets, bias, floor, count = arguments

        def vector_at(start: Any, mask: Any) -> None:
            write = _Lines(builder, targets, _I64(0), start, mask)
            least = _spread(builder, floor, _FLOATS)
            for k, value in enumerate(_biased_outputs(builder, sources, shift, bias, start, mask)):
                write.store(k, value.at_least(least))

        _each_vector(builder, count, vector_at)
        return context.get_dummy_value()

    return types.void(_TABLE, types.intp, _TABLE, _PLACE, types.float32, types.intp), generate


@intrinsic
def to_maxima(typing: Any, sources: Any, shift: Any, targets: Any, taps: Any, bias: Any, count: Any) -> Any:
    """As `to_outputs` with the floor 0, and of each 2 x 2 outputs the first maximum, or the last NaN, and its tap."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        sources, shift, targets, taps, bias, count = arguments

        def vector_at(start: Any, mask: Any) -> None:
            write = _Lines(builder, targets, _I64(0), start, mask)
            write_taps = _Lines(builder, taps, _I64(0), start, mask, _BYTES)
            values = _biased_outputs(builder, sources, shift, bias, start, mask)
            zero = ir.Constant(_FLOATS, None)
            for k, corner in enumerate((0, 2, 8, 10)):
                best = values[corner].at_least(zero)
                tap = ir.Constant(_BYTES, None)
                for number, beside in enumerate((1, 4, 5), 1):
                    rival = values[corner + beside]  # what is below 0 beats nothing
                    wins = rival.beats(best)
                    best = _Vector(builder, builder.select(wins, rival.value, best.value))
                    tap = builder.select(wins, ir.Constant(_BYTES, [number] * LANES), tap)
                write.store(k, best)
                write_taps.store(k, _Vector(builder, tap))

        _each_vector(builder, count, vector_at)
        return context.get_dummy_value()

    return types.void(_TABLE, types.intp, _TABLE, _TABLE, _PLACE, types.intp), generate


def _biased_outputs(builder: ir.IRBuilder, sources: Any, shift: Any, bias: Any, start: Any, mask: Any) -> Row:
    """The 16 outputs of a tile, row after row."""
    read = _Lines(builder, sources, shift, start, mask)
    added = _Vector(builder, _load(builder, builder.gep(bias, [start]), mask))
    grid = [[read.load(i * 6 + j) for j in range(6)] for i in range(6)]
    return [value + added for row in both_axes(outputs, grid) for value in row]


@intrinsic
def address(typing: Any, place: Any) -> Any:
    """Of a pointer, as a number."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], _I64)

    return types.intp(place), generate


class _Lines:
    """One vector of every line of a table, `start` numbers after the line's first."""

    def __init__(
        self, builder: ir.IRBuilder, table: Any, shift: Any, start: Any, mask: Any, vector: ir.VectorType = _FLOATS
    ) -> None:
        self._builder, self._table, self._mask, self._vector = builder, table, mask, vector
        self._offset = builder.add(shift, builder.mul(start, _I64(4 if vector == _FLOATS else 1)))

    def load(self, k: int) -> _Vector:
        return _Vector(self._builder, _load(self._builder, self._place(k), self._mask))

    def store(self, k: int, vector: _Vector) -> None:
        _store(self._builder, vector.value, self._place(k), self._mask)

    def _place(self, k: int) -> Any:
        begin = self._builder.load(self._builder.gep(self._table, [_I64(k)]))
        return self._builder.inttoptr(self._builder.add(begin, self._offset), self._vector.as_pointer())


def _each_vector(builder: ir.IRBuilder, count: Any, vector_at: Callable[[Any, Any], None]) -> None:
    """Write the code of vector_at(start, None) for all whole vectors of a line, and of the rest with a mask."""
    lanes = _I64(LANES)
    with cgutils.for_range(builder, builder.sdiv(count, lanes)) as loop:
        vector_at(builder.mul(loop.index, lanes), None)
    rest = builder.srem(count, lanes)
    with builder.if_then(builder.icmp_signed(">", rest, _I64(0)), likely=False):
        numbers = ir.VectorType(_I32, LANES)
        ids = ir.Constant(numbers, list(range(LANES)))
        mask = builder.icmp_signed("<", ids, _spread(builder, builder.trunc(rest, _I32), numbers))
        vector_at(builder.sub(count, rest), mask)


def _load(builder: ir.IRBuilder, place: Any, mask: Any) -> Any:
    """Of float32, where the mask allows."""
    place = builder.bitcast(place, _FLOATS.as_pointer())
    if mask is None:
        return builder.load(place, align=4)
    signature = ir.FunctionType(_FLOATS, [place.type, _I32, mask.type, _FLOATS])
    load = cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.load.v{LANES}f32.p0")
    return builder.call(load, [place, _I32(4), mask, ir.Constant(_FLOATS, None)])


def _store(builder: ir.IRBuilder, value: Any, place: Any, mask: Any) -> None:
    """Of float32 or bytes, where the mask allows."""
    align, suffix = (4, "f32") if value.type == _FLOATS else (1, "i8")
    if mask is None:
        builder.store(value, place, align=align)
        return
    signature = ir.FunctionType(ir.VoidType(), [value.type, place.type, _I32, mask.type])
    store = cgutils.get_or_insert_function(builder.module, signature, f"llvm.masked.store.v{LANES}{suffix}.p0")
    builder.call(store, [value, place, _I32(align), mask])


def _spread(builder: ir.IRBuilder, number: Any, vector: ir.VectorType) -> Any:
    """The number in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, number, _I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count))
