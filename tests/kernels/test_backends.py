"""Which kernels run: as set, as the environment says, or as what is installed allows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError
from tinygrad_cnn.kernels import numpy as reference
from tinygrad_cnn.kernels.settings import SETTINGS

ROOT = Path(__file__).parents[2]  # where a new process finds the package, installed or not
MISSING = "import sys; sys.modules['numba'] = None\n"  # as an import finds it where it is not installed


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threads = SETTINGS.threads
    with kernels.use():
        yield
    SETTINGS.threads = threads


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TINYGRAD_CNN_")}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def output(script: str, **environment: str) -> str:
    ran = run(script, **environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


# ---- use -------------------------------------------------------------------------------------------------------------


def test_use_as_a_call_holds_from_then_on() -> None:
    kernels.use("numpy")
    assert kernels.info().backend == "numpy"
    assert kernels.conv2d is reference.conv2d


def test_use_as_a_block_holds_until_its_end() -> None:
    pytest.importorskip("numba")
    from tinygrad_cnn.kernels import jit

    kernels.use("jit")
    with kernels.use("numpy"):
        assert kernels.conv2d is reference.conv2d
        with kernels.use("jit", winograd=False):
            assert kernels.conv2d is jit.conv2d
            assert not kernels.info().winograd
            with kernels.use(winograd=True):
                assert kernels.info().backend == "jit"
                assert kernels.info().winograd
            assert not kernels.info().winograd
        assert kernels.conv2d is reference.conv2d
        assert kernels.info().winograd
    assert kernels.conv2d is jit.conv2d


def test_a_block_that_raises_ends_too() -> None:
    before = kernels.info()
    with pytest.raises(ZeroDivisionError), kernels.use("numpy", winograd=False):
        raise ZeroDivisionError
    assert kernels.info() == before


@pytest.mark.parametrize("name", ["torch", "", "JIT", 3])
def test_an_unknown_backend_is_refused_and_changes_nothing(name: Any) -> None:
    before = kernels.info()
    with pytest.raises(ArgumentError, match="use: backend must be one of numpy, jit, got"):
        kernels.use(name)
    assert kernels.info() == before


def test_winograd_is_a_bool() -> None:
    with pytest.raises(ArgumentTypeError, match="use: winograd expects a bool, got 'no'"):
        kernels.use(winograd="no")  # type: ignore[arg-type]


def test_what_a_backend_lacks_numpy_does() -> None:
    pytest.importorskip("numba")
    with kernels.use("jit"):
        assert kernels.fold is reference.fold


def test_winograd_can_be_switched_off() -> None:
    pytest.importorskip("numba")
    from tinygrad_cnn.geometry import window

    x, w = np.random.default_rng(0).integers(-9, 9, (2, 2, 32, 32, 32)).astype(np.float32)
    w = np.ascontiguousarray(w[0].reshape(-1)[: 32 * 32 * 9].reshape(32, 32, 3, 3))
    frame = window("conv2d", 32, 3, 1, 1)
    exact = reference.conv2d(x, w, None, frame)
    with kernels.use("jit", winograd=False):
        assert (kernels.conv2d(x, w, None, frame) == exact).all()
    with kernels.use("jit", winograd=True):
        assert (kernels.conv2d(x, w, None, frame) != exact).any()


def test_info_in_words() -> None:
    kernels.set_num_threads(2)
    with kernels.use("numpy", winograd=False):
        assert str(kernels.info()) == "kernels: numpy (as asked for), 2 threads, without Winograd"


def test_an_unknown_kernel_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'conv9d'"):
        kernels.conv9d  # noqa: B018


# ---- the environment -------------------------------------------------------------------------------------------------

TELL = "from tinygrad_cnn import kernels; info = kernels.info(); print(info.backend, info.threads, info.reason)"


def test_the_environment_chooses() -> None:
    settings = {"TINYGRAD_CNN_KERNELS": "numpy", "TINYGRAD_CNN_THREADS": "3"}
    assert output(TELL, **settings) == "numpy 3 as asked for"


def test_numba_is_taken_where_it_is_installed() -> None:
    pytest.importorskip("numba")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert output(TELL, TINYGRAD_CNN_KERNELS="", TINYGRAD_CNN_THREADS="") == f"jit {cores} numba is installed"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TINYGRAD_CNN_KERNELS", "cuda", "TINYGRAD_CNN_KERNELS must be one of numpy, jit, got 'cuda'"),
        ("TINYGRAD_CNN_THREADS", "0", "TINYGRAD_CNN_THREADS must be a positive integer, got '0'"),
        ("TINYGRAD_CNN_THREADS", "two", "TINYGRAD_CNN_THREADS must be a positive integer, got 'two'"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(name: str, value: str, message: str) -> None:
    ran = run("import tinygrad_cnn.kernels", **{name: value})
    assert ran.returncode == 1
    assert f"ArgumentError: {message}" in ran.stderr


# ---- without Numba ---------------------------------------------------------------------------------------------------


def test_importing_the_package_does_not_import_numba() -> None:
    script = "import sys, tinygrad_cnn, tinygrad_cnn.cli; print({'numba', 'llvmlite'} & set(sys.modules))"
    assert output(script) == "set()"


def test_without_numba_numpy_runs_and_says_why() -> None:
    told = output(MISSING + TELL)
    assert told.startswith("numpy ")
    assert "numba does not import" in told
    assert told.endswith("pip install 'tinygrad_cnn[fast]' for faster ones")


def test_without_numba_a_model_trains() -> None:
    script = """
import numpy as np, tinygrad_cnn as tg
from tinygrad_cnn import kernels, nn
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 9, 3))
tg.cross_entropy(model(tg.tensor(np.ones((2, 1, 8, 8), np.float32))), np.array([0, 2])).backward()
print(kernels.info().backend, all(p.grad is not None for p in model.parameters()))
"""
    assert output(MISSING + script) == "numpy True"


@pytest.mark.parametrize("ask", ["kernels.use('jit')", "kernels.info()"])
def test_without_numba_asking_for_it_names_the_extra(ask: str) -> None:
    setting = {} if "use" in ask else {"TINYGRAD_CNN_KERNELS": "jit"}
    ran = run(f"{MISSING}from tinygrad_cnn import kernels\n{ask}", **setting)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert "MissingDependencyError: the jit kernels need numba" in last
    assert last.endswith("pip install 'tinygrad_cnn[fast]'")


def test_a_use_that_fails_changes_nothing() -> None:
    script = """
from tinygrad_cnn import kernels
from tinygrad_cnn.errors import MissingDependencyError
kernels.use("numpy")
try:
    kernels.use("jit", winograd=False)
except MissingDependencyError:
    print(kernels.info())
"""
    assert output(MISSING + script, TINYGRAD_CNN_THREADS="1") == "kernels: numpy (as asked for), 1 thread"
