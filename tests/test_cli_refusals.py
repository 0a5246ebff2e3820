from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn.cli import main
from tinygrad_cnn.io import load_tensors
from tinygrad_cnn.train import command

TINY = ["--train", "64", "--test", "32", "--filters", "2,3", "--hidden", "5", "--epochs", "1", "--quiet"]


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line on stderr with which a command line is refused."""
    capsys.readouterr()
    assert main(argv) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert errors.startswith("tinygrad-cnn: error: ")
    assert "usage" not in errors
    return errors


# ---- MNIST from a folder


def write_idx(path: Path, array: np.ndarray[Any, Any], magic: int | None = None) -> None:
    header = struct.pack(">I", 0x0800 + array.ndim if magic is None else magic)
    path.write_bytes(gzip.compress(header + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()))


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part, size in (("train", 40), ("t10k", 10)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", draw.integers(256, size=(size, 28, 28), dtype=np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", draw.integers(10, size=size, dtype=np.uint8))
    return folder


def test_mnist_is_read_from_a_folder(mnist_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", "mnist", "--data-dir", str(mnist_folder), "--train", "20", "--test", "10", "--epochs", "1"]
    network = ["--filters", "4,4", "--hidden", "20"]
    assert main(["train", *options, *network, "--out", str(tmp_path / "out"), "--quiet"]) == 0

    assert "mnist: 20 training and 10 test images of 1x28x28" in capsys.readouterr().out
    tensors = load_tensors(tmp_path / "out" / "model.safetensors")
    assert tensors["7.weight"].shape == (20, 4 * 5 * 5)  # without padding


def truncate(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-200])


def shorten(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-200]))


def spoil_magic(folder: Path) -> None:
    write_idx(folder / "train-images-idx3-ubyte.gz", np.zeros((40, 28, 28), np.uint8), magic=0x1234)


def drop_labels(folder: Path) -> None:
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(39, np.uint8))


def remove_file(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()


def remove_folder(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (truncate, "train-images-idx3-ubyte.gz"),
        (shorten, "train-images-idx3-ubyte.gz"),
        (spoil_magic, "magic"),
        (drop_labels, "39 labels for the 40 images"),
        (remove_file, "t10k-labels"),
        (remove_folder, "does not exist"),
    ],
    ids=["torn gzip", "too short", "magic number", "labels", "no file", "no folder"],
)
def test_a_damaged_folder_is_refused_in_one_line(
    mnist_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any, word: str
) -> None:
    damage(mnist_folder)
    out = tmp_path / "out"

    line = refused(capsys, "train", "--data", "mnist", "--data-dir", str(mnist_folder), "--out", str(out))

    assert word in line
    assert not out.exists()


# ---- other input that is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--epochs 0", "--epochs: expects a whole number of at least 1, got '0'"),
        ("--epochs two", "--epochs: expects a whole number of at least 1, got 'two'"),
        ("--steps -5", "--steps"),
        ("--steps 5 --log-every 0", "--log-every: expects a whole number of at least 1"),
        ("--batch-size 0", "--batch-size: expects a whole number of at least 1"),
        ("--train 0", "--train: expects a whole number of at least 1"),
        ("--test -1", "--test"),
        ("--kernel-size 0", "--kernel-size: expects a whole number of at least 1"),
        ("--filters 8,0", "--filters: expects whole numbers of at least 1, separated by commas"),
        ("--filters 8;8", "--filters: expects whole numbers of at least 1, separated by commas"),
        ("--hidden 1.5", "--hidden: expects whole numbers of at least 1, separated by commas"),
        ("--padding wide", "--padding: expects a whole number of at least 0, or same, got 'wide'"),
        ("--padding=-1", "--padding: expects a whole number of at least 0, or same, got '-1'"),
        ("--lr 0", "--lr: expects a number above 0, got '0'"),
        ("--lr nan", "--lr: expects a number above 0, got 'nan'"),
        ("--lr inf", "--lr: expects a number above 0, got 'inf'"),
        ("--dropout 1", "--dropout: expects a number at least 0 and below 1, got '1'"),
        ("--seed=-1", "--seed: expects a whole number of at least 0, got '-1'"),
        ("--fold 5", "--fold: invalid choice"),
        ("--data cifar", "--data: invalid choice: 'cifar'"),
        ("--optimizer lion", "--optimizer: invalid choice: 'lion'"),
        ("--schedule never", "--schedule: invalid choice: 'never'"),
        ("--activation gelu", "--activation: invalid choice: 'gelu'"),
        ("--epoch 3", "unrecognized arguments: --epoch 3"),
        ("--steps 5 --epochs 2", "not allowed with"),
        ("--log-every 5", "--log-every: goes with --steps"),
        ("--epochs 2 --log-every 5", "--log-every: goes with --steps"),
        ("--data-dir .", "--data-dir: goes with --data mnist"),
        ("--data mnist --data-dir . --fold 1", "--fold: goes with --data digits"),
        ("--train 1438", "train=1438 asks for more than the 1437 training images"),
        ("--test 361", "test=361 asks for more than the 360 test images"),
        (
            "--kernel-size 9 --padding 0",
            "layer 0 (Conv2d, block 1): conv2d: kernel 9x9 is larger than its padded input 8x8",
        ),
        ("--kernel-size 5 --padding 0", "layer 3 (Conv2d, block 2): conv2d: kernel 5x5"),
        ("--filters 2,2,2,2", "layer 11 (MaxPool2d, block 4)"),
        ("--lr 1e30 --steps 9 --quiet", "the loss is nan at update 2; pass a smaller learning rate"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert words in refused(capsys, "train", *options.split())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in refused(capsys)
    assert "'paint'" in refused(capsys, "paint")


def test_an_out_that_is_no_folder_is_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")

    assert "file is a file" in refused(capsys, "train", "--out", str(tmp_path / "file"))
    assert "cannot be written to" in refused(capsys, "train", "--out", str(tmp_path / "file" / "below"))
    assert "seed" not in capsys.readouterr().out


@pytest.mark.parametrize("module", ["matplotlib", "safetensors", "tqdm", "sklearn"])
def test_a_missing_package_is_named_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)

    line = refused(capsys, "train", "--out", str(tmp_path / "out"))

    assert f"needs {module}, which is not installed: pip install 'tinygrad_cnn[" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/some/file"), "error: /some/file: Permission denied\n"),
        (OSError("no device"), "error: no device\n"),
        (MemoryError("Unable to allocate\n9 TiB"), "error: Unable to allocate 9 TiB\n"),
    ],
    ids=["of the system", "plain", "memory"],
)
def test_what_the_system_refuses_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "save_results", fail)

    assert refused(capsys, "train", *TINY, "--out", str(tmp_path / "out")).endswith(words)
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_program_keeps_its_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(command, "build_model", fail)

    with pytest.raises(ZeroDivisionError):
        main(["train", "--out", str(tmp_path)])
