"""How an operation is held against PyTorch's: values, first and second derivatives, refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg

torch: Any = import_module("torch")
torch.set_num_threads(1)

CASES: Counter[tuple[str, str, int]] = Counter()  # (operation, options, order of derivative) -> cases compared
TOLERANCE = {np.dtype(np.float64): 1e-10, np.dtype(np.float32): 1e-5}


def assert_parity(
    operation: str,
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    options: str = "",
    order: int = 2,
    special: bool = False,
) -> None:
    """`ours(*inputs)` and `theirs(*inputs)` agree in shape, dtype, value and derivatives up to `order`.

    inputs: arrays become Tensors on both sides, floating-point ones with a gradient; anything else goes in as it is.
    special: infinities and NaN are among the inputs, and NumPy may warn of them.
    """
    mine = [_leaf(x, tg.tensor) for x in inputs]
    other = [_leaf(x, _torch_tensor) for x in inputs]
    with np.errstate(all="ignore" if special else None):
        our_outputs, their_outputs = _sequence(ours(*mine)), _sequence(theirs(*other))
        _compare(operation, options, "value", our_outputs, their_outputs)
        CASES[operation, options, 0] += 1
        rng = np.random.default_rng(0)
        for level in range(1, order + 1):
            differentiable = [i for i, y in enumerate(their_outputs) if y is not None and y.requires_grad]
            if not differentiable:
                return
            seeds = [_seed(rng, their_outputs[i]) for i in differentiable]
            our_outputs = _our_gradients([our_outputs[i] for i in differentiable], mine, seeds, level < order)
            their_outputs = _their_gradients([their_outputs[i] for i in differentiable], other, seeds, level < order)
            _compare(operation, options, f"derivative {level}", our_outputs, their_outputs)
            CASES[operation, options, level] += 1


def assert_both_refuse(ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    """Both raise: ours an error of the package, theirs any."""
    with pytest.raises(Exception):  # noqa: B017, PT011  (PyTorch's errors are of many classes)
        theirs()
    with pytest.raises(tg.errors.TinygradCnnError):
        ours()


def assert_close(actual: Any, expected: Any, what: str = "", tolerance: float | None = None) -> None:
    """NaN and infinities at the same places; elsewhere the norm of the difference is small beside that of `expected`.

    A norm below 1 counts as 1: where terms of the size of 1 cancel, only rounding remains.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, PyTorch has {expected.shape}"
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, PyTorch has {expected.dtype}"
    if actual.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected, what)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.where(finite, 0, actual), np.where(finite, 0, expected), what)
    distance = np.linalg.norm(np.where(finite, actual, 0) - np.where(finite, expected, 0))
    bound = TOLERANCE[actual.dtype] if tolerance is None else tolerance
    size = max(1.0, float(np.linalg.norm(np.where(finite, expected, 0))))
    assert distance <= bound * size, f"{what}: differs by {distance / size:.2e}:\n{actual}\nPyTorch:\n{expected}"


def _compare(operation: str, options: str, what: str, ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    assert len(ours) == len(theirs)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a is None or b is None:  # no gradient, and a gradient of zeros, mean the same
            present = b.detach().numpy(force=True) if a is None and b is not None else a.data if a is not None else 0
            assert not np.any(present), f"{operation}({options}) {what} {i}: only one side has it"
            continue
        assert_close(a.data, b.detach().numpy(force=True), f"{operation}({options}) {what} {i}")


def _leaf(x: Any, make: Callable[..., Any]) -> Any:
    return make(x, requires_grad=x.dtype.kind == "f") if isinstance(x, np.ndarray) else x


def _torch_tensor(x: Any, requires_grad: bool) -> Any:
    return torch.from_numpy(np.array(x, order="C")).requires_grad_(requires_grad)


def _sequence(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _seed(rng: np.random.Generator, output: Any) -> Any:
    return rng.normal(size=tuple(output.shape)).astype(output.detach().numpy(force=True).dtype)


def _our_gradients(outputs: list[Any], inputs: list[Any], seeds: list[Any], record: bool) -> list[Any]:
    wanted = [x for x in inputs if isinstance(x, tg.Tensor) and x.requires_grad]
    # What PyTorch records although it is constant (the gradient of a linear operation) is a constant here.
    pairs = [(y, tg.tensor(g)) for y, g in zip(outputs, seeds, strict=True) if y is not None and y.requires_grad]
    if not pairs:
        return [None] * len(wanted)
    recorded, cotangents = zip(*pairs, strict=True)
    return list(tg.grad(recorded, wanted, cotangents, create_graph=record, allow_unused=True))


def _their_gradients(outputs: list[Any], inputs: list[Any], seeds: list[Any], record: bool) -> list[Any]:
    wanted = [x for x in inputs if isinstance(x, torch.Tensor) and x.requires_grad]
    cotangents = [torch.from_numpy(np.asarray(g)) for g in seeds]
    return list(torch.autograd.grad(outputs, wanted, cotangents, create_graph=record, allow_unused=True))
