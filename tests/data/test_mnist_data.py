from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tinygrad_cnn.data import mnist
from tinygrad_cnn.errors import ArgumentError, ArgumentTypeError, DataError, DataNotFoundError, MissingDependencyError

TRAINING, TEST, H, W = 30, 8, 5, 4
_draws = np.random.default_rng(0)
CONTENT: dict[str, NDArray[np.uint8]] = {
    "train-images-idx3-ubyte": _draws.integers(0, 256, (TRAINING, H, W), dtype=np.uint8),
    "train-labels-idx1-ubyte": (np.arange(TRAINING) % 10).astype(np.uint8),
    "t10k-images-idx3-ubyte": _draws.integers(0, 256, (TEST, H, W), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": (np.arange(TEST)[::-1] % 10).astype(np.uint8),
}
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = CONTENT.values()


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, array in CONTENT.items():
        (tmp_path / name).write_bytes(idx_bytes(array))
    return tmp_path


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images[:, np.newaxis].astype(np.float32) / np.float32(255)


def test_the_official_split(folder: Path) -> None:
    data = mnist(folder)

    assert data.name == "mnist"
    assert data.image_shape == (1, H, W)
    assert data.class_names == tuple("0123456789")
    assert data.train_images.dtype == np.float32
    assert np.array_equal(data.train_images, pixels(TRAIN_IMAGES))
    assert np.array_equal(data.train_labels, TRAIN_LABELS)
    assert np.array_equal(data.test_images, pixels(TEST_IMAGES))
    assert np.array_equal(data.test_labels, TEST_LABELS)


def test_both_numbers_take_both_sets_from_the_training_file(folder: Path) -> None:
    data = mnist(folder, train=20, test=5)

    assert np.array_equal(data.test_images, pixels(TRAIN_IMAGES[:5]))
    assert np.array_equal(data.test_labels, TRAIN_LABELS[:5])
    assert np.array_equal(data.train_images, pixels(TRAIN_IMAGES[5:25]))
    assert np.array_equal(data.train_labels, TRAIN_LABELS[5:25])


def test_both_numbers_do_not_need_the_test_files(folder: Path) -> None:
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).unlink()

    assert len(mnist(folder, train=20, test=5).test_images) == 5


def test_train_alone_keeps_the_official_test_set(folder: Path) -> None:
    data = mnist(folder, train=12)

    assert np.array_equal(data.train_images, pixels(TRAIN_IMAGES[:12]))
    assert np.array_equal(data.test_images, pixels(TEST_IMAGES))


def test_test_alone_keeps_the_official_training_set(folder: Path) -> None:
    data = mnist(folder, test=3)

    assert np.array_equal(data.train_images, pixels(TRAIN_IMAGES))
    assert np.array_equal(data.test_labels, TEST_LABELS[:3])


def test_every_image_can_be_taken(folder: Path) -> None:
    data = mnist(folder, train=TRAINING - 1, test=1)

    assert len(data.train_images) == TRAINING - 1


def test_the_arrays_can_be_written_to(folder: Path) -> None:
    data = mnist(folder)

    data.train_images[0] = 0.5
    data.train_labels[0] = 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": 31}, r"mnist: train=31 asks for more than the 30 training images of .*train-images-idx3-ubyte"),
        ({"test": 9}, r"mnist: test=9 asks for more than the 8 test images of .*t10k-images-idx3-ubyte"),
        ({"train": 26, "test": 5}, "test=5 and train=26 ask together for 31 of the 30 training images"),
        ({"train": 0}, "train expects at least 1 image, got 0"),
        ({"test": -1}, "test expects at least 1 image, got -1"),
    ],
    ids=["train", "test", "both", "zero", "negative"],
)
def test_a_number_that_the_files_do_not_hold_is_refused(folder: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        mnist(folder, **arguments)


def test_a_number_that_is_not_whole_is_refused(folder: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="train expects a whole number of images or None, got str"):
        mnist(folder, train="9000")  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("separator", ["-", "."])
def test_every_spelling_of_the_names_is_found(tmp_path: Path, separator: str, suffix: str) -> None:
    for name, array in CONTENT.items():
        spelled = name.replace("-idx", f"{separator}idx") + suffix
        content = idx_bytes(array)
        (tmp_path / spelled).write_bytes(gzip.compress(content) if suffix else content)

    assert np.array_equal(mnist(str(tmp_path)).test_images, pixels(TEST_IMAGES))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"mnist: .*nowhere does not exist; pass data_dir.*t10k-labels"):
        mnist(tmp_path / "nowhere")


def test_a_file_is_no_folder(folder: Path) -> None:
    with pytest.raises(DataNotFoundError, match="train-images-idx3-ubyte is not a folder"):
        mnist(folder / "train-images-idx3-ubyte")


@pytest.mark.parametrize("name", CONTENT)
def test_a_missing_file_is_named_with_what_was_looked_for(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(DataNotFoundError, match=rf"{folder} has no {name[:11]}.* looked for {name}, {name}\.gz, "):
        mnist(folder)


def test_labels_of_another_set_are_refused(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(TEST_LABELS))

    with pytest.raises(
        DataError, match=r"train-labels-idx1-ubyte: expects .* got 8 labels for the 30 images of .*images"
    ):
        mnist(folder)


def test_a_label_that_is_no_digit_is_refused(folder: Path) -> None:
    labels = TEST_LABELS.copy()
    labels[[2, 5]] = 10, 255
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels))

    with pytest.raises(
        DataError, match=r"t10k-labels.*: expects labels 0\.\.9, got 10 at index 2 \(2 outside in all\)"
    ):
        mnist(folder)


def test_files_swapped_are_refused(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte").write_bytes(idx_bytes(TRAIN_IMAGES))

    with pytest.raises(DataError, match=r"train-labels.* magic number 0x00000801"):
        mnist(folder)


@pytest.mark.parametrize("shape", [(0, H, W), (3, 0, W)], ids=["no images", "no pixels"])
def test_a_file_without_pixels_is_refused(folder: Path, shape: tuple[int, ...]) -> None:
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(np.zeros(shape, np.uint8)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(shape[0], np.uint8)))

    with pytest.raises(DataError, match="t10k-images-idx3-ubyte: holds no pixels"):
        mnist(folder)


@given(data=st.data(), name=st.sampled_from(list(CONTENT)), packed=st.booleans())
def test_damage_to_any_file_is_a_data_error_or_another_value(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str, packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    for file, array in CONTENT.items():
        (folder / file).write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    content = bytearray((folder / name).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[position:]
    else:
        content[position] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(content)

    try:
        read = mnist(folder)
    except DataError:
        return
    assert read.train_images.shape == (TRAINING, 1, H, W)
    assert read.test_images.shape == (TEST, 1, H, W)
    assert read.train_images.max() <= 1
    assert read.train_labels.max() <= 9


def test_without_a_folder_and_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)

    with pytest.raises(MissingDependencyError, match=r"mnist without data_dir.*tinygrad_cnn\[train\]"):
        mnist()


def real_folder() -> Path | None:
    named = os.environ.get("TINYGRAD_CNN_MNIST")
    beside = Path(__file__).parents[3] / "shared" / "data" / "mnist"
    return Path(named) if named else beside if beside.is_dir() else None


@pytest.mark.skipif(real_folder() is None, reason="TINYGRAD_CNN_MNIST does not name MNIST's folder")
class TestRealMnist:
    def test_the_official_split(self) -> None:
        data: Any = mnist(real_folder())

        assert data.train_images.shape == (60_000, 1, 28, 28)
        assert data.test_images.shape == (10_000, 1, 28, 28)
        assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
        assert data.test_labels[:4].tolist() == [7, 2, 1, 0]
        assert (data.train_images.min(), data.train_images.max()) == (0, 1)
        assert data.train_images.mean() == pytest.approx(0.1307, abs=1e-4)

    def test_both_numbers_take_both_sets_from_the_training_file(self) -> None:
        few, data = mnist(real_folder(), train=9000, test=1000), mnist(real_folder(), train=10_000)

        assert np.array_equal(few.test_images, data.train_images[:1000])
        assert np.array_equal(few.test_labels, data.train_labels[:1000])
        assert np.array_equal(few.train_images, data.train_images[1000:])
        assert np.array_equal(few.train_labels, data.train_labels[1000:])
