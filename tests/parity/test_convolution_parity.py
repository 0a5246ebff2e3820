"""Convolution, its transpose, its windows and its borders against PyTorch's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinygrad_cnn as tg
from tests.parity.comparing import assert_both_refuse, assert_parity
from tinygrad_cnn import nn
from tinygrad_cnn.testing.strategies import arrays

torch: Any = import_module("torch")
F = torch.nn.functional

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

DTYPES = st.sampled_from([np.float64, np.float32])


def per_axis(axes: int, low: int, high: int) -> Any:
    """An int, or one per axis."""
    return st.one_of(st.integers(low, high), st.tuples(*[st.integers(low, high)] * axes))


@st.composite
def convolved(draw: Any, axes: int, transposed: bool = False) -> tuple[list[Any], dict[str, Any]]:
    """([input, weight, bias], options), with empty batches, single images, and groups up to one per channel."""
    groups = draw(st.integers(1, 3))
    ins, outs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * axes))
    size = draw(st.tuples(*[st.integers(1, 7)] * axes))
    options: dict[str, Any] = {
        "stride": draw(per_axis(axes, 1, 3)),
        "padding": draw(per_axis(axes, 0, 2)),
        "dilation": draw(per_axis(axes, 1, 2)),
        "groups": groups,
    }
    batch = draw(st.sampled_from([(), (0,), (1,), (3,)]))
    if transposed:
        options["output_padding"] = draw(per_axis(axes, 0, 2))
        if batch == (0,):  # where PyTorch does not check whether they fit
            options["output_padding"] = options["padding"] = 0
    elif draw(st.booleans()):
        options["padding"] = draw(st.sampled_from(["same", "valid"]))
        options["stride"] = 1 if options["padding"] == "same" else options["stride"]
    dtype = draw(DTYPES)
    shape = (ins, outs // groups) if transposed else (outs, ins // groups)
    x = draw(arrays((*batch, ins, *size), dtype=dtype))
    bias = draw(st.one_of(st.none(), arrays((outs,), dtype=dtype)))
    return [x, draw(arrays((*shape, *kernel), dtype=dtype)), bias], options


def compare(name: str, inputs: list[Any], options: dict[str, Any], **more: Any) -> None:
    """The two functions of that name, or a refusal by both."""
    ours, theirs = getattr(tg, name), getattr(F, name)
    tensors = [None if x is None else torch.from_numpy(np.array(x)) for x in inputs]
    try:
        y = theirs(*tensors, **options)
    except (RuntimeError, ValueError):
        assert_both_refuse(
            lambda: ours(*(None if x is None else tg.tensor(x) for x in inputs), **options),
            lambda: theirs(*tensors, **options),
        )
        return
    if 0 in y.shape[-2:] and name == "conv_transpose2d":
        return  # ours refuses to make an image without a pixel
    summary = ", ".join(sorted(option for option, value in options.items() if value not in (0, 1)))
    assert_parity(
        name, lambda *xs: ours(*xs, **options), lambda *xs: theirs(*xs, **options), inputs, options=summary, **more
    )


@given(convolved(2))
def test_conv2d(drawn: Any) -> None:
    compare("conv2d", *drawn)


@given(convolved(1))
def test_conv1d(drawn: Any) -> None:
    compare("conv1d", *drawn)


@given(convolved(2, transposed=True))
def test_conv_transpose2d(drawn: Any) -> None:
    compare("conv_transpose2d", *drawn)


@pytest.mark.parametrize(
    ("stride", "padding", "output_padding", "dilation"),
    [(2, 1, 1, 1), (3, 0, 2, 1), (1, 0, 1, 2), (1, 1, 2, 3), (1, 0, 2, 3), (2, 0, 2, 3), ((1, 3), (2, 0), (1, 2), 2)],
)
def test_conv_transpose2d_with_output_padding(stride: Any, padding: Any, output_padding: Any, dilation: Any) -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in ((2, 4, 5, 4), (4, 3, 3, 2), (6,))]
    options = {"stride": stride, "padding": padding, "output_padding": output_padding, "dilation": dilation}
    compare("conv_transpose2d", inputs, {**options, "groups": 2})


@given(arrays((2, 2, 4, 5), values="special"), arrays((2, 1, 2, 2)))
def test_conv2d_of_infinities_and_nan(x: Any, w: Any) -> None:
    """The values only: where infinities meet in a sum, the order of the terms decides what is NaN."""
    x = np.where(np.isinf(x), np.nan, x)
    compare("conv2d", [x, w, None], {"groups": 2, "padding": 1}, order=0, special=True)


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        (((2, 3, 5, 5), (4, 2, 3, 3), None), {}),
        (((2, 3, 5, 5), (4, 3, 3, 3), (3,)), {}),
        (((2, 3, 5, 5), (4, 3, 6, 3), None), {}),
        (((2, 3, 5, 5), (4, 3, 3, 3), None), {"stride": 0}),
        (((2, 3, 5, 5), (4, 3, 3, 3), None), {"dilation": 0}),
        (((2, 3, 5, 5), (4, 3, 3, 3), None), {"padding": -1}),
        (((2, 3, 5, 5), (4, 3, 3, 3), None), {"padding": "full"}),
        (((2, 3, 5, 5), (4, 3, 3, 3), None), {"groups": 0}),
        (((2, 4, 5, 5), (3, 2, 3, 3), None), {"groups": 2}),
        (((5, 5), (4, 3, 3, 3), None), {}),
        (((1, 2, 3, 5, 5), (4, 3, 3, 3), None), {}),
    ],
    ids=str,
)
def test_conv2d_refuses_what_pytorch_refuses(shapes: Any, options: dict[str, Any]) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        F.conv2d(*(None if shape is None else torch.zeros(shape) for shape in shapes), **options)
    compare("conv2d", [None if shape is None else np.zeros(shape) for shape in shapes], options)


# ---- windows side by side


@st.composite
def unfolded(draw: Any, adjoint: bool = False) -> tuple[list[Any], dict[str, Any]]:
    axes = {"kernel_size": (1, 3), "stride": (1, 3), "padding": (0, 2), "dilation": (1, 2)}
    options = {name: draw(per_axis(2, *bounds)) for name, bounds in axes.items()}
    size, batch = draw(st.tuples(st.integers(2, 6), st.integers(2, 6))), draw(st.sampled_from([(), (1,), (3,)]))
    shape = (*batch, draw(st.integers(1, 2)), *size)
    if adjoint:
        try:
            shape = tuple(F.unfold(torch.zeros(shape), **options).shape)
        except RuntimeError:
            assume(False)
        options["output_size"] = size
    return [draw(arrays(shape, dtype=draw(DTYPES)))], options


@given(unfolded())
def test_unfold(drawn: Any) -> None:
    compare("unfold", *drawn)


@given(unfolded(adjoint=True))
def test_fold(drawn: Any) -> None:
    compare("fold", *drawn)


@pytest.mark.parametrize("shape", [(2, 8, 7), (2, 7, 9), (2, 2, 4, 9), (8,), (2, 0, 9)])
def test_fold_refuses_what_pytorch_refuses(shape: Any) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        F.fold(torch.zeros(shape), (4, 4), 2)
    compare("fold", [np.zeros(shape)], {"output_size": (4, 4), "kernel_size": 2})


# ---- borders


@given(st.data(), st.sampled_from(["reflect", "replicate", "circular"]), st.integers(1, 2), DTYPES)
def test_borders_of_the_image_itself(data: Any, mode: str, axes: int, dtype: Any) -> None:
    shape = (*data.draw(st.sampled_from([(2,), (1, 2)])), *data.draw(st.tuples(*[st.integers(1, 4)] * axes)))
    widths = data.draw(st.lists(st.integers(0, 5), min_size=2 * axes, max_size=2 * axes))
    x = data.draw(arrays(shape, values=data.draw(st.sampled_from(["any", "special"])), dtype=dtype))
    compare("pad", [x], {"pad": tuple(widths), "mode": mode}, special=True)


@given(st.data(), st.sampled_from([None, 0.0, -1.5, np.inf]), DTYPES)
def test_borders_of_a_constant_also_crop(data: Any, value: Any, dtype: Any) -> None:
    x = data.draw(arrays(dtype=dtype))
    dims = data.draw(st.integers(0, x.ndim))
    widths = data.draw(st.lists(st.integers(-2, 3), min_size=2 * dims, max_size=2 * dims))
    compare("pad", [x], {"pad": tuple(widths), "value": value})


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3, 4), {"pad": (1,)}),
        ((3, 4), {"pad": (1,) * 6}),
        ((3, 4), {"pad": (0, -5)}),
        ((2, 3, 4), {"pad": (1, 1), "mode": "edge"}),
        ((2, 3, 4), {"pad": (1, 1), "mode": "reflect", "value": 1.0}),
        ((2, 3, 4), {"pad": (4, 0), "mode": "reflect"}),
        ((2, 3, 4), {"pad": (5, 0), "mode": "circular"}),
        ((4,), {"pad": (1, 1), "mode": "replicate"}),
        ((2, 3, 4, 4), {"pad": (1, 1), "mode": "replicate"}),
    ],
    ids=str,
)
def test_pad_refuses_what_pytorch_refuses(shape: Any, options: dict[str, Any]) -> None:
    with pytest.raises((RuntimeError, ValueError, NotImplementedError)):
        F.pad(torch.zeros(shape), **options)
    assert_both_refuse(
        lambda: tg.pad(tg.tensor(np.zeros(shape)), **options), lambda: F.pad(torch.zeros(shape), **options)
    )


# ---- layers


def same_layer(ours: Any, theirs: Any, x: Any) -> None:
    """Both with our parameters; the gradients in them too."""
    names = [name for name, _ in ours.named_parameters()]
    assert names == [name for name, _ in theirs.named_parameters()]
    parameters = [parameter.data.astype(x.dtype) for parameter in ours.parameters()]

    def run_ours(x: Any, *values: Any) -> Any:
        for name, value in zip(names, values, strict=True):
            object.__setattr__(ours, name, value)
        return type(ours).forward(ours, x)

    def run_theirs(x: Any, *values: Any) -> Any:
        return torch.func.functional_call(theirs, dict(zip(names, values, strict=True)), (x,))

    assert_parity(f"nn.{type(ours).__name__}", run_ours, run_theirs, [x, *parameters])


LAYERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "Conv2d": ((3, 4, (3, 2)), {"stride": 2, "padding": (1, 0)}),
    "Conv2d reflect": ((3, 4, 3), {"padding": (2, 1), "padding_mode": "reflect", "stride": 2}),
    "Conv2d replicate": ((3, 3, 3), {"padding": 2, "padding_mode": "replicate", "groups": 3, "bias": False}),
    "Conv2d circular": ((3, 4, 3), {"padding": 1, "padding_mode": "circular", "dilation": 2}),
    "Conv2d reflect same": ((3, 4, (2, 4)), {"padding": "same", "padding_mode": "reflect"}),
    "Conv2d reflect valid": ((3, 4, 2), {"padding": "valid", "padding_mode": "reflect"}),
    "Conv1d": ((3, 4, 3), {"stride": 2, "padding": 1}),
    "Conv1d circular": ((3, 4, 3), {"padding": 2, "padding_mode": "circular"}),
    "Conv1d replicate same": ((3, 4, 4), {"padding": "same", "padding_mode": "replicate"}),
    "ConvTranspose2d": ((3, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 3}),
    "ConvTranspose2d dilated": ((3, 2, (2, 3)), {"dilation": 2, "bias": False}),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers(case: str) -> None:
    name, (arguments, options) = case.split()[0], LAYERS[case]
    x = np.random.default_rng(0).normal(size=(2, 3, 6) if name == "Conv1d" else (2, 3, 6, 5))
    same_layer(getattr(nn, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options), x)


@pytest.mark.parametrize("name", ["ZeroPad2d", "ReflectionPad2d", "ReplicationPad2d", "CircularPad2d"])
@pytest.mark.parametrize("padding", [1, (2, 0, 1, 2)])
def test_padding_layers(name: str, padding: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    same_layer(getattr(nn, name)(padding), getattr(torch.nn, name)(padding), x)


def test_unfold_and_fold_layers() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    same_layer(nn.Unfold((2, 3), 1, 1, 2), torch.nn.Unfold((2, 3), 1, 1, 2), x)
    columns = x.reshape(2, 12, 5)
    same_layer(nn.Fold((2, 6), (2, 2)), torch.nn.Fold((2, 6), (2, 2)), columns)
