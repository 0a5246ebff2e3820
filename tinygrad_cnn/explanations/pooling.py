"""The explanations of max_pool2d and avg_pool2d."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn import ops
from tinygrad_cnn.explanations import samples
from tinygrad_cnn.explanations.measurements import Array, Check, Measurement
from tinygrad_cnn.explanations.numbers_in_formulas import Term, expansion, factor, index, number
from tinygrad_cnn.explanations.pages import Page
from tinygrad_cnn.explanations.windows import busiest_pixel, padded, places, readers, say_sizes, taps
from tinygrad_cnn.geometry import Pair, Sizes, Window, pair, window
from tinygrad_cnn.kernels.numpy import pooling as kernels
from tinygrad_cnn.ops.pooling import _avg_pool2d, _avg_pool2d_input_grad, _max_pool2d, _max_pool2d_scatter

REGION = r"R_{ij} = \{ X_{kl} : iS \leq k < iS+H_P\ \mathrm{and}\ jS \leq l < jS+W_P \}"
MAX_FORWARD = r"Z_{ij} = \max R_{ij} = X_{k_{ij},\,l_{ij}}"
MAX_PARTIAL = (
    r"\frac{\partial Z_{ij}}{\partial X_{mn}} = \begin{cases}"
    r" 1 & \mathrm{if}\ m = k_{ij}\ \mathrm{and}\ n = l_{ij} \\ 0 & \mathrm{otherwise} \end{cases}"
)
MAX_CHAIN = (
    r"\frac{\partial J}{\partial X_{mn}}"
    r" = \sum_{i} \sum_{j} \frac{\partial J}{\partial Z_{ij}} \delta_{m,\,k_{ij}} \delta_{n,\,l_{ij}}"
)
AVG_FORWARD = r"Z_{ij} = \frac{1}{D_{ij}} \sum_{k=iS}^{iS+H_P-1} \sum_{l=jS}^{jS+W_P-1} X_{kl}"
AVG_PARTIAL = (
    r"\frac{\partial Z_{ij}}{\partial X_{mn}} = \begin{cases}"
    r" \frac{1}{D_{ij}} & \mathrm{if}\ 0 \leq m-iS < H_P\ \mathrm{and}\ 0 \leq n-jS < W_P \\"
    r" 0 & \mathrm{otherwise} \end{cases}"
)
AVG_CHAIN = (
    r"\frac{\partial J}{\partial X_{mn}} = \sum_{i:\, 0 \leq m-iS < H_P} \sum_{j:\, 0 \leq n-jS < W_P}"
    r" \frac{1}{D_{ij}} \frac{\partial J}{\partial Z_{ij}}"
)
ARRAYS = (r"Z = A X", r"\frac{\partial J}{\partial X} = A^{\top} G")


def max_pool2d(
    page: Page,
    input: Any = None,
    kernel_size: Sizes = samples.POOL_SIZE,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> None:
    """Fill a page: the maximum of each window, which of its pixels gets the gradient, and what ties do."""
    x = samples.image() if input is None else samples.batch_of("max_pool2d", "input", input)
    steps = kernel_size if stride is None else stride
    options: dict[str, Any] = {"stride": steps, "padding": padding, "dilation": dilation, "ceil_mode": ceil_mode}
    y = ops.max_pool2d(x, kernel_size, **options)  # it refuses what does not fit
    frame = window("max_pool2d", x.shape[2:], kernel_size, steps, padding, dilation, ceil_mode)
    weights = np.abs(samples.loss_weights(tuple(y.shape)))  # of one sign: at a tie the rule lies between the slopes
    run = Measurement(lambda x: ops.max_pool2d(x, kernel_size, **options), {"x": x}, weights)
    _derive(page, MAX_FORWARD, MAX_PARTIAL, MAX_CHAIN)
    page.code(
        _max_pool2d,
        _max_pool2d.rules["x"],
        _max_pool2d_scatter,
        kernels.max_pool2d,
        kernels._maxima,
        kernels._first_maximum,
        kernels.max_pool2d_scatter,
    )
    X = padded(x, frame, -np.inf)[0, 0]
    firsts = {place: _first_maximum(X, frame, place) for place in places(frame)}
    _show_case(page, x, X, frame, run)
    output = _show_maximum(page, X, frame, firsts, run)
    pixel = _chosen(X, frame, firsts)
    terms = [
        Term(f"G_{index(*place)}", factor(run.weights[0, 0][place]), float(run.weights[0, 0][place]))
        for place in places(frame)
        if firsts[place] == pixel
    ]
    found = ", ".join(f"$({i},{j})$" for (i, j), _ in readers(frame, pixel))
    won = ", ".join(f"$({i},{j})$" for i, j in places(frame) if firsts[i, j] == pixel)
    page.heading("input")
    page.say("input", m=pixel[0], n=pixel[1], windows=found, won=won)
    _conclude(page, run, frame, pixel, terms, output)
    page.heading("notes")
    page.say("notes", H=x.shape[2], W=x.shape[3], H_P=frame.kernel[0], W_P=frame.kernel[1])
    _show_tie(page, X, frame, run)


def avg_pool2d(
    page: Page,
    input: Any = None,
    kernel_size: Sizes = samples.POOL_SIZE,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> None:
    """Fill a page: the mean of each window, and the share of the gradient that each of its pixels gets."""
    x = samples.image() if input is None else samples.batch_of("avg_pool2d", "input", input)
    steps = kernel_size if stride is None else stride
    options: dict[str, Any] = {
        "stride": steps,
        "padding": padding,
        "ceil_mode": ceil_mode,
        "count_include_pad": count_include_pad,
        "divisor_override": divisor_override,
    }
    y = ops.avg_pool2d(x, kernel_size, **options)
    frame = window("avg_pool2d", x.shape[2:], kernel_size, steps, padding, 1, ceil_mode)
    run = Measurement(
        lambda x: ops.avg_pool2d(x, kernel_size, **options), {"x": x}, samples.loss_weights(tuple(y.shape))
    )
    _derive(page, AVG_FORWARD, AVG_PARTIAL, AVG_CHAIN)
    page.code(
        _avg_pool2d,
        _avg_pool2d.rules["x"],
        _avg_pool2d_input_grad,
        kernels.avg_pool2d,
        kernels.avg_pool2d_input_grad,
    )
    X = padded(x, frame)[0, 0]
    borders = pair(padding, "avg_pool2d: padding", 0) if count_include_pad else (0, 0)
    divisors = {place: divisor_override or _counted(frame, place, borders) for place in places(frame)}
    _show_case(page, x, X, frame, run)
    place = _middle(frame)
    page.heading("output")
    page.say("output", i=place[0], j=place[1], divisor=divisors[place])
    terms = [Term(f"X_{index(*read)}", factor(X[read]), float(X[read])) for _, read in taps(frame, place)]
    total = sum(term.value for term in terms) / divisors[place]
    share = rf"\frac{{1}}{{{divisors[place]}}}"
    page.formula("number.output", *expansion(f"Z_{index(*place)}", terms, share, total))
    output = run.check_output(f"Z_{index(*place)}", (0, 0, *place), total)
    pixel = busiest_pixel(frame)
    G = run.weights[0, 0]
    parts = [
        Term(
            rf"\frac{{1}}{{D_{index(*place)}}} G_{index(*place)}",
            rf"\frac{{{number(G[place])}}}{{{divisors[place]}}}",
            float(G[place] / divisors[place]),
        )
        for place, _ in readers(frame, pixel)
    ]
    page.heading("input")
    found = ", ".join(f"$({i},{j})$" for (i, j), _ in readers(frame, pixel))
    page.say("input", m=pixel[0], n=pixel[1], windows=found or "-")
    _conclude(page, run, frame, pixel, parts, output)
    page.heading("notes")
    page.say("notes", H=x.shape[2], W=x.shape[3], H_P=frame.kernel[0], W_P=frame.kernel[1])


# ---- parts of both ---------------------------------------------------------------------------------------------------


def _derive(page: Page, forward: str, partial: str, chain: str) -> None:
    page.heading("forward")
    page.say("forward")
    page.formula("region", REGION)
    page.formula("forward", forward)
    page.heading("partial")
    page.say("partial")
    page.formula("partial.x", partial)
    page.heading("chain")
    page.say("chain")
    page.formula("chain.x", chain)
    page.heading("arrays")
    page.say("arrays")
    page.formula("arrays", ARRAYS[0])
    page.formula("arrays.x", ARRAYS[1])


def _show_case(page: Page, x: Array, X: Array, frame: Window, run: Measurement) -> None:
    page.heading("example")
    N, C, H, W = x.shape
    page.say("common.pooled", N=N, C=C, H=H, W=W, H_P=frame.kernel[0], W_P=frame.kernel[1])
    say_sizes(page, frame, "P")
    page.say("common.loss")
    page.array("X", X)
    page.array("G", run.weights[0, 0])


def _conclude(page: Page, run: Measurement, frame: Window, pixel: Pair, terms: list[Term], output: Check) -> None:
    name = rf"\frac{{\partial J}}{{\partial X_{index(*pixel)}}}"
    page.formula("number.x", *expansion(name, terms))
    total = sum(term.value for term in terms)
    page.compare(output, run.check(name, "x", (0, 0, *_unpadded(frame, pixel)), total))


def _unpadded(frame: Window, pixel: Pair) -> Pair:
    return pixel[0] - frame.padding[0][0], pixel[1] - frame.padding[1][0]


def _middle(frame: Window) -> Pair:
    return places(frame)[len(places(frame)) // 2]


# ---- maxima ----------------------------------------------------------------------------------------------------------


def _first_maximum(X: Array, frame: Window, place: Pair) -> Pair:
    """Of the window's pixels in row-major order, the first that is as large as the largest (the last NaN, if any)."""
    pixels = [pixel for _, pixel in taps(frame, place) if _inside(frame, pixel)]
    missing = [pixel for pixel in pixels if np.isnan(X[pixel])]
    return missing[-1] if missing else max(pixels, key=lambda pixel: X[pixel])


def _inside(frame: Window, pixel: Pair) -> bool:
    (m, n), (H, W) = _unpadded(frame, pixel), frame.size
    return 0 <= m < H and 0 <= n < W


def _tied(X: Array, frame: Window, place: Pair) -> list[Pair]:
    """The pixels of the window that are its maximum, where there are several."""
    top = X[_first_maximum(X, frame, place)]
    found = [pixel for _, pixel in taps(frame, place) if _inside(frame, pixel) and X[pixel] == top]
    return found if len(found) > 1 else []


def _show_maximum(page: Page, X: Array, frame: Window, firsts: dict[Pair, Pair], run: Measurement) -> Check:
    place = _middle(frame)
    page.heading("output")
    page.say("output", i=place[0], j=place[1])
    values = r",\ ".join(number(X[pixel]) for _, pixel in taps(frame, place))
    k, l = firsts[place]  # noqa: E741
    page.formula(
        "number.output",
        rf"Z_{index(*place)} &= \max \{{ {values} \}} = X_{index(k, l)} = {number(X[k, l])}",
    )
    return run.check_output(f"Z_{index(*place)}", (0, 0, *place), float(X[k, l]))


def _chosen(X: Array, frame: Window, firsts: dict[Pair, Pair]) -> Pair:
    """The pixel that is the first maximum of most windows, none of them tied if that can be."""
    tied = {place for place in places(frame) if _tied(X, frame, place)}
    wins: dict[Pair, int] = {}
    for pixel in firsts.values():
        wins[pixel] = wins.get(pixel, 0) + 1
    unsure = {pixel for place in tied for pixel in _tied(X, frame, place)}
    return min(wins, key=lambda pixel: (pixel in unsure, -wins[pixel]))


def _show_tie(page: Page, X: Array, frame: Window, run: Measurement) -> None:
    """What a tie would get if each maximum got the whole, what our rule gives it, and how fast J really grows."""
    for place in places(frame):
        pixels = _tied(X, frame, place)
        others = {p for other in places(frame) if other != place for _, p in taps(frame, other)}
        if not pixels or others.intersection(pixels):
            continue
        g, gradient = run.weights[0, 0][place], run.gradients()["x"]
        direction = np.zeros_like(run.inputs["x"])
        for pixel in pixels:
            direction[0, 0][_unpadded(frame, pixel)] = 1
        _, _, slope = run.slopes("x", direction)
        page.say(
            "tie",
            i=place[0],
            j=place[1],
            pixels=", ".join(f"$X_{index(*pixel)}$" for pixel in pixels),
            value=float(X[pixels[0]]),
            g=float(g),
            ours=", ".join(f"${number(gradient[0, 0][_unpadded(frame, pixel)])}$" for pixel in pixels),
            theirs=float(g * len(pixels)),
            slope=slope,
        )
        return


# ---- means -----------------------------------------------------------------------------------------------------------


def _counted(frame: Window, place: Pair, borders: Pair) -> int:
    """How many pixels of the window count: those of the image, and of the border where that counts too."""
    (H, W), (down, across) = frame.size, borders
    inside = (_unpadded(frame, pixel) for _, pixel in taps(frame, place))
    return sum(-down <= m < H + down and -across <= n < W + across for m, n in inside)
