"""Operations: the one place where an array function meets its backward rule.

One file per family, each a table of primitives and rules followed by the public functions that validate and call them.
"""

from __future__ import annotations

from tinygrad_cnn.ops.arithmetic import add, div, maximum, minimum, mul, neg, pow, sub, where
from tinygrad_cnn.ops.classification import cross_entropy, log_softmax, softmax
from tinygrad_cnn.ops.convolution import conv2d
from tinygrad_cnn.ops.functions import abs, exp, log, relu, sigmoid, sqrt, tanh
from tinygrad_cnn.ops.indexing import take_along_dim
from tinygrad_cnn.ops.pooling import avg_pool2d, max_pool2d
from tinygrad_cnn.ops.products import linear, matmul
from tinygrad_cnn.ops.reductions import all, amax, amin, any, argmax, argmin, max, mean, min, sum
from tinygrad_cnn.ops.regularisation import dropout
from tinygrad_cnn.ops.shapes import broadcast_to, cat, flatten, pad, permute, reshape, stack, transpose

__all__ = [
    "abs",
    "add",
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "avg_pool2d",
    "broadcast_to",
    "cat",
    "conv2d",
    "cross_entropy",
    "div",
    "dropout",
    "exp",
    "flatten",
    "linear",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mul",
    "neg",
    "pad",
    "permute",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "sqrt",
    "stack",
    "sub",
    "sum",
    "take_along_dim",
    "tanh",
    "transpose",
    "where",
]
