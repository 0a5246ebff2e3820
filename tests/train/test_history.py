from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_cnn.errors import DataError
from tinygrad_cnn.train import History

finite = st.floats(allow_nan=False, allow_infinity=False)
curves = st.integers(0, 5).flatmap(lambda n: st.tuples(*(st.lists(finite, min_size=n, max_size=n) for _ in range(4))))


@given(curves=curves)
def test_a_saved_history_comes_back_bit_for_bit(
    curves: tuple[list[float], list[float], list[float], list[float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    history = History(*curves)
    path = tmp_path_factory.mktemp("history") / "history.json"

    history.save(path)

    assert History.load(path) == history


def test_the_file_is_plain_json_with_one_list_per_curve(tmp_path: Path) -> None:
    History([0.5], [0.75], [0.25], [1.0]).save(tmp_path / "history.json")

    assert json.loads((tmp_path / "history.json").read_text()) == {
        "train_loss": [0.5],
        "train_accuracy": [0.75],
        "test_loss": [0.25],
        "test_accuracy": [1.0],
    }


def test_updates_stand_in_a_list_of_their_own(tmp_path: Path) -> None:
    history = History([0.5], [0.75], [0.25], [1.0], step=[40])
    history.save(tmp_path / "history.json")

    assert json.loads((tmp_path / "history.json").read_text())["step"] == [40]
    assert History.load(tmp_path / "history.json") == history
    assert "step" not in History([0.5], [0.75], [0.25], [1.0])


def test_what_was_not_measured_is_null_in_the_file_and_nan_in_the_list(tmp_path: Path) -> None:
    History([0.5], [0.75], [math.nan], [math.nan]).save(tmp_path / "history.json")

    assert json.loads((tmp_path / "history.json").read_text())["test_loss"] == [None]
    assert math.isnan(History.load(tmp_path / "history.json").test_accuracy[0])


def test_it_reads_as_a_mapping() -> None:
    history = History([0.5, 0.25], [0.5, 0.75], [0.7, 0.6], [0.5, 0.5])

    assert dict(history) == {
        "train_loss": [0.5, 0.25],
        "train_accuracy": [0.5, 0.75],
        "test_loss": [0.7, 0.6],
        "test_accuracy": [0.5, 0.5],
    }
    with pytest.raises(KeyError):
        history["step"]


def test_a_save_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    History([0.5], [0.75], [0.25], [1.0]).save(path)

    with pytest.raises(TypeError):
        History([np.float32(0.5)], [0.75], [0.25], [1.0]).save(path)  # type: ignore[list-item]

    assert History.load(path).train_loss == [0.5]
    assert [file.name for file in tmp_path.iterdir()] == ["history.json"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "expects JSON"),
        ("[]", "expects a JSON object with the lists train_loss"),
        ('{"train_loss": []}', "expects a JSON object with the lists train_loss"),
        (
            '{"train_loss": ["a"], "train_accuracy": [], "test_loss": [], "test_accuracy": []}',
            "train_loss expects a list",
        ),
        ('{"train_loss": 3, "train_accuracy": [], "test_loss": [], "test_accuracy": []}', "train_loss expects a list"),
    ],
    ids=["torn", "no object", "a list missing", "a word", "no list"],
)
def test_a_file_that_is_no_history_is_refused_by_name(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)

    with pytest.raises(DataError, match=rf"other\.json: .*{fault}"):
        History.load(path)
