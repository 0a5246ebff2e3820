"""Waiting for another thread without going to sleep."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.jit.compilation import compiled
from tinygrad_cnn.kernels.jit.microkernel import pointer

PAUSES = binding.get_default_triple().startswith(("x86_64", "i686"))  # has an instruction for such a loop


@intrinsic
def _latest(typing, place):
    """What `place` holds now, whoever wrote it; after a pause of some 40 nanoseconds where the processor knows one."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        if PAUSES:
            pause = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, pause, "llvm.x86.sse2.pause"), [])
        return builder.load_atomic(arguments[0], "acquire", 8)

    return types.int64(place), generate


@compiled
def wait_for(flag, turns):
    """Until flag[0] is set, but for so many turns at most; and clear it."""
    place = pointer(flag, 0)
    for _ in range(turns):
        if _latest(place):
            break
    flag[0] = 0
