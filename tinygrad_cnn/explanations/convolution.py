"""The explanation of conv2d."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.errors import ArgumentError
from tinygrad_cnn.explanations import samples
from tinygrad_cnn.explanations.measurements import Array, Measurement
from tinygrad_cnn.explanations.numbers_in_formulas import Term, expansion, index, product
from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.explanations.windows import busiest_pixel, padded, places, readers, say_sizes, taps
from tinygrad_cnn.geometry import Pair, Sizes, Window, mirrored, window
from tinygrad_cnn.kernels.numpy import convolution as kernels
from tinygrad_cnn.ops.convolution import _conv2d

FORWARD = r"Z_{ij} = \sum_{k=0}^{H_F-1} \sum_{l=0}^{W_F-1} X_{k+iS,\,l+jS} F_{kl} + b"
GENERAL = r"Z_{noij} = \sum_c \sum_{k=0}^{H_F-1} \sum_{l=0}^{W_F-1} X_{n,\,c,\,kD+iS,\,lD+jS} F_{ockl} + b_o"
PARTIAL_X = (
    r"\frac{\partial Z_{ij}}{\partial X_{mn}}"
    r" &= \sum_{k=0}^{H_F-1} \sum_{l=0}^{W_F-1} \delta_{k+iS,\,m} \delta_{l+jS,\,n} F_{kl}",
    r"&= \begin{cases} F_{m-iS,\,n-jS} & \mathrm{if}\ 0 \leq m-iS < H_F\ \mathrm{and}\ 0 \leq n-jS < W_F \\"
    r" 0 & \mathrm{otherwise} \end{cases}",
)
PARTIAL_F = r"\frac{\partial Z_{ij}}{\partial F_{kl}} = X_{k+iS,\,l+jS}"
PARTIAL_B = r"\frac{\partial Z_{ij}}{\partial b} = 1"
CHAIN_X = (
    r"\frac{\partial J}{\partial X_{mn}} = \sum_{i:\, 0 \leq m-iS < H_F} \sum_{j:\, 0 \leq n-jS < W_F}"
    r" \frac{\partial J}{\partial Z_{ij}} F_{m-iS,\,n-jS}"
)
CHAIN_F = r"\frac{\partial J}{\partial F_{kl}} = \sum_{i} \sum_{j} \frac{\partial J}{\partial Z_{ij}} X_{k+iS,\,l+jS}"
CHAIN_B = r"\frac{\partial J}{\partial b} = \sum_{i} \sum_{j} \frac{\partial J}{\partial Z_{ij}}"
GENERAL_X = (
    r"\frac{\partial J}{\partial X_{ncpq}} = \sum_{o} \sum_{(i,k):\, iS+kD = p} \sum_{(j,l):\, jS+lD = q}"
    r" \frac{\partial J}{\partial Z_{noij}} F_{ockl}"
)
ARRAYS = (
    r"Z = f V + b",
    r"\frac{\partial J}{\partial X} = A^{\top} (f^{\top} G)",
    r"\frac{\partial J}{\partial F} = G V^{\top}",
)


@dataclass(frozen=True)
class _Case:
    """The arrays of one example, its window, and whether an index must say which image, channel and filter is meant."""

    x: Array
    w: Array
    b: Array
    window: Window
    groups: int

    @property
    def plane(self) -> bool:
        return self.x.shape[:2] == (1, 1) and len(self.w) == 1

    def channels(self, o: int) -> range:
        """The input channels that filter o reads."""
        each = self.w.shape[1]
        start = o // (len(self.w) // self.groups) * each
        return range(start, start + each)

    def filters(self, c: int) -> range:
        """The filters that read channel c."""
        each = len(self.w) // self.groups
        start = c // self.w.shape[1] * each
        return range(start, start + each)

    def at(self, letter: str, *place: int) -> str:
        """A letter with its index; of one image, one channel and one filter only the place within the plane."""
        if letter == "b":
            return "b" if self.plane else f"b_{index(*place)}"
        return f"{letter}_{index(*(place[2:] if self.plane else place))}"


def conv2d(
    page: Page,
    input: Any = None,
    weight: Any = None,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> None:
    """Fill a page: the sum, its derivatives, and both as the kernels compute them."""
    case = _case(input, weight, bias, stride, padding, dilation, groups)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    run = Measurement(
        lambda x, w, b: ops.conv2d(x, w, b, **options),  # type: ignore[arg-type]
        {"x": case.x, "w": case.w, "b": case.b},
        samples.loss_weights((len(case.x), len(case.w), *case.window.output_size)),
    )
    _derive(page)
    page.code(_conv2d, *_conv2d.rules.values(), *_kernels(case))
    _show_numbers(page, case, run)
    page.heading("notes")
    weights, biases = case.w.size, case.b.size
    page.say("notes", weights=weights, biases=biases, total=weights + biases, nine=3 * 3 + 1, six=3 * 2 + 1)


def _case(
    input: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes | str, dilation: Sizes, groups: int
) -> _Case:
    if (input is None) != (weight is None):
        raise ArgumentError("explain: conv2d expects input and weight, or neither for an example of its own")
    x = samples.image() if input is None else samples.batch_of("conv2d", "input", input)
    w = samples.filters() if weight is None else samples.array_of("conv2d", "weight", weight, 4)
    if bias is not None:
        b = samples.array_of("conv2d", "bias", bias, 1)
    else:
        b = samples.bias() if weight is None else np.zeros(len(w))
    return _Case(x, w, b, window("conv2d", x.shape[2:], w.shape[2:], stride, padding, dilation), groups)


def _derive(page: Page) -> None:
    page.heading("forward")
    page.say("forward")
    page.formula("forward", FORWARD)
    page.say("general")
    page.formula("general", GENERAL)
    page.heading("partial")
    page.say("partial")
    page.formula("partial.x", *PARTIAL_X)
    page.formula("partial.f", PARTIAL_F)
    page.formula("partial.b", PARTIAL_B)
    page.heading("chain")
    page.say("chain")
    page.formula("chain.x", CHAIN_X)
    page.formula("chain.f", CHAIN_F)
    page.formula("chain.b", CHAIN_B)
    page.say("general_chain")
    page.formula("general.x", GENERAL_X)
    page.heading("arrays")
    page.say("arrays")
    for key, line in zip(("arrays", "arrays.x", "arrays.f"), ARRAYS, strict=True):
        page.formula(key, line)


def _kernels(case: _Case) -> list[Any]:
    """The kernels that run: the input gradient takes one way or the other."""
    turns = mirrored(case.window) is not None and len(case.w) <= case.x.shape[1]
    way = kernels._turned if turns else kernels._add_columns
    return [
        kernels.conv2d,
        kernels._columns,
        kernels.conv2d_input_grad,
        way,
        kernels.conv2d_weight_grad,
    ]


def _show_numbers(page: Page, case: _Case, run: Measurement) -> None:
    X, frame = padded(case.x, case.window), case.window
    page.heading("example")
    N, C, H, W = case.x.shape
    page.say("example", N=N, C=C, H=H, W=W, O=len(case.w), H_F=frame.kernel[0], W_F=frame.kernel[1])
    say_sizes(page, frame, "F")
    page.say("common.loss")
    for name, planes in (("X", X), ("F", case.w), ("G", run.weights)):
        page.array(name if case.plane else f"{name}_{index(0, 0)}", planes[0, 0])

    page.heading("output")
    place = places(frame)[len(places(frame)) // 2]
    page.say("output", i=place[0], j=place[1], m=place[0] * frame.stride[0], n=place[1] * frame.stride[1])
    outputs, z_name = _output_terms(case, X, place), case.at("Z", 0, 0, *place)
    page.formula("number.output", *expansion(z_name, outputs))

    page.heading("input")
    pixel = busiest_pixel(frame)
    terms = _input_terms(case, run.weights, pixel)
    x_name = rf"\frac{{\partial J}}{{\partial {case.at('X', 0, 0, *pixel)}}}"
    (top, _), (left, _) = frame.padding
    found = ", ".join(f"$({i},{j})$" for (i, j), _ in readers(frame, pixel))
    inner = pixel[0] - top, pixel[1] - left
    page.say("input", m=pixel[0], n=pixel[1], row=inner[0], column=inner[1], windows=found or "-")
    page.formula("number.x", *expansion(x_name, terms))

    tap = (frame.kernel[0] // 2, frame.kernel[1] // 2)
    w_terms = _weight_terms(case, X, run.weights, tap)
    w_name = rf"\frac{{\partial J}}{{\partial {case.at('F', 0, 0, *tap)}}}"
    page.say("weight", k=tap[0], l=tap[1])
    page.formula("number.f", *expansion(w_name, w_terms))
    b_name = rf"\frac{{\partial J}}{{\partial {case.at('b', 0)}}}"
    page.compare(
        run.check_output(z_name, (0, 0, *place), sum(term.value for term in outputs)),
        run.check(x_name, "x", (0, 0, *inner), sum(term.value for term in terms)),
        run.check(w_name, "w", (0, 0, *tap), sum(term.value for term in w_terms)),
        run.check(b_name, "b", (0,), run.weights[:, 0].sum()),
    )


def _output_terms(case: _Case, X: Array, place: Pair) -> list[Term]:
    terms = []
    for position, c in enumerate(case.channels(0)):
        for tap, pixel in taps(case.window, place):
            x, f = X[0, c][pixel], case.w[0, position][tap]
            symbols = f"{case.at('X', 0, c, *pixel)} {case.at('F', 0, position, *tap)}"
            terms.append(Term(symbols, product(x, f), x * f))
    return [*terms, Term(case.at("b", 0), product(case.b[0]), case.b[0])]


def _input_terms(case: _Case, G: Array, pixel: Pair) -> list[Term]:
    terms = []
    for o in case.filters(0):
        for place, tap in readers(case.window, pixel):
            g, f = G[0, o][place], case.w[o, 0][tap]
            terms.append(Term(f"{case.at('G', 0, o, *place)} {case.at('F', o, 0, *tap)}", product(g, f), g * f))
    return terms


def _weight_terms(case: _Case, X: Array, G: Array, tap: Pair) -> list[Term]:
    terms = []
    for n in range(len(X)):
        for place in places(case.window):
            pixel = dict(taps(case.window, place))[tap]
            g, x = G[n, 0][place], X[n, 0][pixel]
            symbols = f"{case.at('G', n, 0, *place)} {case.at('X', n, 0, *pixel)}"
            terms.append(Term(symbols, product(g, x), g * x))
    return terms
