"""The public checks: a function's derivatives against finite differences, and where it is wrong, why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.gradients import grad
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError
from tinygrad_cnn.testing.comparisons import Comparison, Effort
from tinygrad_cnn.testing.diagnosis import diagnose
from tinygrad_cnn.testing.probes import Probe
from tinygrad_cnn.testing.reports import Finding, GradientMismatch, GradientReport


def check_grad(f: Callable[..., Any], inputs: Sequence[Any], *, order: int = 1, **effort: Any) -> GradientReport:
    """Check the gradients of `f` at `inputs` against finite differences, in float64.

    f: any function of Tensors that returns a Tensor, or several.
    inputs: its arguments. Floating-point arrays, and Tensors that require a gradient, are checked (as float64 copies).
    order: 1, or 2 to check the derivative of the derivative too.
    effort: coordinates=200 compared one by one at most, directions=8 joint ones, rtol=1e-6 allowed beyond what finite
    differences cannot resolve, seed=0 of the random choices.

    What is compared are slopes of <f(x), v> for one random v, so that a single backward pass serves all outputs.
    Where `f` has a kink the analytic value must lie between the one-sided slopes, along every line that is tried.

    Raises: GradientMismatch, with the report, where a derivative is wrong.

    Example:
        >>> import numpy as np
        >>> import tinygrad_cnn as tg
        >>> check_grad(lambda x: tg.relu(x) * x, [np.array([-1.0, 0.0, 2.0])], order=2).ok
        True
    """
    report = gradient_report(f, inputs, order=order, **effort)
    if not report.ok:
        raise GradientMismatch(report)
    return report


def check_op(primitive: Any, *inputs: Any, order: int = 2, **effort: Any) -> GradientReport:
    """Check the rules of one primitive at `inputs`, to second order unless told otherwise; `effort` as in `check_grad`.

    It also must stay in float32 on float32 inputs, forward and backward.

    Raises: GradientMismatch, with the report, where a rule is wrong or a dtype changes.

    Example:
        >>> import numpy as np
        >>> import tinygrad_cnn as tg
        >>> @tg.primitive
        ... def cube(x):
        ...     return x**3
        >>> _ = cube.defvjp(x=lambda g, x: g * x**2)  # the 3 is missing
        >>> check_op(cube, np.array([1.0, 2.0]))
        Traceback (most recent call last):
        ...
        tinygrad_cnn.testing.reports.GradientMismatch: cube, second order: WRONG (...)
          at fault: the rule of cube for x
          ...
          hint: off by a constant factor of 0.3333
          ...
    """
    report = check_grad(primitive, inputs, order=order, **effort)
    if widened := _widened(Probe(primitive, inputs)):
        report.add(Finding("dtype", detail=widened))
        raise GradientMismatch(report)
    return report


def _widened(probe: Probe) -> str:
    """What leaves float32 when all inputs are float32; '' where nothing does."""
    tensors, outputs = probe.call([array.astype(np.float32) for array in probe.point], requires_grad=True)
    if any(output.dtype != np.float32 for output in outputs):
        return "float32 inputs give a float64 output; keep constants as Python scalars, which do not promote"
    recorded = [output for output in outputs if output.requires_grad]
    try:
        grad(recorded, tensors, [np.ones_like(output.data) for output in recorded], allow_unused=True)
    except DTypeError as error:
        return str(error)
    return ""


def gradient_report(f: Callable[..., Any], inputs: Sequence[Any], *, order: int = 1, **effort: Any) -> GradientReport:
    """Like `check_grad`, but returning the report also where it is not fine."""
    if order not in (1, 2):
        raise ArgumentError(f"check_grad: order must be 1 or 2, got {order}")
    if not isinstance(inputs, list | tuple):
        raise ArgumentTypeError(f"check_grad: expects a list of inputs, got a {type(inputs).__name__}; write [x]")
    options = Effort.of(effort)
    probe = Probe(f, inputs)
    if not probe.call([array.copy() for array in probe.point], requires_grad=False)[1]:
        raise DTypeError(
            f"{probe.name}: expects a function that returns a floating-point Tensor; this one has no slope"
        )
    return report_on(probe, order, options)


def report_on(probe: Probe, order: int, effort: Effort) -> GradientReport:
    """The report on a probe, diagnosed where it is not fine."""
    report = GradientReport(probe.name, order)
    Comparison(probe, report, effort).run()
    if order == 2 and report.ok and (derivative := probe.derivative()) is not None:
        Comparison(derivative, report, effort).run()
        if report.faults:
            diagnose(report, derivative, effort, forward=probe)
    elif report.faults:
        diagnose(report, probe, effort)
    if not report.ok:
        report.reproduction = _reproduction(probe, order)
    return report


def _reproduction(probe: Probe, order: int) -> str:
    arguments = []
    for i, value in enumerate(probe.inputs):
        array = probe.point[probe.checked.index(i)] if i in probe.checked else value
        text = np.array_repr(array, max_line_width=100) if isinstance(array, np.ndarray) else repr(array)
        arguments.append(text.replace("array(", "np.array("))
    if sum(map(len, arguments)) > 2000:
        return ""
    return f"testing.check_grad({probe.name}, [{', '.join(arguments)}], order={order})"
