"""Benchmarks: speed, and the gradient checks against other checkers.

    python -m benchmarks.step        a training step of seven networks, beside five other frameworks
    python -m benchmarks.ops         single operations, beside PyTorch and what the machine can do at most
    python -m benchmarks.mnist       a whole training on MNIST, beside PyTorch
    python -m benchmarks.memory      the peak memory of training, beside PyTorch
    python -m benchmarks.scaling     time against batch, channels, depth, threads and the size of a graph
    python -m benchmarks.overhead    a tiny operation, the import, the size on the disk
    python -m benchmarks.elementwise elementwise operations, beside bare NumPy
    python -m benchmarks.gradcheck   what gradient checks find, beside PyTorch's

`pip install -e '.[bench,fast]'` installs what they are compared with.
"""

from __future__ import annotations
