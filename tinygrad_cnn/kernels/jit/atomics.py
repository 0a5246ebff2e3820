"""Numbers in memory that several threads watch, by address: read, written and exchanged in one order for all."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

PATIENCE = 5000  # turns of waiting, 50 to 200 microseconds, after which others may have the core

_PAUSES = binding.get_default_triple().startswith(("x86_64", "i686"))  # has an instruction for waiting in a loop
_YIELDS = sys.platform != "win32"
_I32, _I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def latest(typing, address):
    """What lies there now, whoever wrote it."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(builder, arguments[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def publish(typing, address, value):
    """Write a number; whoever reads it sees all that was written before."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _place(builder, arguments[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def turned(typing, address, old, new):
    """Write `new` where `old` lies, and whether it did; of several who try, one does."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        address, old, new = arguments
        before = builder.cmpxchg(_place(builder, address), old, new, "seq_cst", "seq_cst")
        return builder.extract_value(before, 1)

    return types.boolean(*(types.int64,) * 3), generate


@intrinsic
def rest(typing, turn):
    """10 to 40 nanoseconds, where the processor knows such a pause; after many turns, let others have the core."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        if _PAUSES:
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        if _YIELDS:
            with builder.if_then(builder.icmp_signed(">", arguments[0], _I64(PATIENCE)), likely=False):
                give_way = ir.FunctionType(_I32, [])
                builder.call(cgutils.get_or_insert_function(builder.module, give_way, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _place(builder: ir.IRBuilder, address: Any) -> Any:
    return builder.inttoptr(address, _I64.as_pointer())
