from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from tinygrad_cnn.errors import ArgumentTypeError, DataError, DataNotFoundError, DTypeError, MissingDependencyError
from tinygrad_cnn.io import load_metadata, load_tensors, save_tensors

DTYPES = st.sampled_from(["bool", "int8", "uint16", "int64", "float16", "float32", "float64"])
ARRAYS = DTYPES.flatmap(lambda dtype: npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0)))


def with_header(path: Path, **tensors: Any) -> None:
    """A file of this header, as another program might write it."""
    header = json.dumps(tensors).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=st.dictionaries(st.text(min_size=1).filter(lambda name: name != "__metadata__"), ARRAYS, max_size=3))
def test_what_is_saved_is_loaded(tmp_path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, arrays)
    loaded = load_tensors(path)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


def test_arrays_in_any_order_of_memory_keep_their_values(tmp_path: Path) -> None:
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    arrays = {
        "transposed": a.T,
        "fortran": np.asfortranarray(a),
        "strided": a[:, ::2, ::-1],
        "broadcast": np.broadcast_to(a[0, 0], (5, 4)),
        "big_endian": a.astype(">f4"),
    }
    path = tmp_path / "model.safetensors"
    save_tensors(path, arrays)
    for name, loaded in load_tensors(path).items():
        np.testing.assert_array_equal(loaded, arrays[name], err_msg=name)
        loaded[...] = 0  # it is the caller's own


def test_metadata_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"w": np.ones(2)}, metadata={"epoch": "3", "größe": "«2»"})
    assert load_metadata(path) == {"epoch": "3", "größe": "«2»"}
    save_tensors(path, {"w": np.ones(2)})
    assert load_metadata(path) == {}


def test_a_refused_value_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"w": np.ones(2)})
    before = path.read_bytes()
    refused: list[tuple[Any, Any, type[Exception], str]] = [
        ({"w": [1.0]}, None, ArgumentTypeError, "'w' must be an ndarray, got list"),
        ({"w": np.ones(2, complex)}, None, DTypeError, "'w' is complex128"),
        ({"w": np.array([None])}, None, DTypeError, "'w' is object"),
        ({3: np.ones(2)}, None, ArgumentTypeError, "a name must be a string, got int 3"),
        ({"w": np.ones(2)}, {"epoch": 3}, ArgumentTypeError, "metadata must be a string, got int 3"),
    ]
    for tensors, metadata, error, message in refused:
        with pytest.raises(error, match=message):
            save_tensors(path, tensors, metadata)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"w": np.ones(100)})
    whole = path.read_bytes()
    for damaged in (b"", b"PK\x03\x04 some other format", whole[:-1], whole[:20]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"model\.safetensors is damaged, or no safetensors file"):
            load_tensors(path)


def test_a_dtype_that_numpy_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with_header(path, w={"dtype": "BF16", "shape": [32], "data_offsets": [0, 64]})
    with pytest.raises(DataError, match=r"holds a dtype that NumPy lacks .*bfloat16"):
        load_tensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"load_tensors: there is no file .*absent\.safetensors"):
        load_tensors(tmp_path / "absent.safetensors")
    with pytest.raises(FileNotFoundError, match="load_metadata"):
        load_metadata(tmp_path / "absent.safetensors")


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingDependencyError, match=r"tinygrad_cnn\[train\]"):
        save_tensors(tmp_path / "model.safetensors", {})
    assert list(tmp_path.iterdir()) == []
