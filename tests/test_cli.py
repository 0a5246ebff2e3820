from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import tinygrad_cnn
from tinygrad_cnn.cli import main
from tinygrad_cnn.io import load_tensors
from tinygrad_cnn.train import EntryRows, History, ProgressBar, classifier, command

ROOT = Path(__file__).parent.parent  # where a new process finds the package, installed or not
TINY = ["--train", "64", "--test", "32", "--filters", "2,3", "--hidden", "5"]
CURVES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy"]


def train(*options: str) -> int:
    return main(["train", *options])


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run of the default kind, only smaller; its dropout would show a stray draw."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert train(*TINY, "--dropout", "0.2", "--epochs", "2", "--out", str(folder)) == 0
    return folder


# ---- what a run leaves


def test_a_run_leaves_pictures_numbers_and_the_model(tiny_run: Path) -> None:
    assert sorted(path.name for path in tiny_run.iterdir()) == [
        "filters-1.png",
        "filters-2.png",
        "graph.svg",
        "history.json",
        "learning-curve.png",
        "model.safetensors",
    ]
    for picture in tiny_run.glob("*.png"):
        assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        assert len(picture.read_bytes()) > 5_000


def test_the_history_has_one_number_per_epoch(tiny_run: Path) -> None:
    lists = json.loads((tiny_run / "history.json").read_text())

    assert list(lists) == CURVES
    assert all(len(curve) == 2 for curve in lists.values())
    assert all(0 <= value <= 1 for name in CURVES if "accuracy" in name for value in lists[name])


def test_the_graph_is_that_of_one_batch_with_the_loss(tiny_run: Path) -> None:
    drawing = ElementTree.fromstring((tiny_run / "graph.svg").read_text())
    words = " ".join(text for text in drawing.itertext() if text.strip())

    assert drawing.tag.endswith("svg")
    for word in ("images", "labels", "conv2d", "max_pool2d", "0.weight", "cross_entropy", "loss", "(32, 1, 8, 8)"):
        assert word in words


def test_the_model_loads_into_the_network_of_the_options(tiny_run: Path) -> None:
    tensors = load_tensors(tiny_run / "model.safetensors")
    model = classifier((1, 8, 8), 10, filters=(2, 3), hidden=(5,), dropout=0.2)

    model.load_state_dict(tensors)
    assert tensors["0.weight"].shape == (2, 1, 3, 3)


def test_a_run_says_what_it_does_and_where_it_left_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(*TINY, "--epochs", "2", "--out", str(tmp_path / "here"), "--seed", "3", "--fold", "1") == 0

    output, errors = capsys.readouterr()
    assert re.search(r"digits, fold 1 of 5: 64 training and 32 test images of 1x8x8, 10 classes", output)
    assert re.search(r"conv 2, conv 3, linear 5, linear 10: 202 parameters", output)
    assert re.search(r"seed +3", output)
    assert [line.split()[0] for line in output.splitlines() if re.match(r" +\d", line)] == ["1", "2"]
    history = History.load(tmp_path / "here" / "history.json")
    assert f"test accuracy {history.test_accuracy[-1]:.2%}" in output
    assert str(tmp_path / "here") in output
    assert "learning-curve.png" in output
    assert "0/4" in errors  # the bar


def test_without_filters_it_is_a_multi_layer_perceptron(tmp_path: Path) -> None:
    assert train(*TINY, "--filters", "", "--epochs", "1", "--out", str(tmp_path), "--quiet") == 0

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("graph.svg", "history.json", "learning-curve.png", "model.safetensors")
    ]
    assert load_tensors(tmp_path / "model.safetensors")["1.weight"].shape == (5, 64)


def test_steps_are_logged_every_so_many(tmp_path: Path) -> None:
    length = ["--steps", "6", "--log-every", "2", "--batch-size", "10"]
    assert train(*TINY, *length, "--out", str(tmp_path), "--quiet") == 0

    lists = json.loads((tmp_path / "history.json").read_text())
    assert lists["step"] == [2, 4, 6]
    assert all(len(lists[name]) == 3 for name in CURVES)


# ---- the same seed, the same bits


def test_the_same_seed_gives_the_same_bits_whatever_is_shown(tiny_run: Path, tmp_path: Path) -> None:
    options = [*TINY, "--dropout", "0.2", "--epochs", "2", "--out", str(tmp_path), "--quiet"]
    assert train(*options) == 0

    for name in ("history.json", "model.safetensors"):
        assert (tmp_path / name).read_bytes() == (tiny_run / name).read_bytes()


def test_another_seed_gives_other_bits(tiny_run: Path, tmp_path: Path) -> None:
    options = [*TINY, "--dropout", "0.2", "--epochs", "2", "--out", str(tmp_path), "--quiet", "--seed", "1"]
    assert train(*options) == 0

    for name in ("history.json", "model.safetensors"):
        assert (tmp_path / name).read_bytes() != (tiny_run / name).read_bytes()


# ---- every option arrives


def test_every_option_changes_the_network_or_its_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def note(recipe: Any, data: Any, seed: int) -> None:
        seen.append((recipe, seed))
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "build_model", note)
    options = (
        "--filters 4,4 --kernel-size 5 --padding same --hidden 20 --activation tanh --dropout 0.25 --epochs 3 "
        "--batch-size 10 --optimizer sgd --schedule constant --lr 0.25 --seed 7"
    )
    assert train(*options.split()) == 130

    ((recipe, seed),) = seen
    assert seed == 7
    assert (recipe.filters, recipe.kernel_size, recipe.padding, recipe.hidden) == ((4, 4), 5, "same", (20,))
    assert (recipe.activation, recipe.dropout, recipe.epochs, recipe.batch_size) == ("tanh", 0.25, 3, 10)
    assert (recipe.optimizer, recipe.schedule, recipe.lr) == ("sgd", "constant", 0.25)


# ---- interrupted


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (ProgressBar, "on_start"),
        (ProgressBar, "on_step"),
        (EntryRows, "on_entry"),
        (History, "save"),
        (command, "save_graph"),
        ("tinygrad_cnn.train.results.plot_filters", None),
        ("tinygrad_cnn.atomic._flush", None),
    ],
    ids=["start", "training", "entry", "history", "graph", "pictures", "half a file"],
)
def test_an_interrupted_run_leaves_nothing_and_exits_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], owner: Any, name: str | None
) -> None:
    if name is None:
        monkeypatch.setattr(owner, interrupt)
    else:
        monkeypatch.setattr(owner, name, interrupt)

    assert train(*TINY, "--epochs", "1", "--out", str(tmp_path / "out")) == 130

    last_line = capsys.readouterr().err.split("\r")[-1]
    assert last_line == "tinygrad-cnn: interrupted, no file was written\n"
    assert list(tmp_path.iterdir()) == []


# ---- as a process


def test_as_a_module_it_trains_until_ctrl_c(tmp_path: Path) -> None:
    arguments = ["train", *TINY, "--epochs", "100000", "--out", str(tmp_path / "out")]
    with subprocess.Popen(
        [sys.executable, "-m", "tinygrad_cnn", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while not re.match(r" +1 ", line := process.stdout.readline()):
            assert line, "it ended before the first epoch"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 130
    assert errors.endswith("tinygrad-cnn: interrupted, no file was written\n")
    assert list(tmp_path.iterdir()) == []


def test_as_a_module_it_has_a_version_and_refuses_in_one_line() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tinygrad_cnn", *arguments], cwd=ROOT, capture_output=True, text=True
        )

    assert run("--version").stdout == f"tinygrad-cnn {tinygrad_cnn.__version__}\n"
    refusal = run("train", "--epochs", "0")
    assert (refusal.returncode, refusal.stdout, refusal.stderr.count("\n")) == (2, "", 1)


def test_help_shows_groups_defaults_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        train("--help")

    text = " ".join(capsys.readouterr().out.split())
    assert exit_info.value.code == 0
    for words in (
        *("data:", "network:", "training:", "output:", "examples: tinygrad-cnn train"),
        "(default: 16,32 for digits, 8,16 for mnist)",
        "(default: 1 for digits, 0 for mnist)",
        "(default: 0.005 with adam, 0.1 with sgd)",
        "interrupted (Ctrl-C)",
    ):
        assert words in text


def test_the_command_line_imports_nothing_heavy() -> None:
    heavy = "{'matplotlib', 'sklearn', 'tqdm', 'safetensors', 'graphviz', 'scipy'}"
    script = f"import sys, tinygrad_cnn.cli; print(*{heavy} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
