"""The innermost loop of every product: a tile of C = A B that stays in registers while a whole dot product is summed.

    C[i, j] (+)= sum over k of A[i, k] B[k, j]        ROWS x (vectors x lanes) numbers of C

For each k the tile takes one vector or two of B and, for each of its rows, one number of A, spread over all lanes and
multiplied into the row's registers. Of 32 registers, 12 rows by 2 vectors leave 8 for B and A; the 24 sums are enough
to hide the latency of the multiply-add, and two loads of B for 24 of them are few enough for the first-level cache.
Neighbours of A lie along k or along the rows, so that the distance between them is a number in the code: with any
distances, each row would take an addition of addresses for every k.

The tile is written in LLVM's language: no loop of Python's that Numba compiles is sure to stay in registers.

Source: Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication", section 4 (the inner kernel);
Georganas et al. 2018, "Anatomy of high-performance deep learning convolutions on SIMD architectures".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from tinygrad_cnn.kernels.jit.vectors import HOST

ALIGNED = 4  # bytes: a vector may start at any element
UNROLLED = 4  # steps of k, written out one after the other, of the tallest tiles
VECTORS = 2  # of C in a row of a wide tile

DOTS = (4, 5) if HOST.count == 32 else (3, 3)  # rows and columns of a tile whose vectors run along the sums

ROWS = (12, 4, 2, 1) if HOST.count == 32 else (6, 2, 1)  # of a tile; the smaller ones take what is left over

_I1, _I8, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))


class _Matrix(NamedTuple):
    """Where numbers lie: [i, (m, k)] at place[i row + m jump + k step]."""

    place: Any
    row: Any
    step: Any = None
    jump: Any = None


def strip(vectors: int, along: str) -> Any:
    """The product with a strip of B, of that many vectors, as a function for compiled code.

    along: where the neighbours of a number of A lie, in memory: along the "depth", or along the "rows".

    strip(rows, a, apart, a_jump, b, b_step, b_jump, jumps, depth, start, start_row, c, c_row, columns, relu):
    k counts `depth` steps, m `jumps` of them: A[i, (m, k)] lies at a[i apart + m a_jump + k] or at
    a[i + m a_jump + k apart], the vectors of B[m, k] at b[m b_jump + k b_step]. The sums begin with what lies at
    start[i start_row + j], a bias or zeros; where that is C, a sum of many by itself, it is added in the end. They go
    to c[i c_row + j], for j < columns; with `relu` no negative ones.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        rows, a, apart, a_jump, b, b_step, b_jump, jumps, depth, start, start_row, c, c_row, columns, relu = arguments
        a_row, a_step = (apart, _I64(1)) if along == "depth" else (_I64(1), apart)
        vector = _vector(context, signature.args[1].dtype)
        masks = [_first_lanes(builder, builder.sub(columns, _I64(j * vector.count)), vector) for j in range(vectors)]
        least = builder.select(builder.trunc(relu, _I1), vector.element(0), vector.element(float("-inf")))
        least = _spread(builder, least, vector)
        adds = builder.icmp_unsigned("==", start, c)
        i = cgutils.alloca_once_value(builder, _I64(0))
        for height in ROWS:
            with _while_fits(builder, i, height, rows) as row:
                _tile(
                    builder, vector, height, masks, least, adds, jumps, depth,
                    _Matrix(_at(builder, a, builder.mul(row, a_row)), a_row, a_step, a_jump),
                    _Matrix(b, None, b_step, b_jump),
                    _Matrix(_at(builder, start, builder.mul(row, start_row)), start_row),
                    _Matrix(_at(builder, c, builder.mul(row, c_row)), c_row),
                )  # fmt: skip
        return context.get_dummy_value()

    @intrinsic
    def function(
        typing, rows, a, apart, a_jump, b, b_step, b_jump, jumps, depth, start, start_row, c, c_row, columns, relu
    ):
        n = types.intp
        return types.void(n, a, n, n, b, n, n, n, n, start, n, c, n, n, n), generate

    return function


def _tile(
    builder: ir.IRBuilder, vector: ir.VectorType, rows: int, masks: list[Any], least: Any, adds: Any, jumps: Any,
    depth: Any, a: _Matrix, b: _Matrix, start: _Matrix, c: _Matrix,
) -> None:  # fmt: skip
    """`rows` rows of C, in registers from the first product to the last."""
    fma = _function(builder, f"llvm.fma.{_suffix(vector)}", vector, [vector] * 3)
    tile = [(i, j) for i in range(rows) for j in range(len(masks))]
    sums = {at: cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for at in tile}

    def add_start() -> None:
        for i, j in tile:
            place = _at(builder, start.place, builder.mul(start.row, _I64(i)), j * vector.count)
            begun = _masked_load(builder, place, masks[j], vector)
            builder.store(builder.fadd(builder.load(sums[i, j]), begun), sums[i, j])

    def step(of_a: Any, of_b: Any, k: Any) -> None:
        row = _at(builder, of_b, builder.mul(k, b.step))
        numbers = [_load(builder, _at(builder, row, j * vector.count), vector) for j in range(len(masks))]
        column = _at(builder, of_a, builder.mul(k, a.step))
        for i in range(rows):
            number = builder.load(_at(builder, column, builder.mul(a.row, _I64(i))))
            spread = _spread(builder, number, vector)
            for j in range(len(masks)):
                total = builder.call(fma, [spread, numbers[j], builder.load(sums[i, j])])
                builder.store(total, sums[i, j])

    with builder.if_then(builder.not_(adds)):
        add_start()
    with cgutils.for_range(builder, jumps) as jump:
        of_a, of_b = (_at(builder, matrix.place, builder.mul(jump.index, matrix.jump)) for matrix in (a, b))
        for k in _each(builder, depth, UNROLLED if rows == ROWS[0] else 1):
            step(of_a, of_b, k)
    with builder.if_then(adds):
        add_start()
    for i, j in tile:
        total = builder.load(sums[i, j])
        total = builder.select(builder.fcmp_ordered("<", total, least), least, total)  # NaN stays
        _masked_store(builder, total, _at(builder, c.place, builder.mul(c.row, _I64(i)), j * vector.count), masks[j])


@intrinsic
def pointer(typing: Any, array: Any, offset: Any) -> Any:
    """Where element `offset` of a contiguous array lies."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        array, offset = arguments
        return _at(builder, make_array(signature.args[0])(context, builder, array).data, offset)

    return types.CPointer(array.dtype)(array, types.intp), generate


@intrinsic
def moved(typing: Any, place: Any, offset: Any) -> Any:
    """The place that lies `offset` elements after `place`."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _at(builder, *arguments)

    return place(place, types.intp), generate


def _run_function(adds: bool) -> Any:
    """`copy_run` or `add_run`."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        target, source, count = arguments
        vector = _vector(context, signature.args[0].dtype)
        lanes = _I64(vector.count)
        with cgutils.for_range_slice(builder, _I64(0), count, lanes, inc=True) as (start, _):
            mask = _first_lanes(builder, builder.sub(count, start), vector)
            values = _masked_load(builder, _at(builder, source, start), mask, vector)
            if adds:
                values = builder.fadd(values, _masked_load(builder, _at(builder, target, start), mask, vector))
            _masked_store(builder, values, _at(builder, target, start), mask)
        return context.get_dummy_value()

    @intrinsic
    def function(typing, target, source, count):
        return types.void(target, source, types.intp), generate

    return function


# Both take (target, source, count) and touch `count` neighbouring elements, a vector at a time, and nothing beyond. For
# runs of a few elements a call of the C library's memcpy would take longer than the copy, and a loop for whole vectors
# with a branch for the rest is guessed wrong so often that it takes three times as long.
copy_run = _run_function(adds=False)
add_run = _run_function(adds=True)


@intrinsic
def transpose_square(typing, target, target_row, source, source_row):
    """target[j target_row + i] = source[i source_row + j], for as many i and j as a vector has lanes."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        target, target_row, source, source_row = arguments
        vector = _vector(context, signature.args[0].dtype)
        lines = [_at(builder, source, builder.mul(source_row, _I64(i))) for i in range(vector.count)]
        rows = _transposed(builder, [_load(builder, line, vector) for line in lines])
        for j, row in enumerate(rows):
            _store(builder, row, _at(builder, target, builder.mul(target_row, _I64(j))))
        return context.get_dummy_value()

    n = types.intp
    return types.void(target, n, source, n), generate


@intrinsic
def transpose_part(typing, target, target_row, source, source_row, rows, columns):
    """The same for i < rows and j < columns, neither of them more than a vector has lanes."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        target, target_row, source, source_row, rows, columns = arguments
        vector = _vector(context, signature.args[0].dtype)

        def lines(place: Any, row: Any, count: Any) -> list[Any]:
            """Where each line begins: for what is missing to a square, the last one again."""
            last = builder.sub(count, _I64(1))
            return [_at(builder, place, builder.mul(row, _at_most(builder, i, last))) for i in range(vector.count)]

        mask_in, mask_out = _first_lanes(builder, columns, vector), _first_lanes(builder, rows, vector)
        loaded = [_masked_load(builder, line, mask_in, vector) for line in lines(source, source_row, rows)]
        results = zip(_transposed(builder, loaded), lines(target, target_row, columns), strict=True)
        for row, line in reversed(list(results)):  # the right one is the last to be written to the last line
            _masked_store(builder, row, line, mask_out)
        return context.get_dummy_value()

    n = types.intp
    return types.void(target, n, source, n, n, n), generate


def _transposed(builder: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """Rows and columns of a square of vectors exchanged.

    Each of log2(lanes) steps interleaves row i with row i + lanes / 2: a perfect shuffle, which rotates the bits of the
    place of a number by one; after all of them row and column have changed places.
    """
    n = len(rows)
    numbers = ir.VectorType(_I32, n)
    pairs = [lane for i in range(n) for lane in (i, n + i)]
    low, high = ir.Constant(numbers, pairs[:n]), ir.Constant(numbers, pairs[n:])
    for _ in range(n.bit_length() - 1):
        halves = zip(rows[: n // 2], rows[n // 2 :], strict=True)
        rows = [builder.shuffle_vector(a, b, half) for a, b in halves for half in (low, high)]
    return rows


@intrinsic
def dots(typing, rows, columns, a, a_row, a_jump, b, b_column, b_jump, jumps, length, c, c_row):
    """C += A B^T, lane by lane: C[i, j] is a vector, whose lanes are to be summed in the end.

    A[i] is `jumps` lines of `length` neighbours, line m at a[i a_row + m a_jump], B[j] the same at
    b[j b_column + m b_jump]; C[i, j] lies at c[i c_row + j lanes]. Up to DOTS rows and columns: for what is missing to
    them the last one is taken again, and again its sums are written.
    """

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        rows, columns, a, a_row, a_jump, b, b_column, b_jump, jumps, length, c, c_row = arguments
        vector = _vector(context, signature.args[2].dtype)
        fma = _function(builder, f"llvm.fma.{_suffix(vector)}", vector, [vector] * 3)
        height, width = DOTS
        i_s = [_at_most(builder, i, builder.sub(rows, _I64(1))) for i in range(height)]
        j_s = [_at_most(builder, j, builder.sub(columns, _I64(1))) for j in range(width)]
        of_a = [_at(builder, a, builder.mul(i, a_row)) for i in i_s]
        of_b = [_at(builder, b, builder.mul(j, b_column)) for j in j_s]
        lanes = _I64(vector.count)
        places = {
            (i, j): _at(builder, c, builder.add(builder.mul(i_s[i], c_row), builder.mul(j_s[j], lanes)))
            for i in range(height)
            for j in range(width)
        }
        sums = {at: cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for at in places}
        with cgutils.for_range(builder, jumps) as jump:
            in_a, in_b = builder.mul(jump.index, a_jump), builder.mul(jump.index, b_jump)
            with cgutils.for_range_slice(builder, _I64(0), length, lanes, inc=True) as (first, _):
                mask = _first_lanes(builder, builder.sub(length, first), vector)  # 0 times infinity is not 0
                at_a, at_b = builder.add(in_a, first), builder.add(in_b, first)
                lines_a = [_masked_load(builder, _at(builder, place, at_a), mask, vector) for place in of_a]
                lines_b = [_masked_load(builder, _at(builder, place, at_b), mask, vector) for place in of_b]
                for (i, j), total in sums.items():
                    builder.store(builder.call(fma, [lines_a[i], lines_b[j], builder.load(total)]), total)
        totals = {
            at: builder.fadd(builder.load(sums[at]), _load(builder, place, vector)) for at, place in places.items()
        }
        for at, place in places.items():  # once all are read, as some are the same
            _store(builder, totals[at], place)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, n, a, n, n, b, n, n, n, n, c, n), generate


# ---- LLVM's language -------------------------------------------------------------------------------------------------


def _vector(context: Any, dtype: Any) -> ir.VectorType:
    """The vector type that fills one register."""
    element = context.get_value_type(dtype)
    return ir.VectorType(element, HOST.lanes(dtype.bitwidth // 8))


def _function(builder: ir.IRBuilder, name: str, result: Any, arguments: list[Any]) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _suffix(vector: ir.VectorType) -> str:
    """What the names of LLVM's own functions end with, for that type of vector."""
    return f"v{vector.count}{'f32' if isinstance(vector.element, ir.FloatType) else 'f64'}"


def _at(builder: ir.IRBuilder, place: Any, *offsets: Any) -> Any:
    for offset in offsets:
        place = builder.gep(place, [offset if isinstance(offset, ir.Value) else _I64(offset)])
    return place


def _at_most(builder: ir.IRBuilder, number: int, most: Any) -> Any:
    return builder.select(builder.icmp_signed("<", _I64(number), most), _I64(number), most)


def _load(builder: ir.IRBuilder, place: Any, vector: ir.VectorType) -> Any:
    return builder.load(builder.bitcast(place, vector.as_pointer()), align=ALIGNED)


def _store(builder: ir.IRBuilder, value: Any, place: Any) -> None:
    builder.store(value, builder.bitcast(place, value.type.as_pointer()), align=ALIGNED)


@contextmanager
def _while_fits(builder: ir.IRBuilder, counter: Any, step: int, end: Any) -> Iterator[Any]:
    """Write a loop around the block: while counter + step <= end, with the counter's value, which then takes a step."""
    test, body, after = (builder.append_basic_block(name) for name in ("test", "body", "after"))
    builder.branch(test)
    builder.position_at_end(test)
    value = builder.load(counter)
    following = builder.add(value, _I64(step))
    builder.cbranch(builder.icmp_signed("<=", following, end), body, after)
    builder.position_at_end(body)
    yield value
    builder.store(following, counter)
    builder.branch(test)
    builder.position_at_end(after)


def _each(builder: ir.IRBuilder, count: Any, written: int) -> Iterator[Any]:
    """Write a loop over 0 <= k < count whose body, what is done between two values of k, is written so many times.

    Each time ends with the question whether it was the last: where bodies followed each other without a branch between
    them, LLVM would load the numbers of all of them first, and run out of registers.
    """
    bodies = [builder.append_basic_block("body") for _ in range(written)]
    after = builder.append_basic_block("after")
    before = builder.block
    builder.cbranch(builder.icmp_signed("<", _I64(0), count), bodies[0], after)
    builder.position_at_end(bodies[0])
    first = builder.phi(_I64)
    first.add_incoming(_I64(0), before)
    for number, following in enumerate((*bodies[1:], bodies[0]), 1):
        yield builder.add(first, _I64(number - 1))
        k = builder.add(first, _I64(number))
        if following is bodies[0]:
            first.add_incoming(k, builder.block)
        builder.cbranch(builder.icmp_signed("<", k, count), following, after)
        builder.position_at_end(following)
    builder.position_at_end(after)


def _spread(builder: ir.IRBuilder, number: Any, vector: ir.VectorType) -> Any:
    """The number in every lane."""
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, number, _I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, vector.count), [0] * vector.count))


def _first_lanes(builder: ir.IRBuilder, count: Any, vector: ir.VectorType) -> Any:
    """A mask of the first `count` lanes."""
    numbers = ir.VectorType(_I32, vector.count)
    ids = ir.Constant(numbers, list(range(vector.count)))
    return builder.icmp_signed("<", ids, _spread(builder, builder.trunc(count, _I32), numbers))


def _masked_load(builder: ir.IRBuilder, place: Any, mask: Any, vector: ir.VectorType) -> Any:
    place = builder.bitcast(place, vector.as_pointer())
    arguments = [place, _I32(ALIGNED), mask, ir.Constant(vector, None)]
    name = f"llvm.masked.load.{_suffix(vector)}.p0"
    return builder.call(_function(builder, name, vector, [argument.type for argument in arguments]), arguments)


def _masked_store(builder: ir.IRBuilder, values: Any, place: Any, mask: Any) -> None:
    place = builder.bitcast(place, values.type.as_pointer())
    arguments = [values, place, _I32(ALIGNED), mask]
    name = f"llvm.masked.store.{_suffix(values.type)}.p0"
    builder.call(_function(builder, name, ir.VoidType(), [argument.type for argument in arguments]), arguments)
