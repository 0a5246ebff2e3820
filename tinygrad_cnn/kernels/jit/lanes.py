"""Vectors of numbers in compiled loops: as many as a register holds, loaded, stored and reckoned with lane by lane.

    for j in range(0, channels, width(x)):
        here = some(channels - j, x)                                  the first lanes, as many as there are numbers left
        store(load(x, j, here) + load(b, j, here), y, j, here)        y = x + b

Channels-last, the channels of one pixel are neighbours, and often few: a loop over them that LLVM turns into vectors by
itself spends most of its time on those left over. Here every load and store says which lanes count, and the others are
neither read nor written. Arithmetic is that of IEEE 754, exactly as written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from tinygrad_cnn.kernels.jit.vectors import HOST

_I32, _I64 = (ir.IntType(bits) for bits in (32, 64))


class Lanes(types.Type):  # type: ignore[misc]
    """So many values of one type, side by side."""

    def __init__(self, dtype: Any, count: int) -> None:
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, ir.VectorType(manager.lookup(lanes.dtype).get_value_type(), lanes.count))


# ---- between memory and vectors --------------------------------------------------------------------------------------


@intrinsic
def width(typing: Any, place: Any) -> Any:
    """How many of the numbers that `place` points to fill a vector."""
    count = HOST.lanes(place.dtype.bitwidth // 8)
    return types.intp(place), lambda *_: _I64(count)


@intrinsic
def some(typing: Any, count: Any, place: Any) -> Any:
    """The mask of the first `count` lanes, or of all, of a vector of the numbers that `place` points to."""
    lanes = HOST.lanes(place.dtype.bitwidth // 8)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        (count, _), most = arguments, _I64(lanes)
        count = builder.select(builder.icmp_signed("<", count, most), count, most)
        ids = ir.Constant(ir.VectorType(_I32, lanes), list(range(lanes)))
        return builder.icmp_signed("<", ids, _spread(builder, builder.trunc(count, _I32), lanes))

    return Lanes(types.boolean, lanes)(types.intp, place), generate


@intrinsic
def load(typing: Any, place: Any, offset: Any, mask: Any) -> Any:
    """The numbers from place[offset] on in the lanes of the mask, 0 in the others."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        start = _start(builder, arguments[0], arguments[1], vector)
        call = _masked(builder, "load", vector, [start.type, _I32, arguments[2].type, vector], vector)
        return builder.call(call, [start, _alignment(vector), arguments[2], ir.Constant(vector, None)])

    return Lanes(place.dtype, mask.count)(place, types.intp, mask), generate


@intrinsic
def store(typing: Any, values: Any, place: Any, offset: Any, mask: Any) -> Any:
    """Write the lanes of the mask to place[offset] and on."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        values, place, offset, mask = arguments
        start = _start(builder, place, offset, values.type)
        call = _masked(builder, "store", values.type, [values.type, start.type, _I32, mask.type], ir.VoidType())
        builder.call(call, [values, start, _alignment(values.type), mask])
        return context.get_dummy_value()

    return types.void(values, place, types.intp, mask), generate


@intrinsic
def spread(typing: Any, number: Any, mask: Any) -> Any:
    """The number in every lane."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0], signature.args[1].count)

    return Lanes(number, mask.count)(number, mask), generate


# ---- arithmetic ------------------------------------------------------------------------------------------------------


@intrinsic
def select(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    """a where the mask holds, b elsewhere."""
    return a(mask, a, b), lambda context, builder, signature, arguments: builder.select(*arguments)


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        vector = arguments[0].type
        name = f"llvm.fma.{_suffix(vector)}"
        return builder.call(
            cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name), arguments
        )

    return a(a, b, c), generate


@intrinsic
def largest(typing: Any, x: Any) -> Any:
    """The largest number of the vector that is not NaN."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return _reduced(builder, "fmax", arguments)

    return x.dtype(x), generate


@intrinsic
def total(typing: Any, x: Any) -> Any:
    """The sum of all lanes, in pairs of pairs."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        start = ir.Constant(arguments[0].type.element, 0)
        return _reduced(builder, "fadd", [start, *arguments], fastmath=("reassoc",))

    return x.dtype(x), generate


Generate = Callable[[ir.IRBuilder, Any, Any], Any]


def _operation(symbol: Callable[..., Any], gives_mask: bool, generate: Generate) -> None:
    """Let compiled code write `a symbol b` of two vectors of one type."""

    @infer_global(symbol)
    class Template(AbstractTemplate):  # type: ignore[misc]
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) != 2 or not isinstance(args[0], Lanes) or args[0] != args[1]:
                return None
            return signature(Lanes(types.boolean, args[0].count) if gives_mask else args[0], *args)

    @lower_builtin(symbol, Lanes, Lanes)
    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return generate(builder, *arguments)


def _is_float(vector: ir.VectorType) -> bool:
    return isinstance(vector.element, ir.FloatType | ir.DoubleType)


def _comparison(sign: str) -> Generate:
    """False where a lane is NaN, except of `!=`."""

    def generate(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
        if not _is_float(a.type):
            return builder.icmp_signed(sign, a, b)
        return (builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered)(sign, a, b)

    return generate


_operation(operator.add, False, ir.IRBuilder.fadd)
_operation(operator.sub, False, ir.IRBuilder.fsub)
_operation(operator.mul, False, ir.IRBuilder.fmul)
_operation(operator.truediv, False, ir.IRBuilder.fdiv)
_operation(operator.and_, False, ir.IRBuilder.and_)
_operation(operator.or_, False, ir.IRBuilder.or_)
for _symbol, _sign in ((operator.gt, ">"), (operator.le, "<="), (operator.eq, "=="), (operator.ne, "!=")):
    _operation(_symbol, True, _comparison(_sign))


# ---- LLVM's language -------------------------------------------------------------------------------------------------


def _suffix(vector: ir.VectorType) -> str:
    element = vector.element
    name = {"float": "f32", "double": "f64"}.get(str(element), str(element))
    return f"v{vector.count}{name}"


def _reduced(builder: ir.IRBuilder, name: str, arguments: list[Any], **options: Any) -> Any:
    vector = arguments[-1].type
    signature = ir.FunctionType(vector.element, [argument.type for argument in arguments])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.vector.reduce.{name}.{_suffix(vector)}")
    return builder.call(function, arguments, **options)


def _alignment(vector: ir.VectorType) -> Any:
    """That of one element: a vector may start at any."""
    return _I32({"float": 4, "double": 8}.get(str(vector.element)) or vector.element.width // 8)


def _start(builder: ir.IRBuilder, place: Any, offset: Any, vector: ir.VectorType) -> Any:
    return builder.bitcast(builder.gep(place, [offset]), vector.as_pointer())


def _masked(builder: ir.IRBuilder, name: str, vector: ir.VectorType, arguments: list[Any], result: Any) -> Any:
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(result, arguments), f"llvm.masked.{name}.{_suffix(vector)}.p0"
    )


def _spread(builder: ir.IRBuilder, number: Any, lanes: int) -> Any:
    undefined = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, number, _I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))
