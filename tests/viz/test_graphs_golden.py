"""The DOT text of a small model, letter by letter: what Graphviz is told changes only on purpose.

After a change on purpose, run `python -m tests.viz.test_graphs_golden` and look at what came out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn import nn, viz

_GOLDEN = Path(__file__).parent / "golden_graphs"
_VIEWS = ("forward", "backward", "collapsed")


def drawn(name: str) -> str:
    layers = [nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)]
    for parameter in nn.Sequential(*layers).parameters():
        parameter.data = np.ones(parameter.shape, np.float32)
    model = nn.Sequential(nn.Sequential(*layers[:2]), *layers[2:])
    x = np.ones((4, 3), np.float32)
    return viz.graph(model, x, backward=name == "backward", depth=1 if name == "collapsed" else None).dot


@pytest.mark.parametrize("name", _VIEWS)
def test_the_text_is_the_same_as_ever(name: str) -> None:
    assert drawn(name) == (_GOLDEN / f"{name}.dot").read_text("utf-8")


def test_the_text_is_the_same_in_another_process_with_another_hash_seed() -> None:
    root = Path(__file__).parents[2]
    program = (
        "import sys; from tests.viz.test_graphs_golden import drawn; sys.stdout.buffer.write(drawn('forward').encode())"
    )
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, cwd=root, capture_output=True, check=True)
    assert run.stdout.decode() == drawn("forward")


if __name__ == "__main__":
    _GOLDEN.mkdir(exist_ok=True)
    for view in _VIEWS:
        (_GOLDEN / f"{view}.dot").write_text(drawn(view), "utf-8")
