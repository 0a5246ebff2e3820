"""The convolution of CNNs (a cross-correlation), and its two gradients.

With X the padded input and F the filters, the bias b added once per output channel,

    y[n,o,i,j] = sum_c sum_k sum_l X[n, c, i S + k D, j S + l D] F[o,c,k,l] + b[o]

is one trilinear form T(x, w, g) = <conv2d(x, w), g>. Fixing two of its arguments leaves a linear function of the third,
so its partial gradients are three primitives that differentiate into each other:

    conv2d             (x, w) -> y      x: conv2d_input_grad(g, w)     w: conv2d_weight_grad(x, g)
    conv2d_input_grad  (g, w) -> x      g: conv2d(u, w)                w: conv2d_weight_grad(u, g)
    conv2d_weight_grad (x, g) -> w      x: conv2d_input_grad(g, u)     g: conv2d(x, u)

    dJ/dX[n,c,p,q] = sum_o sum_(i,k: i S + k D = p) sum_(j,l: j S + l D = q) g[n,o,i,j] F[o,c,k,l]
    dJ/dF[o,c,k,l] = sum_n sum_i sum_j g[n,o,i,j] X[n, c, i S + k D, j S + l D]
    dJ/db[o]       = sum_n sum_i sum_j g[n,o,i,j]

One frozen `Window` (the input's size included) passes along unchanged. A transposed convolution is `conv2d_input_grad`
over the window of the convolution that it transposes. `unfold` lays the windows X[n, c, i S + k D, j S + l D] side by
side, `fold` adds them up again, and each is the other's adjoint.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn import kernels
from tinygrad_cnn.core.decorator import primitive
from tinygrad_cnn.core.tensors import Tensor
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from tinygrad_cnn.geometry import Pair, Sizes, Window, pair, single, window
from tinygrad_cnn.ops.reductions import _sum
from tinygrad_cnn.ops.shapes import _pad, _reshape
from tinygrad_cnn.ops.unbatched import also_unbatched


@primitive
def _conv2d(x, w, b, window, groups):
    return kernels.conv2d(x, w, b, window, groups)


@primitive
def _conv2d_input_grad(g, w, window, groups):
    return kernels.conv2d_input_grad(g, w, window, groups)


@primitive
def _conv2d_weight_grad(x, g, window, groups):
    return kernels.conv2d_weight_grad(x, g, window, groups)


_conv2d.defvjp(
    x=lambda g, w, window, groups: _conv2d_input_grad(g, w, window, groups),
    w=lambda g, x, window, groups: _conv2d_weight_grad(x, g, window, groups),
    b=lambda g: _sum(g, (0, 2, 3), False),
)
_conv2d_input_grad.defvjp(
    g=lambda u, w, window, groups: _conv2d(u, w, None, window, groups),
    w=lambda u, g, window, groups: _conv2d_weight_grad(u, g, window, groups),
)
_conv2d_weight_grad.defvjp(
    x=lambda u, g, window, groups: _conv2d_input_grad(g, u, window, groups),
    g=lambda u, x, window, groups: _conv2d(x, u, None, window, groups),
)


@primitive
def _unfold(x, window):
    return kernels.unfold(x, window)


@primitive
def _fold(v, window):
    return kernels.fold(v, window)


_unfold.defvjp(x=lambda g, window: _fold(g, window))
_fold.defvjp(v=lambda u, window: _unfold(u, window))


@also_unbatched(4)
def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """The inner product of each filter with each window of the input.

    Shapes: input (N, C, H, W) or (C, H, W), weight (O, C / groups, KH, KW), bias (O) -> (N, O, OH, OW) or (O, OH, OW),
    where OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1.

    Units: stride, padding and dilation in pixels, an int or a pair (along H, along W); padding also 'valid' (none) or
    'same' (OH = ceil(H / stride); an odd total gives the extra pixel to the end).

    Gradient: derived at the top of this file. Rows and columns that the stride leaves unread get 0.

    Raises: ShapeError where channels or sizes do not fit, ArgumentError for a stride of 0 and the like.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", sections 2 and 4.

    Example:
        >>> import numpy as np
        >>> x = Tensor(np.ones((1, 1, 4, 4), np.float32))
        >>> conv2d(x, Tensor(np.ones((2, 1, 3, 3), np.float32)), padding=1).shape
        (1, 2, 4, 4)
    """
    _check("conv2d", input, weight, bias, groups)
    frame = window("conv2d", input.shape[2:], weight.shape[2:], stride, padding, dilation)
    return _conv2d(input, weight, bias, frame, groups)


@also_unbatched(3)
def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """`conv2d` along one axis.

    Shapes: input (N, C, L) or (C, L), weight (O, C / groups, K), bias (O) -> (N, O, OL) or (O, OL).
    """
    _check("conv1d", input, weight, bias, groups, axes=1)
    steps, apart = (1, single(stride, "conv1d: stride", 1)), (1, single(dilation, "conv1d: dilation", 1))
    border = padding if isinstance(padding, str) else (0, single(padding, "conv1d: padding", 0))
    (*batch, L), (*filters, K) = input.shape, weight.shape
    frame = window("conv1d", (1, L), (1, K), steps, border, apart)
    y = _conv2d(_reshape(input, (*batch, 1, L)), _reshape(weight, (*filters, 1, K)), bias, frame, groups)
    return _reshape(y, (*y.shape[:2], y.shape[3]))


# ---- transposed ------------------------------------------------------------------------------------------------------


@also_unbatched(4)
def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """The input gradient of a convolution, as an operation of its own: every pixel of the input spreads its filter.

    Shapes: input (N, C, H, W) or (C, H, W), weight (C, O / groups, KH, KW), bias (O) -> (N, O, OH, OW) or (O, OH, OW),
    where OH = (H - 1) stride - 2 padding + dilation (KH - 1) + 1 + output_padding.

    Units: pixels, an int or a pair (along H, along W). output_padding, smaller than the stride or the dilation, says
    which of the sizes that a convolution of this stride makes equal is meant.

    Gradient: that in the input is `conv2d` of g, that in the weight the weight gradient of that convolution.

    Raises: ShapeError where channels or sizes do not fit, ArgumentError for a stride of 0 and the like.

    Source: Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", chapter 4.

    Example:
        >>> import numpy as np
        >>> filters = Tensor(np.ones((1, 1, 2, 2), np.float32))
        >>> conv_transpose2d(Tensor([[[[1.0, 2.0]]]]), filters, stride=2).tolist()
        [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]
    """
    _check("conv_transpose2d", input, weight, bias, groups, transposed=True)
    frame, rest = _transposed_window(input.shape[2:], weight.shape[2:], stride, padding, output_padding, dilation)
    y = _conv2d_input_grad(input, weight, frame, groups)
    if rest != (0, 0):
        y = _pad(y, ((0, 0), (0, 0), (0, rest[0]), (0, rest[1])), 0.0)
    return y if bias is None else y + _reshape(bias, (-1, 1, 1))


def _transposed_window(
    size: Pair, kernel: Pair, stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes
) -> tuple[Window, Pair]:
    """The window of the convolution that leads back to `size`, and the rows and columns of 0 that lie beyond it."""
    name = "conv_transpose2d"
    steps, borders = pair(stride, f"{name}: stride", 1), pair(padding, f"{name}: padding", 0)
    extras, apart = pair(output_padding, f"{name}: output_padding", 0), pair(dilation, f"{name}: dilation", 1)
    pair(kernel, f"{name}: kernel_size", 1)
    sizes, paddings, rests = [], [], []
    for pixels, taps, step, border, extra, d in zip(size, kernel, steps, borders, extras, apart, strict=True):
        if extra >= max(step, d):
            raise ArgumentError(
                f"{name}: output_padding must be smaller than the stride or the dilation, "
                f"got {extra} with stride {step} and dilation {d}"
            )
        reached = (pixels - 1) * step + d * (taps - 1) + 1  # by the filters, the padding not yet cut off
        wanted = reached - 2 * border + extra
        if not pixels or wanted < 1:
            raise ShapeError(
                f"{name}: kernel {taps} with stride {step}, dilation {d} and padding {border} leaves nothing of a size "
                f"of {pixels}; use a smaller padding"
            )
        rest = max(0, extra - border)  # pixels that no filter reaches; a convolution leaves up to stride - 1 unread
        rest = rest if rest >= step else 0
        sizes.append(wanted - rest)
        paddings.append((border, max(0, border - extra)))
        rests.append(rest)
    return window(name, sizes, kernel, steps, paddings, apart), (rests[0], rests[1])


# ---- windows side by side --------------------------------------------------------------------------------------------


@also_unbatched(4)
def unfold(input: Any, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1) -> Tensor:
    """The windows of the input as the columns of a matrix.

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C KH KW, P) or (C KH KW, P), where P = OH OW is the number of windows.

    Gradient: g, folded.

    Raises: ShapeError where the window does not fit, ArgumentError for a stride of 0 and the like.

    Example:
        >>> unfold(Tensor([[[[1.0, 2.0, 3.0]]]]), (1, 2)).tolist()
        [[[1.0, 2.0], [2.0, 3.0]]]
    """
    if len(input.shape) != 4:
        raise ShapeError(f"unfold: expects an input (N, C, H, W) or (C, H, W), got shape {input.shape}")
    border = pair(padding, "unfold: padding", 0)
    return _unfold(input, window("unfold", input.shape[2:], kernel_size, stride, border, dilation))


@also_unbatched(3)
def fold(
    input: Any,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Images from the windows that `unfold` gives, which are added where they overlap.

    Shapes: (N, C KH KW, P) or (C KH KW, P) -> (N, C, H, W) or (C, H, W), where output_size = (H, W) has P windows.

    Gradient: g, unfolded.

    Raises: ShapeError where the sizes do not fit each other, ArgumentError for a stride of 0 and the like.

    Example:
        >>> fold(Tensor([[[1.0, 2.0], [2.0, 3.0]]]), (1, 3), (1, 2)).tolist()
        [[[[1.0, 4.0, 3.0]]]]
    """
    if len(input.shape) != 3:
        raise ShapeError(f"fold: expects an input (N, C KH KW, P) or (C KH KW, P), got shape {input.shape}")
    border = pair(padding, "fold: padding", 0)
    frame = window("fold", output_size, kernel_size, stride, border, dilation)
    (KH, KW), (OH, OW) = frame.kernel, frame.output_size
    if not input.shape[1] or input.shape[1] % (KH * KW) or input.shape[2] != OH * OW:
        raise ShapeError(
            f"fold: an output {frame.size[0]}x{frame.size[1]} expects {OH * OW} windows of C x {KH}x{KW} elements, "
            f"got input {input.shape}"
        )
    return _fold(input, frame)


# ---- validation ------------------------------------------------------------------------------------------------------


def _check(
    operation: str, input: Any, weight: Any, bias: Any, groups: int, axes: int = 2, transposed: bool = False
) -> None:
    letters, taps = ("N, C, H, W", "KH, KW") if axes == 2 else ("N, C, L", "K")
    if len(input.shape) != 2 + axes or len(weight.shape) != 2 + axes:
        layout = "C, O / groups" if transposed else "O, C / groups"
        raise ShapeError(
            f"{operation}: expects an input ({letters}) and a weight ({layout}, {taps}), "
            f"got input {input.shape} and weight {weight.shape}"
        )
    outputs = _output_channels(operation, input.shape, weight.shape, groups, transposed)
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(f"{operation}: expects a bias of shape {(outputs,)}, got {bias.shape}")
    for name, operand in (("weight", weight), ("bias", bias)):
        if operand is not None and operand.dtype != input.dtype:
            raise DTypeError(f"{operation}: input is {input.dtype}, {name} is {operand.dtype}; convert one of them")


def _output_channels(
    operation: str, input_shape: tuple[int, ...], weight_shape: tuple[int, ...], groups: int, transposed: bool
) -> int:
    if type(groups) is not int:
        raise ArgumentTypeError(f"{operation}: groups expects an int, got {groups!r}")
    if groups < 1:
        raise ArgumentError(f"{operation}: groups must be at least 1, got {groups}")
    channels, (first, second) = input_shape[1], weight_shape[:2]
    expected = first if transposed else second * groups
    if channels != expected:
        by_groups = f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(
            f"{operation}: weight expects {expected} input channels{by_groups}, input has {channels} "
            f"(input {input_shape}, weight {weight_shape}); pass in_channels={channels}"
        )
    if not first or not second:
        raise ShapeError(f"{operation}: expects at least one filter and one input channel, got weight {weight_shape}")
    if first % groups:
        raise ShapeError(
            f"{operation}: {first} {'input channels' if transposed else 'filters'} do not divide into {groups} groups"
        )
    return second * groups if transposed else first
