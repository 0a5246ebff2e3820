"""Kernels that share their work with other threads, from compiled code to compiled code.

A kernel is written as `body(*arguments, part, start, stop)`, for one part of a range. `shared` makes of it a function
of `(*arguments, count, n, team)` that cuts range(count) into n parts, posts all but the first on the desks of a team,
and makes the call for the first itself. A worker watches its desk and makes what call is posted there, by the address
of its machine code: neither side holds Python's lock or wakes anybody, so that a call changes hands in less than a
microsecond. Where nobody takes it, as the worker sleeps, whoever posted it takes it back.

The range is cut by the numbers alone. Who makes the calls changes no bit of what they compute.

A team is memory: a line for itself, whose first number is 1 while a kernel has the team, then a line for each desk.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.jit.atomics import latest, publish, rest, turned
from tinygrad_cnn.kernels.jit.compilation import FAST_MATH, compiled, inlined

LINE = 16  # numbers of 8 bytes: two lines of the cache, so that nobody's writing disturbs who reads the next desk
STATE, CODE, ARGUMENTS, PART, START, STOP, FAILED, ASLEEP = range(0, 64, 8)  # bytes from the beginning of a desk
FREE, POSTED, TAKEN, DONE = range(4)  # states

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_CALL = ir.FunctionType(_I32, [_I8.as_pointer(), _I64, _I64, _I64])  # (arguments, part, start, stop) -> failed


def shared(body: Callable[..., None]) -> Any:
    """`body(*arguments, part, start, stop)`, compiled, as a function of `(*arguments, count, n, team)`.

    team: the address of a team of n - 1 or more, or 0, and the caller makes all calls itself.
    """
    return compiled(divided(body))


def shared_exactly(body: Callable[..., None]) -> Any:
    """As `shared`, but each operation is rounded by itself and in the order in which it stands, as NumPy's are."""
    return compiled(divided(body, fast_math=False))


def divided(body: Callable[..., None], fast_math: Any = FAST_MATH) -> Callable[..., None]:
    """What `shared` compiles: it stands, for Numba's cache, where the body does."""
    *names, _, _, _ = signature(body).parameters
    head = f"def {body.__name__}({', '.join(names)}, _count, _n, _team):"
    source = f"{head} _divide(_call_on(({', '.join(names)},)), _count, _n, _team)"
    scope: dict[str, Any] = {
        "_divide": _divide,
        "_call_on": _calls_of(inlined(body, fast_math)),
        "__name__": body.__module__,
    }
    exec(compile("\n" * (body.__code__.co_firstlineno - 1) + source, body.__code__.co_filename, "exec"), scope)
    function: Callable[..., None] = scope[body.__name__]
    return function


# ---- the caller's side


@inlined
def _divide(call, count, n, team):
    failed = 0
    if n == 1 or team == 0 or not turned(team, 0, 1):  # there is nobody, or another kernel has the team
        for part in range(n):
            failed += _make(call, part, count * part // n, count * (part + 1) // n)
    else:
        for part in range(1, n):
            _post(_desk(team, part), call, part, count * part // n, count * (part + 1) // n)
        failed += _make(call, 0, 0, count // n)
        for part in range(1, n):  # what nobody has taken, before waiting for what somebody has
            if turned(_desk(team, part), POSTED, FREE):
                failed += _make(call, part, count * part // n, count * (part + 1) // n)
        for part in range(1, n):
            if latest(_desk(team, part)) != FREE:
                failed += _awaited(_desk(team, part))
        publish(team, 0)
    if failed:
        raise MemoryError("a kernel found no memory")


@inlined
def _desk(team, part):
    return team + 8 * LINE * part


@inlined
def _post(desk, call, part, start, stop):
    publish(desk + CODE, call[0])
    publish(desk + ARGUMENTS, call[1])
    publish(desk + PART, part)
    publish(desk + START, start)
    publish(desk + STOP, stop)
    publish(desk, POSTED)


@inlined
def _awaited(desk):
    """Whether the call that was posted failed, once it has been made."""
    turn = 0
    while latest(desk) != DONE:
        rest(turn)
        turn += 1
    failed = latest(desk + FAILED)
    publish(desk, FREE)
    return failed


# ---- the worker's side


@compiled
def work(desk, turns):
    """Make the calls that are posted on a desk, until there has been none for so many turns; then it says ASLEEP."""
    publish(desk + ASLEEP, 0)
    turn = 0
    while turn < turns:
        if latest(desk) == POSTED and turned(desk, POSTED, TAKEN):
            call = latest(desk + CODE), latest(desk + ARGUMENTS)
            failed = _make(call, latest(desk + PART), latest(desk + START), latest(desk + STOP))
            publish(desk + FAILED, failed)
            publish(desk, DONE)
            turn = 0
        rest(turn)
        turn += 1
    publish(desk + ASLEEP, 1)


# ---- calls by address


def _calls_of(function: Any) -> Any:
    """An intrinsic that takes a tuple of arguments and gives a call: two addresses, of code that calls
    `function(*arguments, part, start, stop)`, and of the arguments, which live as long as the caller.
    """

    @intrinsic
    def call_on(typing, arguments):
        inputs = (*arguments.types, *(types.int64,) * 3)
        outer = types.Dispatcher(function).get_call_type(typing, inputs, {})
        machine_code = function.overloads[outer.args]

        def generate(context: Any, builder: ir.IRBuilder, own: Any, values: Any) -> Any:
            context.active_code_library.add_linking_library(machine_code.library)
            kept = cgutils.alloca_once_value(builder, values[0])
            code = ir.Function(builder.module, _CALL, name=f"{builder.function.name}.call")
            code.linkage = "internal"
            inside = ir.IRBuilder(code.append_basic_block())
            place, *numbers = code.args
            tuple_ = inside.load(inside.bitcast(place, kept.type))
            items = [*cgutils.unpack_tuple(inside, tuple_, len(arguments.types)), *numbers]
            callee = context.declare_function(builder.module, machine_code.fndesc)
            status, _ = context.call_conv.call_function(inside, callee, outer.return_type, outer.args, items)
            inside.ret(inside.zext(status.is_error, _I32))
            addresses = [builder.ptrtoint(pointer, _I64) for pointer in (code, kept)]
            return context.make_tuple(builder, own.return_type, addresses)

        return types.UniTuple(types.int64, 2)(arguments), generate

    return call_on


@intrinsic
def _make(typing, call, part, start, stop):
    """Make a call; 1 where it failed."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
        call, *numbers = values
        code, arguments = cgutils.unpack_tuple(builder, call, 2)
        function = builder.inttoptr(code, _CALL.as_pointer())
        failed = builder.call(function, [builder.inttoptr(arguments, _I8.as_pointer()), *numbers])
        return builder.zext(failed, _I64)

    return types.int64(call, *(types.int64,) * 3), generate
