"""The words of the explanations, in English.

Keys are those of `japanese.py`, with the same <placeholders> and, between dollar signs, the same LaTeX.
"""

from __future__ import annotations

ENGLISH = {
    "title": "<operation>: its backward rule, derived",
    "forward": "Forward",
    "partial": "Partial derivatives",
    "chain": "The derivative of the loss",
    "arrays": "The same for whole arrays",
    "code": "The code that runs",
    "example": "An example",
    "output": "One element of the output",
    "input": "One element of the input",
    "differences": "Against finite differences",
    "notes": "Remarks",
    "column.quantity": "quantity",
    "column.terms": "terms above",
    "column.code": "by the code",
    "column.difference": "finite difference",
    # ---- what several operations say
    "common.code": "Taken from the source: the operation, its backward rule, and the NumPy kernels that computed the "
    "numbers below. Where Numba is installed, compiled kernels take their place in training; tests compare the two.",
    "common.loss": "The loss is $J = \\sum G Z$ over all elements, with given numbers $G$, so that $G = "
    "\\frac{\\partial J}{\\partial Z}$: what a rule receives from the operations that follow.",
    "common.differences": "For the derivatives: the terms written out above, the backward rule as the engine runs "
    "it, and the central difference $\\frac{J(x + h) - J(x - h)}{2 h}$ in that one element, extrapolated to $h = 0$:",
    "common.agree": "They agree.",
    "common.disagree": "THEY DO NOT AGREE: the backward rule, or this explanation, is wrong.",
    "common.kink": "Where two numbers stand for the finite difference, $J$ has a kink: its slope on one side is not "
    "that on the other, and a rule may give any number between them.",
    "common.unread": "The division leaves a remainder: <rows> row(s) at the bottom and <columns> column(s) at the "
    "right of $X$ lie in no window, and their gradient is 0.",
    "common.pooled": "Input (N, C, H, W) = (<N>, <C>, <H>, <W>), windows of <H_P>x<W_P>. Channels do not mix; the "
    "first channel of the first image is shown.",
    # ---- conv2d
    "conv2d.forward": "$X$ is the input with its padding $P$, $F$ a filter of $H_F \\times W_F$, $b$ its bias, $S$ "
    "the stride. All indices start at 0. Each element of the output $Z$ is the sum of the products of the filter "
    "with one window of $X$:",
    "conv2d.general": "That is one channel and one filter. With images $n$, channels $c$, filters $o$ and a dilation "
    "$D$, the sum runs over the channels that the filter reads as well:",
    "conv2d.partial": "The elements of $X$ and $F$ are independent variables: $\\frac{\\partial X_{kl}}{\\partial "
    "X_{mn}} = \\delta_{km} \\delta_{ln}$, which is 1 where both indices are equal and 0 elsewhere. At most one term "
    "of the sum is left:",
    "conv2d.chain": "A pixel $X_{mn}$ acts on $J$ through every window that contains it; an element of the filter, "
    "and the bias, act through every window. By the chain rule their shares add up:",
    "conv2d.general_chain": "With images, channels, filters and a dilation, for the pixel $(p, q)$:",
    "conv2d.arrays": "Let the columns of the matrix $V$ be the windows of $X$, $f$ the filter as a row, $G$ the "
    "derivative in $Z$ as a row. Copying windows into columns is a linear map, $V = A X$. Its adjoint $A^{\\top}$ "
    "adds every element of a column to the pixel that it was copied from: that is the sum over the windows. The "
    "derivative in $b$ is the sum of $G$.",
    "conv2d.example": "Input (N, C, H, W) = (<N>, <C>, <H>, <W>), <O> filter(s) of <H_F>x<W_F>; the first image, "
    "channel and filter are shown. The size of the output, rounded down:",
    "conv2d.output": "$Z_{<i>,<j>}$ belongs to the window whose first pixel is $X_{<m>,<n>}$:",
    "conv2d.input": "Windows that contain $X_{<m>,<n>}$ (without padding, index (<row>, <column>) of the input): "
    "<windows>. Each gives one term:",
    "conv2d.weight": "And one element of the filter, $F_{<k>,<l>}$, a term for each window:",
    "conv2d.notes": "Here $(m, n)$ is always the pixel and $(i, j)$ always the window; texts also use them the other "
    "way round. Some want the fraction in the size of the output to be whole; here it is rounded down. One reads of "
    "a 3x2 layer with 9 weights and 1 bias, <nine> parameters: that is a 3x3 layer, and 3x2 would have <six>. Some "
    "ask for an odd width, so that the filter has a centre; the sum needs none. The example has <weights> + <biases> "
    "= <total> parameters. The sum does not turn the filter around: it is what signal processing calls a "
    "cross-correlation.",
    # ---- max_pool2d
    "max_pool2d.forward": "$R_{ij}$ is the window of $H_P \\times W_P$ pixels that starts at $(iS, jS)$ (with a "
    "dilation, of every so many pixels from there). Its maximum is $Z_{ij}$, and $(k_{ij}, l_{ij})$ the place of "
    "that maximum: the first one, row by row, where several are equal.",
    "max_pool2d.partial": "As long as the same pixel stays the maximum, $Z_{ij}$ changes with that pixel and with no "
    "other:",
    "max_pool2d.chain": "Each window hands its derivative to one pixel. A pixel that is the maximum of several "
    "overlapping windows gets the sum:",
    "max_pool2d.arrays": "With the places held fixed, pooling is a linear map $A$ that picks one pixel for each "
    "window (gather). Its adjoint adds each derivative to the pixel that was picked (scatter-add):",
    "max_pool2d.output": "The window of $Z_{<i>,<j>}$, row by row:",
    "max_pool2d.input": "Windows that contain $X_{<m>,<n>}$: <windows>. It is the first maximum of: <won>.",
    "max_pool2d.notes": "Where a text lets $k$ and $l$ run up to $iH_P + H$ and $jW_P + W$, $iH_P + H_P$ and $jW_P + "
    "W_P$ are meant. Here $H$ = <H>, $W$ = <W>, $H_P$ = <H_P>, $W_P$ = <W_P>: as written, each window would be as "
    "large as the image. Windows often lie side by side, $S = H_P$; here they may overlap, hence the sum. At a tie "
    "some formulas give the whole derivative to every maximum. Ours gives it to the first one only, as PyTorch does, "
    "because raising all of them by $h$ raises $Z_{ij}$ by $h$ only.",
    "max_pool2d.tie": "In this example $R_{<i>,<j>}$ has a tie: <pixels> are all <value>, with $G_{<i>,<j>}$ = <g>. "
    "Our rule gives them <ours>, in this order. If all of them grow by $h$, $Z_{<i>,<j>}$ grows by $h$ as well and "
    "$J$ by <slope> $h$ (finite difference). Given to each of them whole, it would be <theirs> $h$.",
    # ---- avg_pool2d
    "avg_pool2d.forward": "$R_{ij}$ is the window of $H_P \\times W_P$ pixels that starts at $(iS, jS)$, $Z_{ij}$ "
    "its mean. The divisor $D_{ij}$ is $H_P W_P$, unless the border is not counted or another divisor is asked for.",
    "avg_pool2d.partial": "A mean is linear; every pixel of the window counts alike:",
    "avg_pool2d.chain": "A pixel gets its share from every window that contains it:",
    "avg_pool2d.arrays": "Pooling is a linear map $A$. Its adjoint divides each derivative by $D_{ij}$ and adds it "
    "to all pixels of the window:",
    "avg_pool2d.output": "The window of $Z_{<i>,<j>}$ is divided by $D_{<i>,<j>}$ = <divisor>:",
    "avg_pool2d.input": "Windows that contain $X_{<m>,<n>}$: <windows>. Each gives one term:",
    "avg_pool2d.notes": "Where a text sums $k$ up to $iH_P + H - 1$ and $l$ from $iW_P$ to $iW_P + W - 1$, $iH_P + H_P "
    "- 1$, $jW_P$ and $jW_P + W_P - 1$ are meant. Here $H$ = <H>, $W$ = <W>, $H_P$ = <H_P>, $W_P$ = <W_P>: as "
    "written, the sum would run over as many pixels as the image has. Windows that lie side by side leave one term "
    "in the derivative; where windows overlap there are several.",
    # ---- linear, matmul
    "linear.forward": "$X$ has one example in each row, $W$ one output in each row, $b$ one number for each output:",
    "linear.partial": "Each product holds one element of $X$ and one of $W$; the other factor is the derivative. All "
    "other derivatives are 0.",
    "linear.chain": "$X_{ni}$ acts on all outputs of its example, $W_{oi}$ and $b_o$ on one output of all examples:",
    "linear.arrays": "These sums are matrix products:",
    "linear.output": "Output <o> of example <n>:",
    "linear.input": "$X_{<n>,<i>}$, a term for each output; then $W_{<o>,<i>}$, a term for each example:",
    "linear.notes": "This is the fully connected layer of multi-layer perceptrons. An input with more than two "
    "dimensions counts all but the last as rows.",
    "matmul.forward": "The product of an $M \\times K$ and a $K \\times N$ matrix:",
    "matmul.partial": "Each product holds one element of $A$ and one of $B$; the other factor is the derivative. All "
    "other derivatives are 0.",
    "matmul.chain": "$A_{ik}$ acts on all elements of row $i$, $B_{kj}$ on all elements of column $j$:",
    "matmul.arrays": "These sums are matrix products again:",
    "matmul.output": "Row <i> of $A$ times column <j> of $B$:",
    "matmul.input": "$A_{<i>,<k>}$, a term for each column; then $B_{<k>,<j>}$, a term for each row:",
    "matmul.notes": "A convolution, with its windows as columns, is such a product, and so are its derivatives.",
    # ---- functions of one element
    "relu.forward": "Each element by itself:",
    "relu.partial": "Above 0 the slope is 1, below it is 0. At 0 there is none; ours takes 0 there:",
    "relu.chain": "$Z_i$ depends on $X_i$ alone:",
    "relu.arrays": "With $\\odot$ for the product element by element, and $[Z > 0]$ for 1 where it holds and 0 "
    "elsewhere:",
    "relu.output": "Element <i>:",
    "relu.input": "The same element:",
    "relu.zero": "$X_{<i>}$ is 0. There $J$ has the slopes <low> and <high> on its two sides; the rule gives <rule>.",
    "relu.notes": "The rule reads the output, which is kept anyway, instead of the input.",
    "sigmoid.forward": "Each element by itself:",
    "sigmoid.partial": "The quotient rule, and then the definition once more, since $1 - Z_i = \\frac{e^{-X_i}}{1 + "
    "e^{-X_i}}$:",
    "sigmoid.chain": "$Z_i$ depends on $X_i$ alone:",
    "sigmoid.arrays": "With $\\odot$ for the product element by element:",
    "sigmoid.output": "Element <i>:",
    "sigmoid.input": "The same element:",
    "sigmoid.notes": "The slope is largest at $X_i = 0$, where it is $\\frac{1}{4}$. The rule needs the output only.",
    "tanh.forward": "Each element by itself:",
    "tanh.partial": "The quotient rule, and then the definition once more:",
    "tanh.chain": "$Z_i$ depends on $X_i$ alone:",
    "tanh.arrays": "With $\\odot$ for the product element by element:",
    "tanh.output": "Element <i>:",
    "tanh.input": "The same element:",
    "tanh.notes": "The slope is largest at $X_i = 0$, where it is 1. The rule needs the output only.",
    "dropout.forward": "In training, the mask $M_i$ is 0 with probability $p$ and $\\frac{1}{1 - p}$ otherwise, so "
    "that the mean of $Z_i$ over all masks is $X_i$:",
    "dropout.partial": "The mask is drawn before the product and does not depend on $X$. It is a constant:",
    "dropout.chain": "$Z_i$ depends on $X_i$ alone:",
    "dropout.arrays": "With $\\odot$ for the product element by element:",
    "dropout.example": "$p$ = <p>; what is kept is multiplied by <share>. The finite difference uses the same mask.",
    "dropout.output": "Element <i>, which is kept:",
    "dropout.input": "The same element:",
    "dropout.notes": "An element that was dropped gets the gradient 0. Outside training, dropout changes nothing.",
    # ---- softmax, cross_entropy
    "softmax.forward": "From $C$ scores to $C$ positive numbers whose sum is 1:",
    "softmax.partial": "The quotient rule; every score is in the denominator, so every output depends on every score:",
    "softmax.chain": "$X_j$ acts on $J$ through all outputs:",
    "softmax.arrays": "With $\\odot$ for the product element by element:",
    "softmax.output": "Element <i>, and then all of them:",
    "softmax.input": "$X_{<j>}$, a term for each output:",
    "softmax.notes": "The outputs of this example add up to <total>. The code subtracts the largest score first; the "
    "quotient stays the same, and no exponential overflows.",
    "cross_entropy.forward": "$X$ has one example in each row and one score for each class, $t_n$ is the label of "
    "example $n$, $P$ the softmax of each row. The loss is the mean of the negative logarithms of the probabilities "
    "of the labels:",
    "cross_entropy.partial": "The logarithm takes the quotient apart, and $\\delta$ is 1 for the class of the label "
    "and 0 for the others:",
    "cross_entropy.chain": "The mean divides by $N$. The output is the loss itself, so that no factor comes from "
    "later operations:",
    "cross_entropy.arrays": "With the labels as rows $T$ of zeros and a single 1 (one-hot):",
    "cross_entropy.example": "<N> examples, <C> classes; $t$ are the labels.",
    "cross_entropy.output": "The loss:",
    "cross_entropy.input": "$X_{<n>,<c>}$, the score of the label of example <n>:",
    "cross_entropy.notes": "The derivatives of one row add up to <total>, for adding the same number to all scores "
    "of a row changes nothing. Explained here are class numbers and the mean, without weights of classes and without "
    "label smoothing.",
    # ---- batch_norm
    "batch_norm.forward": "In training, the $M$ elements of one channel (all images, all pixels) are brought to mean "
    "0 and variance 1, then scaled by $\\gamma$ and shifted by $\\beta$:",
    "batch_norm.partial": "$X_j$ moves the mean and the variance of its channel, and through them every output of it:",
    "batch_norm.chain": "The sum over all outputs:",
    "batch_norm.arrays": "With means over the channel, and $\\odot$ for the product element by element:",
    "batch_norm.example": "The first channel, $M$ = <M> elements, $\\gamma$ = <gamma>, $\\beta$ = <beta>, "
    "$\\varepsilon$ = <eps>.",
    "batch_norm.output": "Element <i>:",
    "batch_norm.input": "$X_{<j>}$:",
    "batch_norm.notes": "The derivatives of a channel add up to 0, for adding a constant to all of its elements "
    "changes nothing. Outside training the running mean and variance are constants, and the derivative is $\\gamma$ "
    "divided by the square root alone.",
}
